"""Copies: which bytes move, and what may happen meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import CancelledError

from godos.catalog.items import Put, RevIs
from godos.catalog.records import blob_item
from godos.model.blobs import BlobState
from godos.model.encryption import Cipher, Encryption
from godos.model.errors import NoSuchKey, PreconditionFailed
from godos.model.names import new_id
from godos.model.objects import (
    ChosenPart,
    CompleteRequest,
    CopyRequest,
    CopySource,
    DeleteRequest,
    GetRequest,
    NewUpload,
    PutRequest,
)
from godos.model.versions import Attributes, ObjectVersion, Versioning, WriteCondition
from tests.unit.objects.meddling import SlowFragments, collect, just_before
from tests.unit.objects.stores import Body, Store, now, whole

LARGE = bytes(range(256)) * 16384  # 4 MiB
SSE_S3 = Encryption(Cipher.S3)


def put(store: Store, key: str, data: bytes, **asked: Any) -> ObjectVersion:
    version = now(store.objects.put("objects", key, Body(data), PutRequest(**asked)))
    assert isinstance(version, ObjectVersion)
    return version


def copying(store: Store, source: str, key: str, **request: Any) -> Any:
    request.setdefault("attributes", lambda version: version.attributes)
    return store.objects.copy(CopySource("objects", source), "objects", key, CopyRequest(**request))


def get(store: Store, key: str) -> bytes:
    return whole(now(store.objects.get("objects", key, GetRequest())))


def in_parts(store: Store, key: str, data: bytes) -> None:
    """Upload an object in one part."""
    upload = now(store.objects.create_upload("objects", key, NewUpload("me")))
    part = now(store.objects.upload_part("objects", key, upload.id, 1, Body(data), PutRequest()))
    chosen = CompleteRequest((ChosenPart(1, part.etag),))
    now(store.objects.complete_upload("objects", key, upload.id, chosen))


@pytest.mark.parametrize("store_it", [put, in_parts])
def test_no_byte_moves(store_it: Any) -> None:
    """A copy adds no fragment to any node, and reads none."""
    nodes = [SlowFragments(f"{n:032x}") for n in range(3)]
    store = Store(nodes)
    store_it(store, "a", LARGE)
    before = store.fragments
    now(copying(store, "a", "b"))
    assert store.fragments == before
    assert sum(node.reads for node in nodes) == 0
    assert get(store, "b") == LARGE


@pytest.mark.parametrize("store_it", [put, in_parts])
def test_shared_bytes_go_with_the_last(store_it: Any) -> None:
    """Bytes stay while one object has them, and go when none has."""
    store = Store(1)
    store_it(store, "a", LARGE)
    now(copying(store, "a", "b"))
    now(store.objects.delete("objects", "a", DeleteRequest()))
    collect(store)
    assert get(store, "b") == LARGE
    now(copying(store, "b", "b", attributes=lambda _: Attributes({"content-type": "a/b"})))
    collect(store)
    assert get(store, "b") == LARGE
    now(store.objects.delete("objects", "b", DeleteRequest()))
    collect(store)
    assert store.fragments == 0


def test_encrypted_bytes_are_never_shared() -> None:
    """Each copy has a key of its own, and so fragments of its own."""
    store = Store(1)
    put(store, "a", LARGE, encryption=SSE_S3)
    now(copying(store, "a", "b", encryption=SSE_S3))
    now(copying(store, "a", "c"))
    assert store.fragments == 3
    assert [get(store, key) for key in "abc"] == [LARGE] * 3


# -- what happens meanwhile -------------------------------------------------------------------
def test_the_source_is_deleted_meanwhile() -> None:
    """Its bytes may live on in the copy; before anybody collects them they are safe."""
    store = Store(1)
    put(store, "a", LARGE)
    just_before(
        store.catalog, "commit", lambda: now(store.objects.delete("objects", "a", DeleteRequest()))
    )
    now(copying(store, "a", "b"))
    collect(store)
    assert get(store, "b") == LARGE


def test_the_source_is_collected_meanwhile() -> None:
    """A copy never refers to bytes that are being removed: there is nothing to copy then."""
    store = Store(1)
    put(store, "a", LARGE)

    def gone() -> None:
        now(store.objects.delete("objects", "a", DeleteRequest()))
        collect(store)

    just_before(store.catalog, "commit", gone)
    with pytest.raises(NoSuchKey):
        now(copying(store, "a", "b"))
    with pytest.raises(NoSuchKey):
        get(store, "b")


def test_the_source_is_replaced_and_collected_meanwhile() -> None:
    """The copy is of what is there then."""
    store = Store(1)
    put(store, "a", LARGE)

    def replaced() -> None:
        put(store, "a", b"new", attributes=Attributes({"content-type": "a/b"}))
        collect(store)

    just_before(store.catalog, "commit", replaced)
    source, copy = now(copying(store, "a", "b"))
    assert get(store, "b") == b"new"
    assert dict(copy.headers) == dict(source.headers) == {"content-type": "a/b"}


def condemn(store: Store, version: ObjectVersion) -> None:
    """Let the collector be half-way through with the bytes of a version."""
    blob = now(store.catalog.blob(version.incarnation))
    condemned = evolve(blob, state=BlobState.CONDEMNED, rev=new_id())
    now(store.items.transact([Put(blob_item(condemned), RevIs(blob.rev))], new_id()))


def test_bytes_that_are_being_removed_are_copied_one_by_one() -> None:
    """As long as they can be read, the copy gets some of its own."""
    store = Store(1)
    version = put(store, "a", LARGE, checksum="crc32")
    condemn(store, version)
    _, copy = now(copying(store, "a", "b"))
    assert copy.incarnation != version.incarnation
    assert copy.checksums == version.checksums
    assert get(store, "b") == LARGE


def test_conditions_hold_at_the_commit() -> None:
    """A condition on the place of the copy decides there, not when the copy began."""
    store = Store(1)
    put(store, "a", b"a")
    just_before(store.catalog, "commit", lambda: put(store, "b", b"faster"))
    only_new = WriteCondition(if_none_match_any=True)
    with pytest.raises(PreconditionFailed):
        now(copying(store, "a", "b", condition=only_new))
    assert get(store, "b") == b"faster"


def test_a_moving_copy_stays_with_one_version() -> None:
    """Bytes and attributes are of the same version, whatever replaces it meanwhile."""
    node = SlowFragments("0" * 32)
    store = Store([node])
    put(store, "a", LARGE, attributes=Attributes(metadata={"is": "old"}))
    node.slow = True
    copied = copying(store, "a", "b", encryption=SSE_S3)
    assert node.reading
    put(store, "a", b"new", attributes=Attributes(metadata={"is": "new"}))
    node.go_on()
    source, copy = now(copied)
    assert (dict(copy.metadata), source.size) == ({"is": "old"}, len(LARGE))
    assert get(store, "b") == LARGE


def test_a_client_who_leaves() -> None:
    """A copy that is cancelled while bytes move leaves nothing behind."""
    node = SlowFragments("0" * 32)
    store = Store([node])
    put(store, "a", LARGE)
    node.slow = True
    copied = copying(store, "a", "b", encryption=SSE_S3)
    assert node.reading
    copied.cancel()
    with pytest.raises(CancelledError):
        now(copied)
    assert (store.fragments, node.staged) == (1, 0)
    with pytest.raises(NoSuchKey):
        get(store, "b")


def test_moving_copies_hold_little() -> None:
    """A slow disk rests the reading: no more is read than the upload takes."""
    node = SlowFragments("0" * 32)
    store = Store([node])
    put(store, "a", LARGE)
    node.slow = True
    copied = copying(store, "a", "b", encryption=SSE_S3)
    assert node.reads == 1  # one piece at a time
    node.go_on()
    now(copied)


def test_a_copy_with_versioning_keeps_all() -> None:
    """Copies onto one key are versions that share their bytes."""
    store = Store(1)
    now(store.objects.set_versioning("objects", Versioning.ENABLED))
    put(store, "a", LARGE)
    for _ in range(3):
        now(copying(store, "a", "a"))
    versions = now(store.objects.list_versions("objects", "", "", "", "", 10)).versions
    assert len(versions) == 4
    assert store.fragments == 1
    for version in versions[:3]:
        now(store.objects.delete("objects", "a", DeleteRequest(version.version_id)))
    collect(store)
    assert get(store, "a") == LARGE
