"""Rows to records and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from godos.catalog.items import Item
from godos.catalog.places import ObjectKey
from godos.catalog.records import (
    Head,
    RowNotUnderstood,
    blob_item,
    blob_of,
    bucket_item,
    bucket_of,
    cluster_item,
    cluster_of,
    fields,
    head_item,
    head_of,
    older_item,
    older_of,
)
from godos.catalog.version_ids import version_id
from godos.model.blobs import Blob, BlobState, Placed
from godos.model.errors import Unavailable
from godos.model.members import Cluster
from godos.model.names import new_id
from godos.model.policy import Policy
from godos.model.versions import (
    NULL_VERSION,
    PLAIN,
    Attributes,
    Bucket,
    ChecksumType,
    Lock,
    LockMode,
    ObjectVersion,
    Versioning,
)

BUCKET = Bucket("photos", "b" * 32, "ann", 12.5, Versioning.ENABLED, 3, "r" * 32)
AT = ObjectKey(BUCKET, "ключ/\U0001f600\n")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
HEADERS = st.dictionaries(TEXT, TEXT, max_size=3)
DOCUMENTS = st.none() | st.dictionaries(TEXT, TEXT | st.integers() | st.lists(TEXT), min_size=1)
LOCKS = st.builds(Lock, st.sampled_from(LockMode), st.floats(0, 1e12), st.booleans())
ATTRIBUTES = st.builds(
    Attributes,
    headers=HEADERS,
    metadata=HEADERS,
    owner=TEXT,
    tags=HEADERS,
    acl=DOCUMENTS,
    storage_class=st.sampled_from(["STANDARD", "REDUCED_REDUNDANCY"]),
    lock=LOCKS,
    encryption=DOCUMENTS,
)


@st.composite
def versions(draw: st.DrawFn) -> ObjectVersion:
    """Any version that a commit can make."""
    seq, reference = draw(st.integers(1, 2**40)), draw(st.uuids()).hex
    null, marker = draw(st.booleans()), draw(st.booleans())
    return ObjectVersion(
        bucket=BUCKET.name,
        key=AT.key,
        version_id=NULL_VERSION if null else version_id(seq, reference),
        seq=seq,
        etag="" if marker else draw(TEXT),
        size=0 if marker else draw(st.integers(0, 5 * 2**40)),
        modified=draw(st.floats(0, 1e12)),
        incarnation=None if marker else draw(st.none() | st.uuids().map(lambda u: u.hex)),
        reference=reference,
        rev=new_id(),
        is_null=null,
        is_delete_marker=marker,
        attributes=draw(ATTRIBUTES),
        checksums=draw(HEADERS),
        checksum_type=draw(st.sampled_from(ChecksumType)),
        manifest=draw(st.none() | st.uuids().map(lambda u: u.hex)),
        parts=draw(st.integers(0, 10_000)),
    )


def stored(item: Item) -> Item:
    """The item as an engine gives it back."""
    return item._replace(data=json.loads(json.dumps(item.data)))


@given(versions(), st.booleans(), st.none() | st.integers(1, 2**40))
def test_heads(version: ObjectVersion, older: bool, null_seq: int | None) -> None:
    """A head comes back as it was written."""
    head = Head(version, older, null_seq)
    assert head_of(AT, stored(head_item(AT, head))) == head


@given(versions())
def test_older_versions(version: ObjectVersion) -> None:
    """An older version comes back as it was, with the rev of what pushed it down."""
    pushed = older_of(AT, stored(older_item(AT, version, "p" * 32)))
    assert pushed == evolve(version, rev="p" * 32, is_latest=False)


@given(versions())
def test_a_version_of_another_key(version: ObjectVersion) -> None:
    """A row is not taken for a version of a key that only has the same hash."""
    item = older_item(AT, version, new_id())
    with pytest.raises(RowNotUnderstood, match="stands where"):
        older_of(ObjectKey(BUCKET, "other"), item)


def test_a_head_from_before() -> None:
    """A row of an older godos, which knew less, is read as what it meant."""
    data = {"f": 1, "seq": 4, "ref": "a" * 32, "t": 1.5, "etag": "e", "size": 5, "inc": "b" * 32}
    head = head_of(AT, Item(*AT.head, {**data, "null": True, "older": True, "nul": None}, "r" * 32))
    assert head.version == ObjectVersion(
        "photos", AT.key, NULL_VERSION, 4, "e", 5, 1.5, "b" * 32, "a" * 32, "r" * 32
    )
    assert (head.version.attributes, head.older, head.null_seq) == (PLAIN, True, None)


@pytest.mark.parametrize("versioning", list(Versioning))
@pytest.mark.parametrize("flags", [(False, False), (True, False), (False, True)])
def test_buckets(versioning: Versioning, flags: tuple[bool, bool]) -> None:
    """A bucket comes back as it was written, and one from before without what is new."""
    locked, notifies = flags
    bucket = evolve(BUCKET, versioning=versioning, object_lock=locked, notifies=notifies)
    item = stored(bucket_item(bucket))
    assert bucket_of(item) == bucket
    assert {"lock", "notify"} & set(item.data) == {
        name for name, flag in zip(("lock", "notify"), flags, strict=True) if flag
    }


@pytest.mark.parametrize("state", list(BlobState))
@pytest.mark.parametrize("codec", ["raw", "zstd"])
@pytest.mark.parametrize("layout", [(), (Placed(0, "x"), Placed(2, "y"))])
def test_blobs(state: BlobState, codec: str, layout: tuple[Placed, ...]) -> None:
    """A blob comes back as it was written, also an empty layout."""
    blob = Blob(new_id(), 0, "ab" * 32, Policy.copies(3), layout, codec, state, new_id())
    assert blob_of(stored(blob_item(blob))) == blob


def test_the_cluster() -> None:
    """The cluster's row comes back as it was written."""
    cluster = Cluster(new_id(), "5e" * 32, "auto", 1, 5.5)
    assert cluster_of(stored(cluster_item(cluster, new_id()))) == cluster


@pytest.mark.parametrize("written", [2, None, "1", 1.5])
def test_a_newer_format(written: Any) -> None:
    """A row of a newer godos is refused with a reason, and not guessed at."""
    data = {} if written is None else {"f": written}
    with pytest.raises(RowNotUnderstood, match=r"BKT.*format") as refused:
        fields(Item("BKT", b"photos", data))
    assert isinstance(refused.value, Unavailable)


def test_rows_are_small() -> None:
    """What is empty takes no room: an ordinary head stays far below one unit of 1 KB."""
    version = ObjectVersion(
        "photos", AT.key, NULL_VERSION, 1, "e" * 32, 5, 1.7e9, new_id(), new_id(), new_id()
    )
    item = head_item(AT, Head(version))
    assert set(item.data) == {"f", "seq", "ref", "t", "etag", "size", "inc", "null"}
    assert len(json.dumps(item.data)) < 250
