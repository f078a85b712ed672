"""What fragments say of where they belong, whole and otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred

from godos.model.blobs import FragmentHeader, Placed
from godos.model.encryption import DataKey
from godos.model.fragments import SMALL
from godos.model.multipart import MultipartUpload
from godos.model.names import FragmentName
from godos.model.versions import Attributes, Bucket, Versioning
from godos.objects.provenance import object_origin, part_origin, sealed_origin
from godos.storage.gathered import Gathered
from godos.storage.origins import (
    NO_KEY,
    NO_ORIGIN,
    STRANGE,
    Origin,
    Unreadable,
    read_origin,
    walk_headers,
)
from tests.simulation.node import now
from tests.unit.storage.nodes import flip, serving, stored

BUCKET = Bucket("photos", "b" * 32, "me", 1.0, Versioning.ENABLED)
INCARNATION = "5" * 32
SECRET = bytes(range(32))
ATTRIBUTES = Attributes(
    headers={"content-type": "image/png"},
    metadata={"m": "ü"},
    owner="somebody",
    tags={"t": "1"},
    storage_class="REDUCED_REDUNDANCY",
)
UPLOAD = MultipartUpload("u" * 22, "photos", "k/é", 1.0, attributes=ATTRIBUTES)


def header(origin: bytes, size: int = 5, codec: str = "raw") -> FragmentHeader:
    name = FragmentName(INCARNATION, 2)
    return FragmentHeader(name, size, size, "0" * 64, "copies=3", codec, origin)


def read(origin: bytes, **how: Any) -> Origin:
    """What a fragment with this block says; the one secret there is opens what is sealed."""

    async def open_key(descriptor: Mapping[str, Any]) -> bytes | None:
        return SECRET if descriptor["cipher"] == "AES256" else None

    found: Origin = now(Deferred.fromCoroutine(read_origin(header(origin, **how), open_key)))
    return found


def told() -> bytes:
    """As an object's."""
    return object_origin(BUCKET, "k/é", ATTRIBUTES, 7.5)("e" * 32, {"crc32c": "AAAA"}, 9)


def test_object() -> None:
    """All that an object was stored with comes back."""
    assert read(told()) == Origin(
        bucket="photos",
        bucket_id="b" * 32,
        key="k/é",
        etag="e" * 32,
        modified=7.5,
        size=9,
        versioning="Enabled",
        bucket_owner="me",
        owner="somebody",
        storage_class="REDUCED_REDUNDANCY",
        headers={"content-type": "image/png"},
        metadata={"m": "ü"},
        tags={"t": "1"},
        checksums={"crc32c": "AAAA"},
    )


def test_part() -> None:
    """A part says of which upload it is, and what that began with."""
    found = read(part_origin(BUCKET, UPLOAD, 17, 7.5)("e" * 32, {}, 9))
    assert (found.upload, found.part, found.size) == (UPLOAD.id, 17, 9)
    assert (found.headers, found.metadata) == (ATTRIBUTES.headers, ATTRIBUTES.metadata)
    assert (found.tags, found.owner) == (ATTRIBUTES.tags, "somebody")


def test_sealed() -> None:
    """Of an encrypted object the key tells, and how to get it again comes along."""
    key = DataKey(SECRET, {"cipher": "AES256", "by": "x"})
    found = read(sealed_origin(key, INCARNATION, told()))
    assert found.encryption == {"cipher": "AES256", "by": "x"}
    assert found.key == "k/é"
    other = DataKey(SECRET, {"cipher": "aws:kms"})
    with pytest.raises(Unreadable, match=NO_KEY):
        read(sealed_origin(other, INCARNATION, told()))
    with pytest.raises(Unreadable, match=STRANGE):
        read(sealed_origin(key, "6" * 32, told()))  # of another blob


@pytest.mark.parametrize(
    ("codec", "stored_size", "size"),
    [
        ("raw", 5, 5),
        ("aes256gcm-64k", 16 + 1, 1),
        ("aes256gcm-64k", (64 << 10) + 16, 64 << 10),
        ("aes256gcm-64k", (64 << 10) + 1 + 32, (64 << 10) + 1),
    ],
)
def test_older_block(codec: str, stored_size: int, size: int) -> None:
    """A block of before there was a size in it is understood where the size follows."""
    said = json.loads(told())
    del said["size"]
    assert read(json.dumps(said).encode(), codec=codec, size=stored_size).size == size
    with pytest.raises(Unreadable, match=STRANGE):
        read(json.dumps(said).encode(), codec="zstd-256k")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (None, NO_ORIGIN),
        (b"{", STRANGE),
        (b"[]", STRANGE),
        (b"[" * 100_000, STRANGE),
        (b"\xff", STRANGE),
        ({"v": 2}, "newer godos"),
        ({"v": "x"}, STRANGE),
        ({"bucket": "../up"}, STRANGE),
        ({"versioning": "Perhaps"}, STRANGE),
        ({"upload": "u", "part": 0}, STRANGE),
        ({"upload": "u", "part": 1, "etag": "none"}, STRANGE),
        ({"key": "k" * 1025}, STRANGE),
        ({"bucket_id": "../up"}, STRANGE),
        ({"key": ""}, STRANGE),
        ({"key": 5}, STRANGE),
        ({"modified": "soon"}, STRANGE),
        ({"headers": 5}, STRANGE),
        ({"sealed": "?"}, STRANGE),
    ],
)
def test_strange_blocks(changed: Any, why: str) -> None:
    """What is no origin block is told as such, and ends nothing."""
    block = changed or b""
    if isinstance(changed, dict):
        block = json.dumps(json.loads(told()) | changed).encode()
    with pytest.raises(Unreadable, match=why):
        read(block)


def test_policy_of_a_newer_godos() -> None:
    """A fragment of a kind that is not known here is left out."""

    async def open_key(_descriptor: Mapping[str, Any]) -> None: ...

    strange = evolve(header(told()), policy="mirror=2")
    with pytest.raises(Unreadable, match=STRANGE):
        now(Deferred.fromCoroutine(read_origin(strange, open_key)))


# -- a whole node ------------------------------------------------------------------------
def test_walk(tmp_path: Path) -> None:
    """All fragments of a disk are asked, and those that are too damaged are named."""
    large, broken = FragmentName("1" * 32, 0), FragmentName("2" * 32, 1)
    names = [FragmentName(f"{number:032x}", 0) for number in range(30)]
    with serving(tmp_path / "node") as store:
        for name in names:
            stored(store, 50, name)
        headers = {name: stored(store, SMALL + 9, name) for name in (large, broken)}
        path = tmp_path / "node" / "objects" / "22" / str(broken)
        flip(path, path.stat().st_size - 30)
        found: list[FragmentHeader] = []
        lost: list[FragmentName] = []

        async def keep(header: FragmentHeader) -> None:
            found.append(header)

        walking = walk_headers(store, keep, lambda name, why: lost.append(name))
        now(Deferred.fromCoroutine(walking))
    assert lost == [broken]
    assert [header.name for header in found] == [*names, large]
    assert found[-1] == headers[large]


# -- what is gathered ----------------------------------------------------------------------
@pytest.fixture
def gathered() -> Iterator[Gathered]:
    gathered = Gathered(":memory:")
    yield gathered
    gathered.close()


def add(gathered: Gathered, node: str, index: int, policy: str = "copies=3", of: int = 5) -> None:
    name = FragmentName(str(of) * 32, index)
    gathered.add(node, FragmentHeader(name, 3, 9, "0" * 64, policy))


def layout(gathered: Gathered) -> tuple[str, tuple[Placed, ...]]:
    gathered.tell(INCARNATION, read(told()))
    (found,) = gathered.of_key("photos", "b" * 32, "k/é")
    assert found.origin == read(told())
    return str(found.blob.policy), found.blob.layout


def test_layout(gathered: Gathered) -> None:
    """Each fragment is where it was found; of one that is there twice one is named."""
    for node, index in (("n1", 0), ("n2", 1), ("n3", 1)):
        add(gathered, node, index)
        add(gathered, node, index)  # a run that was repeated
    assert layout(gathered) == ("copies=3", (Placed(0, "n1"), Placed(1, "n2")))
    assert (gathered.fragments, gathered.blobs) == (3, 1)


def test_leftovers_of_a_conversion_of_long_ago(gathered: Gathered) -> None:
    """They may have numbers of the same generation, and are not taken for shards of it."""
    for node in range(6):
        add(gathered, f"n{node}", 100 + node, "ec=4+2")
    add(gathered, "n", 100, "copies=3")
    assert layout(gathered) == ("ec=4+2", tuple(Placed(100 + n, f"n{n}") for n in range(6)))


def test_what_can_be_read_counts_more_than_what_is_nearly_whole(gathered: Gathered) -> None:
    """A conversion was broken off when some of its shards were written, and disks are lost."""
    add(gathered, "n0", 0, "copies=3")
    add(gathered, "n1", 101, "ec=2+1")
    assert layout(gathered) == ("copies=3", (Placed(0, "n0"),))


@pytest.mark.parametrize("new", [1, 2, 3])
def test_interrupted_conversion(gathered: Gathered, new: int) -> None:
    """Of two generations the whole one counts, and of two that are whole the newer."""
    for node in range(2):
        add(gathered, f"n{node}", node, "copies=2")
    for node in range(new):
        add(gathered, f"n{node}", 100 + node, "ec=2+1")
    policy, placed = layout(gathered)
    assert policy == ("ec=2+1" if new == 3 else "copies=2")
    assert len({each.index // 100 for each in placed}) == 1


def test_buckets(gathered: Gathered) -> None:
    """Of buckets with one name the one that was used last comes first."""
    for number, (bucket_id, modified) in enumerate([("a", 5.0), ("b", 9.0), ("a", 7.0)]):
        bucket = Bucket("photos", bucket_id * 32, "me", 1.0)
        block = object_origin(bucket, "k", ATTRIBUTES, modified)("e", {}, 1)
        gathered.tell(f"{number:032x}", read(block))
    assert list(gathered.buckets()) == [
        ("photos", "b" * 32, 9.0, 9.0),
        ("photos", "a" * 32, 5.0, 7.0),
    ]
    assert gathered.count("a" * 32) == 2
    newest = next(gathered.newest_origins("a" * 32))
    assert newest.modified == 7.0
    assert list(gathered.keys("photos", "a" * 32)) == ["k"]


def test_silent(gathered: Gathered) -> None:
    """Blobs that tell nothing are counted by the reason, but for those of which another does."""
    for of in (1, 2, 3):
        gathered.is_silent(str(of) * 32, NO_KEY)
    gathered.is_silent("4" * 32, STRANGE)
    gathered.tell("3" * 32, read(told()))
    assert gathered.silent() == {NO_KEY: 2, STRANGE: 1}
