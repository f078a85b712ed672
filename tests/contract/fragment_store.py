"""
What every node promises about fragments, whether its disk is asked or its HTTP server.

A test module subclasses `FragmentStoreContract` and defines a fixture `store` that opens an
empty one; the tests then hold for it.
"""

from __future__ import annotations

from hashlib import sha256
from random import Random
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import gatherResults
from zope.interface.verify import verifyObject

from godos.deferreds import deferred
from godos.model.blobs import FragmentHeader
from godos.model.errors import BadDigest, EntityTooLarge, NoSuchFragment
from godos.model.fragments import (
    BLOCK,
    CHUNK,
    SMALL,
    IFragmentReader,
    IFragmentStore,
    IFragmentUpload,
)
from godos.model.names import FragmentName, new_id

SMALL_SIZES = [0, 1, 4096, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, SMALL]
LARGE = 3 * CHUNK + BLOCK + 17
LARGE_SIZES = [SMALL + 1, 2 * CHUNK, LARGE]


def content(size: int) -> bytes:
    """Bytes that differ from block to block and from size to size."""
    return Random(size).randbytes(size)


def header_of(
    payload: bytes, name: FragmentName | None = None, origin: bytes = b""
) -> FragmentHeader:
    """The header of a whole copy."""
    return FragmentHeader(
        name=name or FragmentName(new_id(), 0),
        length=len(payload),
        blob_size=len(payload),
        blob_sha256=sha256(payload).hexdigest(),
        policy="copies=2",
        origin=origin,
    )


async def stored(store: Any, payload: bytes, name: FragmentName | None = None) -> FragmentHeader:
    """Put or upload `payload`, whichever fits; its header."""
    header = header_of(payload, name)
    if len(payload) <= SMALL:
        await store.put(header, [payload])
        return header
    upload = await store.upload(header.name, len(payload))
    for start in range(0, len(payload), CHUNK):
        await upload.write([payload[start : start + CHUNK]])
    await upload.seal(header)
    return header


async def read(
    store: Any, name: FragmentName, start: int = 0, stop: int | None = None
) -> list[bytes]:
    """The pieces that a reader gives."""
    reader = await store.open(name, start, stop)
    try:
        pieces = []
        while piece := await reader.read():
            pieces.append(piece)
        return pieces
    finally:
        await reader.close()


async def read_whole(store: Any, name: FragmentName) -> bytes:
    """All bytes of a fragment."""
    return b"".join(await read(store, name))


class FragmentStoreContract:
    """The tests; see the module."""

    def test_interface(self, store: Any) -> None:
        """It has all methods of the interface, with their arguments, and an id."""
        verifyObject(IFragmentStore, store)
        assert len(store.node_id) == 32

    # -- small fragments ----------------------------------------------------------------
    @pytest.mark.parametrize("size", SMALL_SIZES)
    @ensureDeferred
    async def test_put_and_read(self, store: Any, size: int) -> None:
        """What was put is read back, with its header."""
        payload = content(size)
        header = await stored(store, payload)
        reader = await store.open(header.name, 0, None)
        verifyObject(IFragmentReader, reader)
        assert reader.header == header
        await reader.close()
        assert await read_whole(store, header.name) == payload
        assert await store.verify(header.name) == header

    @ensureDeferred
    async def test_put_of_pieces(self, store: Any) -> None:
        """A payload may come in pieces of any kind and size."""
        payload = content(300_000)
        header = header_of(payload)
        pieces = [payload[:1], bytearray(payload[1:200_000]), b"", memoryview(payload)[200_000:]]
        await store.put(header, pieces)
        assert await read_whole(store, header.name) == payload

    @ensureDeferred
    async def test_origin_is_kept(self, store: Any) -> None:
        """What a lost catalog is rebuilt from comes back with the fragment."""
        payload = content(10)
        header = header_of(payload, origin=b'{"key": "a\xc3\xa9"}')
        await store.put(header, [payload])
        assert (await store.verify(header.name)).origin == header.origin

    @ensureDeferred
    async def test_put_again(self, store: Any) -> None:
        """A sender that is not sure sends again, and that changes nothing."""
        payload = content(5000)
        header = await stored(store, payload)
        await store.put(header, [payload])
        assert await read_whole(store, header.name) == payload
        assert await store.remove(header.name)
        assert await store.holds([header.name.incarnation]) == {}

    @ensureDeferred
    async def test_put_at_once(self, store: Any) -> None:
        """Many puts at a time are all kept."""
        payloads = [content(size) for size in range(1, 60)]
        headers = [header_of(payload) for payload in payloads]
        await gatherResults(
            [
                store.put(header, [payload])
                for header, payload in zip(headers, payloads, strict=True)
            ]
        )
        for header, payload in zip(headers, payloads, strict=True):
            assert await read_whole(store, header.name) == payload

    @ensureDeferred
    async def test_put_of_another_length(self, store: Any) -> None:
        """A payload that is not as long as its header says is not stored."""
        header = header_of(b"four")
        with pytest.raises(BadDigest):
            await store.put(header, [b"fo"])
        with pytest.raises(NoSuchFragment):
            await store.open(header.name, 0, None)

    @ensureDeferred
    async def test_put_of_too_much(self, store: Any) -> None:
        """A large fragment is uploaded, not put."""
        payload = content(SMALL + 1)
        with pytest.raises(EntityTooLarge):
            await store.put(header_of(payload), [payload])

    # -- uploads ------------------------------------------------------------------------
    @pytest.mark.parametrize("told", [True, False], ids=["length told", "length not told"])
    @pytest.mark.parametrize("size", [*SMALL_SIZES, *LARGE_SIZES])
    @ensureDeferred
    async def test_upload_and_read(self, store: Any, size: int, told: bool) -> None:
        """What was uploaded is read back, with its header."""
        payload = content(size)
        header = header_of(payload)
        upload = await store.upload(header.name, size if told else None)
        verifyObject(IFragmentUpload, upload)
        for start in range(0, size, 700_001):
            await upload.write([payload[start : start + 9], payload[start + 9 : start + 700_001]])
        await upload.seal(header)
        reader = await store.open(header.name, 0, None)
        assert reader.header == header
        await reader.close()
        assert await read_whole(store, header.name) == payload
        assert await store.verify(header.name) == header

    @pytest.mark.parametrize("size", [100, LARGE])
    @ensureDeferred
    async def test_nothing_before_seal(self, store: Any, size: int) -> None:
        """An upload is invisible until it is sealed, and then it is whole."""
        payload = content(size)
        header = header_of(payload)
        upload = await store.upload(header.name, size)
        await upload.write([payload])
        assert await store.holds([header.name.incarnation]) == {}
        with pytest.raises(NoSuchFragment):
            await store.open(header.name, 0, None)
        await upload.seal(header)
        assert await store.holds([header.name.incarnation]) == {header.name.incarnation: (0,)}
        assert await read_whole(store, header.name) == payload

    @pytest.mark.parametrize("size", [100, LARGE])
    @ensureDeferred
    async def test_abort(self, store: Any, size: int) -> None:
        """Of an upload that was aborted nothing is left, and it can be begun again."""
        payload = content(size)
        header = header_of(payload)
        upload = await store.upload(header.name, size)
        await upload.write([payload[: size // 2]])
        await upload.abort()
        await upload.abort()
        with pytest.raises(NoSuchFragment):
            await store.verify(header.name)
        again = await store.upload(header.name, size)
        await again.write([payload])
        await again.seal(header)
        assert await read_whole(store, header.name) == payload

    @pytest.mark.parametrize("size", [100, LARGE])
    @ensureDeferred
    async def test_abort_after_seal(self, store: Any, size: int) -> None:
        """Aborting a sealed upload does no harm."""
        payload = content(size)
        header = header_of(payload)
        upload = await store.upload(header.name, size)
        await upload.write([payload])
        await upload.seal(header)
        await upload.abort()
        assert await read_whole(store, header.name) == payload

    @pytest.mark.parametrize("size", [100, LARGE])
    @ensureDeferred
    async def test_seal_of_another_length(self, store: Any, size: int) -> None:
        """An upload that ended early does not become a fragment."""
        payload = content(size)
        header = header_of(payload)
        upload = await store.upload(header.name, size)
        await upload.write([payload[:-1]])
        with pytest.raises(BadDigest):
            await upload.seal(header)
        await upload.abort()
        assert await store.holds([header.name.incarnation]) == {}

    @ensureDeferred
    async def test_upload_again(self, store: Any) -> None:
        """A large fragment may be sent again when its sender is not sure."""
        payload = content(LARGE)
        header = await stored(store, payload)
        await stored(store, payload, header.name)
        assert await read_whole(store, header.name) == payload
        assert await store.holds([header.name.incarnation]) == {header.name.incarnation: (0,)}

    # -- reading ------------------------------------------------------------------------
    @pytest.mark.parametrize("size", [5000, 2 * BLOCK + 5, SMALL, LARGE])
    @ensureDeferred
    async def test_ranges(self, store: Any, size: int) -> None:
        """Any range of a fragment can be read; what lies behind the end is left out."""
        payload = content(size)
        header = await stored(store, payload)
        edges = {0, 1, BLOCK - 1, BLOCK, BLOCK + 1, CHUNK - 1, CHUNK + 1, size // 2, size - 1, size}
        for start in sorted(edge for edge in edges if edge <= size):
            for stop in (start, start + 1, start + BLOCK, start + CHUNK, size, size + 9, None):
                pieces = await read(store, header.name, start, stop)
                assert b"".join(pieces) == payload[start:stop], (start, stop)

    @ensureDeferred
    async def test_pieces_are_bounded(self, store: Any) -> None:
        """A reader gives at most a chunk at a time, and b"" for ever after the last."""
        header = await stored(store, content(LARGE))
        pieces = await read(store, header.name, 5)
        assert max(map(len, pieces)) <= CHUNK
        reader = await store.open(header.name, LARGE - 1, None)
        assert [len(await reader.read()) for _ in range(3)] == [1, 0, 0]
        await reader.close()

    @pytest.mark.parametrize("size", [5000, LARGE])
    @ensureDeferred
    async def test_close_at_any_time(self, store: Any, size: int) -> None:
        """A reader can be closed before, during and after a read, more than once."""
        header = await stored(store, content(size))
        for reads in range(3):
            reader = await store.open(header.name, 0, None)
            for _ in range(reads):
                await reader.read()
            await reader.close()
            await reader.close()
        reader = await store.open(header.name, 0, None)
        await reader.read()
        reading = reader.read()
        reading.addErrback(lambda _: None)  # it may have come too late
        await reader.close()
        await reading

    @ensureDeferred
    async def test_missing(self, store: Any) -> None:
        """A fragment that is not there is neither opened, verified nor removed."""
        name = FragmentName(new_id(), 0)
        for attempt in (store.open(name, 0, None), store.verify(name)):
            with pytest.raises(NoSuchFragment):
                await attempt
        assert await store.remove(name) is False

    # -- removing and asking ------------------------------------------------------------
    @pytest.mark.parametrize("size", [0, 5000, LARGE])
    @ensureDeferred
    async def test_remove(self, store: Any, size: int) -> None:
        """A fragment that was removed is gone, and can be stored again."""
        payload = content(size)
        header = await stored(store, payload)
        assert await store.remove(header.name) is True
        assert await store.remove(header.name) is False
        assert await store.holds([header.name.incarnation]) == {}
        with pytest.raises(NoSuchFragment):
            await store.open(header.name, 0, None)
        await stored(store, payload, header.name)
        assert await read_whole(store, header.name) == payload

    @ensureDeferred
    async def test_remove_only_that(self, store: Any) -> None:
        """Removing one fragment of a blob leaves the others."""
        incarnation = new_id()
        for index, size in enumerate((10, LARGE, 20, SMALL + 1)):
            await stored(store, content(size), FragmentName(incarnation, index))
        assert await store.remove(FragmentName(incarnation, 0))
        assert await store.remove(FragmentName(incarnation, 3))
        assert await store.holds([incarnation]) == {incarnation: (1, 2)}
        assert await read_whole(store, FragmentName(incarnation, 1)) == content(LARGE)
        assert await read_whole(store, FragmentName(incarnation, 2)) == content(20)

    @ensureDeferred
    async def test_holds(self, store: Any) -> None:
        """A node tells of many blobs at a time which of their fragments it has."""
        many, small, large, none = (new_id() for _ in range(4))
        for index in (999, 0, 17):
            await stored(store, content(index), FragmentName(many, index))
        await stored(store, content(5), FragmentName(small, 1))
        await stored(store, content(LARGE), FragmentName(large, 2))
        held = await store.holds([many, small, large, none])
        assert dict(held) == {many: (0, 17, 999), small: (1,), large: (2,)}
        assert await store.holds([]) == {}

    # -- the inventory --------------------------------------------------------------------
    @ensureDeferred
    async def test_inventory_of_nothing(self, store: Any) -> None:
        """A node without fragments lists none, wherever one begins."""
        assert list(await store.inventory(None, 10)) == []
        assert list(await store.inventory(FragmentName("f" * 32, 999), 1)) == []

    @pytest.mark.parametrize("limit", [1, 3, 1000])
    @ensureDeferred
    async def test_inventory(self, store: Any, limit: int) -> None:
        """All fragments are listed once, by incarnation and then by index as a number."""
        random = Random(limit)
        names = []
        for number in range(6):
            incarnation = f"{number % 3}{random.randbytes(16).hex()[1:]}"
            for index in random.sample((0, 2, 9, 10, 99, 100, 999), 3):
                names.append(FragmentName(incarnation, index))
                await stored(store, content(LARGE if index in (2, 100) else 10), names[-1])
        removed = names.pop(4)
        await store.remove(removed)
        assert await walk(store, limit) == sorted(names, key=lambda n: (n.incarnation, n.index))

    @pytest.mark.parametrize("size", [5, SMALL + 1])
    @ensureDeferred
    async def test_inventory_while_others_write(self, store: Any, size: int) -> None:
        """What is there all the time is listed once, whatever comes and goes between pages."""
        random = Random(size)

        def name() -> FragmentName:
            return FragmentName(f"0{random.randbytes(16).hex()[1:]}", random.randrange(3))

        standing, passing = {name() for _ in range(12)}, [name() for _ in range(12)]
        for each in [*standing, *passing[:6]]:
            await stored(store, content(size), each)
        listed: list[FragmentName] = []
        for turn in range(100):
            page = await store.inventory(listed[-1] if listed else None, 2)
            if not page:
                break
            listed += [held.name for held in page]
            if turn < 6:
                await store.remove(passing[turn])
                await stored(store, content(size), passing[turn + 6])
        assert listed == sorted(set(listed))
        assert standing <= set(listed) <= standing | set(passing)

    @ensureDeferred
    async def test_inventory_at_once_with_writes(self, store: Any) -> None:
        """Writes that run while a page is listed hide nothing that was there."""
        standing = [FragmentName(new_id(), 0) for _ in range(20)]
        for each in standing:
            await stored(store, content(5), each)
        coming = [header_of(content(6)) for _ in range(40)]
        writes = [store.put(header, [content(6)]) for header in coming]
        listing = walk(store, 7)
        writes += [store.remove(header.name) for header in coming[:20]]
        listed = await listing
        await gatherResults(writes)
        assert set(standing) <= set(listed) and len(set(listed)) == len(listed)
        assert set(await walk(store, 50)) >= {header.name for header in coming[20:]}


@deferred
async def walk(store: Any, limit: int) -> list[FragmentName]:
    """All names of the inventory, in its order, page by page."""
    names: list[FragmentName] = []
    while page := await store.inventory(names[-1] if names else None, limit):
        assert len(page) <= limit
        assert all(held.verified >= 0.0 for held in page)
        names += [held.name for held in page]
    return names
