"""Objects that were made of parts, on their way out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.logger import globalLogPublisher

from godos.model.encryption import Cipher, Encryption
from godos.model.errors import (
    AccessDenied,
    BytesNotFound,
    InvalidEncryption,
    InvalidPartNumber,
    InvalidRequest,
    NodeUnreachable,
)
from godos.model.fragments import CHUNK
from godos.model.multipart import Part
from godos.model.names import new_id
from godos.model.objects import ByteRange, GetRequest, NewUpload, PutRequest
from godos.model.versions import NewVersion, ObjectVersion
from godos.objects import manifests
from godos.objects.manifests import Manifest, Manifests
from godos.objects.reading import PartsRead
from tests.unit.objects.stores import Body, Store, now, whole

CUSTOMERS = Encryption(Cipher.CUSTOMER, key=b"c" * 32)
EVERY = [None, Encryption(Cipher.S3), CUSTOMERS]
SIZES = [70_000, 0, 1, 65_536, 200_000, 0, 131_072, 3]


def data(size: int, number: int = 0) -> bytes:
    pattern = bytes((value + number) % 256 for value in range(251))
    return (pattern * (size // len(pattern) + 1))[:size]


def made_of(
    store: Store, pieces: Sequence[bytes], encryption: Encryption | None = None
) -> ObjectVersion:
    """The object `k` of these parts, which may be shorter than clients may send them."""
    objects, catalog = store.objects, store.catalog
    bucket = now(catalog.bucket("objects"))
    upload = now(objects.create_upload("objects", "k", NewUpload("me", encryption=encryption)))
    request = PutRequest(encryption=encryption)
    parts = [
        now(objects.upload_part("objects", "k", upload.id, number, Body(piece), request))
        for number, piece in enumerate(pieces, 1)
    ]
    size, manifest = sum(map(len, pieces)), new_id()
    new = NewVersion(
        operation=new_id(),
        etag="e-8",
        size=size,
        modified=1.0,
        blob=None,
        attributes=upload.attributes,
        manifest=manifest,
        parts=len(parts),
    )
    version: ObjectVersion = now(catalog.complete(bucket, upload, parts, new))
    return version


def get(store: Store, encryption: Encryption | None = None, **asked: Any) -> Any:
    key = None if encryption is None else encryption.key
    return now(store.objects.get("objects", "k", GetRequest(customer_key=key, **asked)))


PIECES = [data(size, number) for number, size in enumerate(SIZES)]
WHOLE = b"".join(PIECES)


def assembled(encryption: Encryption | None) -> Store:
    store = Store()
    made_of(store, PIECES, encryption)
    return store


STORES = [assembled(encryption) for encryption in EVERY]


@pytest.mark.parametrize("which", range(len(EVERY)))
def test_the_whole_object(which: int) -> None:
    """All parts, one after the other, also those without bytes."""
    assert whole(get(STORES[which], EVERY[which])) == WHOLE


@settings(max_examples=80)
@given(
    which=st.integers(0, len(EVERY) - 1),
    one=st.integers(0, len(WHOLE) - 1),
    other=st.integers(0, len(WHOLE) - 1),
)
def test_ranges(which: int, one: int, other: int) -> None:
    """Any range is the slice of the whole, whatever seams it crosses."""
    first, last = sorted((one, other))
    read = get(STORES[which], EVERY[which], range=ByteRange(first, last))
    assert (read.start, read.stop) == (first, last + 1)
    assert whole(read) == WHOLE[first : last + 1]


@pytest.mark.parametrize("which", range(len(EVERY)))
def test_one_part(which: int) -> None:
    """By its number, with the range of the object that it is."""
    start = 0
    for number, piece in enumerate(PIECES, 1):
        read = get(STORES[which], EVERY[which], part=number)
        assert (read.start, read.stop) == (start, start + len(piece))
        assert (read.part.number, read.part.size) == (number, len(piece))
        assert whole(read) == piece
        start += len(piece)
    with pytest.raises(InvalidPartNumber):
        get(STORES[which], EVERY[which], part=len(PIECES) + 1)


def test_the_only_part_of_a_plain_object() -> None:
    """Part 1 is the whole, and there is no other."""
    store = Store()
    for body in (b"hello", b""):
        now(store.objects.put("objects", "k", Body(body), PutRequest()))
        read = get(store, part=1)
        assert (read.part, read.start, read.stop) == (None, 0, len(body))
        assert whole(read) == body
        with pytest.raises(InvalidPartNumber):
            get(store, part=2)


def test_a_part_and_a_range() -> None:
    """Both at once make no sense."""
    with pytest.raises(InvalidRequest, match="not for both"):
        get(STORES[0], part=1, range=ByteRange(0, 1))


def test_each_part_needs_the_customers_key() -> None:
    """It is asked for before any byte."""
    with pytest.raises(InvalidEncryption):
        get(STORES[2], None)


def test_parts_that_are_large() -> None:
    """Pieces stay small, whatever the parts."""
    store = Store(1)
    pieces = [data(3 * CHUNK + 5, number) for number in range(3)]
    made_of(store, pieces)
    read, got = get(store), []
    while piece := now(read.read()):
        got.append(piece)
    assert b"".join(got) == b"".join(pieces)
    assert max(map(len, got)) <= CHUNK


def test_a_part_that_is_gone() -> None:
    """The read breaks there; nothing is left out."""
    store = Store()
    version = made_of(store, PIECES)
    gone = now(store.catalog.manifest(version.manifest))[4].incarnation
    for node in store.nodes:
        for name in [name for name in node.fragments if name.incarnation == gone]:
            del node.fragments[name]
    read, got = get(store), bytearray()
    with pytest.raises(BytesNotFound):
        while piece := now(read.read()):
            got += piece
    now(read.close())
    assert bytes(got) == b"".join(PIECES[:4])


def test_a_manifest_is_asked_for_once() -> None:
    """Readers of many ranges cost the catalog a head row each."""
    store = Store()
    made_of(store, PIECES)
    manifest, asked = store.catalog.manifest, []
    store.catalog.manifest = lambda id_: asked.append(id_) or manifest(id_)  # type: ignore
    for number in (1, 3, 5):
        whole(get(store, part=number))
    assert len(asked) == 1


def test_manifests_at_hand_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were not used for longest are forgotten first."""
    asked = []

    class Catalog:
        def manifest(self, id_: str) -> Deferred[Sequence[Part]]:
            asked.append(id_)
            return succeed([part(1)] * 10)

    catalog: Any = Catalog()
    monkeypatch.setattr(manifests, "MOST", 25)
    known = Manifests(catalog)
    for id_ in ("a", "b", "a", "c", "a", "b"):
        now(Deferred.fromCoroutine(known.get(id_)))
    assert asked == ["a", "b", "c", "b"]


# -- who may read ------------------------------------------------------------------------------
def refused(_: ObjectVersion) -> None:
    raise AccessDenied("not you")


@pytest.mark.parametrize("which", range(len(EVERY)))
def test_a_reader_who_may_not(which: int) -> None:
    """No node is asked, no condition answered, and the key is not looked at."""
    store = STORES[which]
    for asked in ({}, {"part": 99}, {"range": ByteRange(1 << 40, None)}):
        request = GetRequest(permit=refused, **asked)
        for ask in (store.objects.get, store.objects.head):
            with pytest.raises(AccessDenied, match="not you"):
                now(ask("objects", "k", request))


def test_the_permit_sees_the_version() -> None:
    """It decides by what the version is."""
    seen: list[ObjectVersion] = []
    get(STORES[0], permit=seen.append)
    assert seen[0].parts == len(PIECES)


# -- reading ahead -----------------------------------------------------------------------------
def part(number: int, size: int = 10) -> Part:
    return Part(number, size, "e", f"{number}", "r", 1.0)


class Slow:
    """A stream whose pieces come when a test says so."""

    def __init__(self, name: str, start: int, stop: int) -> None:
        self.name, self.left = name, stop - start
        self.waiting: Deferred[bytes] | None = None
        self.closed = 0

    async def read(self) -> bytes:
        if not self.left:
            return b""
        self.waiting = Deferred()
        piece = await self.waiting
        self.left -= len(piece)
        return piece

    async def close(self) -> None:
        self.closed += 1


class SlowBlobs:
    """Opens `Slow` streams, and remembers them."""

    def __init__(self) -> None:
        self.opened: list[Slow] = []

    async def open(
        self, incarnation: str, size: int, secret: bytes | None, start: int, stop: int
    ) -> Slow:
        self.opened.append(Slow(incarnation, start, stop))
        return self.opened[-1]

    def give(self, index: int, piece: bytes) -> None:
        waiting = self.opened[index].waiting
        assert waiting is not None
        waiting.callback(piece)


def reading(*sizes: int) -> tuple[PartsRead, SlowBlobs]:
    blobs: Any = SlowBlobs()
    parts = [part(number, size) for number, size in enumerate(sizes)]
    return PartsRead(blobs, Manifest.of(parts).slices(0, sum(sizes)), None), blobs


def start(coroutine: Any) -> Deferred[Any]:
    return Deferred.fromCoroutine(coroutine)


def test_the_next_part_is_begun_in_time() -> None:
    """When a part nears its end the next one is asked for, and no further one."""
    read, blobs = reading(3 * CHUNK, 10, 10)
    first = start(read.read())
    blobs.give(0, bytes(CHUNK))
    assert len(now(first)) == CHUNK
    assert len(blobs.opened) == 1
    second = start(read.read())
    blobs.give(0, bytes(CHUNK))
    now(second)
    assert [one.name for one in blobs.opened] == ["0", "1"]
    blobs.give(1, b"y" * 10)  # it waits there
    third = start(read.read())
    blobs.give(0, bytes(CHUNK))
    now(third)
    assert len(blobs.opened) == 2
    assert now(start(read.read())) == b"y" * 10
    assert blobs.opened[0].closed == 1
    assert len(blobs.opened) == 3
    last = start(read.read())
    blobs.give(2, b"z" * 10)
    assert now(last) == b"z" * 10
    assert now(start(read.read())) == b""
    now(start(read.close()))
    assert [one.closed for one in blobs.opened] == [1, 1, 1]


@pytest.mark.parametrize("given", [True, False])
def test_a_reader_who_leaves(given: bool) -> None:
    """What was begun for it is closed, whether its first piece has come or not."""
    read, blobs = reading(10, 10, 10)
    first = start(read.read())
    blobs.give(0, b"x" * 10)
    now(first)
    if given:
        blobs.give(1, b"y" * 10)
    now(start(read.close()))
    assert [one.closed for one in blobs.opened] == [1, 1]
    assert now(start(read.read())) == b""


def test_a_read_that_is_cancelled() -> None:
    """The part that was being begun is let go."""
    read, blobs = reading(10, 10)
    first = start(read.read())
    first.cancel()
    with pytest.raises(CancelledError):
        now(first)
    now(start(read.close()))
    assert [one.closed for one in blobs.opened] == [1]


def test_a_part_that_fails_in_advance() -> None:
    """Its error is told when its turn comes, and what came before it is given."""
    read, blobs = reading(10, 10)
    first = start(read.read())
    blobs.give(0, b"x" * 10)
    assert now(first) == b"x" * 10
    waiting = blobs.opened[1].waiting
    assert waiting is not None
    waiting.errback(NodeUnreachable("gone"))
    with pytest.raises(NodeUnreachable):
        now(start(read.read()))
    now(start(read.close()))
    assert [one.closed for one in blobs.opened] == [1, 1]


def test_a_part_that_fails_in_advance_and_is_not_wanted() -> None:
    """Nobody is told of it."""
    read, blobs = reading(10, 10)
    first = start(read.read())
    blobs.give(0, b"x" * 10)
    now(first)
    waiting = blobs.opened[1].waiting
    assert waiting is not None
    waiting.errback(NodeUnreachable("gone"))
    now(start(read.close()))


def test_blobs_whose_rows_are_lost() -> None:
    """The object is there and its bytes are not: never a missing object, and never short."""
    store = Store()
    made_of(store, PIECES)
    store.catalog.blob = lambda _: succeed(None)  # type: ignore[method-assign]
    with pytest.raises(BytesNotFound):
        get(store)
    store.catalog.blob = lambda _: fail(NodeUnreachable("?"))  # type: ignore[method-assign]
    with pytest.raises(NodeUnreachable):
        get(store)


def test_a_part_that_fails_when_its_turn_has_come() -> None:
    """Its error is told once, and closing has nothing to tell about it any more."""
    read, blobs = reading(10)
    first = start(read.read())
    waiting = blobs.opened[0].waiting
    assert waiting is not None
    waiting.errback(NodeUnreachable("gone"))
    with pytest.raises(NodeUnreachable):
        now(first)
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    try:
        now(start(read.close()))
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert events == []
    assert [one.closed for one in blobs.opened] == [1]
