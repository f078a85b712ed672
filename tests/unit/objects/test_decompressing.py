"""Ranges of compressed blobs of many sections, from nodes that give what they like."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, maybeDeferred

from godos.model.errors import BytesNotFound, GodosError
from godos.objects.decompressing import DecompressedRead
from godos.transfer.compression import Packed, Packer, Shape
from tests.unit.objects.stores import now

SHAPE = Shape(block=500, section=3)


def made(size: int) -> tuple[bytes, bytes]:
    """Plain bytes, all blocks of which are worth compressing, and what is stored of them."""
    plain = random.Random(size).randbytes(size // 2 + 1).hex().encode()[:size]
    packer = Packer(SHAPE)
    return plain, b"".join([*packer.update([plain]), *packer.finish()])


@define
class Nodes:
    """Copies, some of which are wrong; what is refused of one is asked of the next."""

    copies: Sequence[bytes]
    piece: int = 1000
    opened: list[tuple[int, int]] = field(factory=list)
    closed: int = 0

    def open(self, start: int, stop: int) -> Reading:
        self.opened.append((start, stop))
        return Reading(self, start, stop)


@define
class Reading:
    nodes: Nodes
    position: int
    stop: int
    node: int = 0

    async def read(self) -> bytes:
        if self.node >= len(self.nodes.copies):
            raise BytesNotFound("all are wrong")
        start = self.position
        self.position = min(self.stop, start + self.nodes.piece)
        return self.nodes.copies[self.node][start : self.position]

    async def refuse(self, position: int, error: GodosError) -> None:
        assert position < self.stop
        self.position = position
        self.node += 1

    async def close(self) -> None:
        self.nodes.closed += 1


async def all_of(read: DecompressedRead) -> bytes:
    pieces = []
    while piece := await read.read():
        pieces.append(piece)
    await read.close()
    return b"".join(pieces)


def read_of(nodes: Nodes, size: int, start: int, stop: int, small: int = 0) -> bytes:
    packed = Packed(len(nodes.copies[0]), size, SHAPE)
    read = DecompressedRead(nodes.open, packed, start, stop, maybeDeferred, small)
    try:
        got: bytes = now(Deferred.fromCoroutine(all_of(read)))
    finally:
        now(Deferred.fromCoroutine(read.close()))
    assert nodes.closed == len(nodes.opened)
    return got


WHERE = st.tuples(st.integers(2000, 12_000), st.floats(0, 0.999), st.floats(0, 1))


def cut(where: tuple[int, float, float]) -> tuple[int, int, int]:
    """A size, and a range of so many bytes that is not empty."""
    size, one, other = where
    start = int(size * one)
    return size, start, start + 1 + int((size - start - 1) * other)


@settings(deadline=None)
@given(WHERE, st.integers(1, 5000), st.sampled_from([0, 1 << 20]))
def test_ranges(where: tuple[int, float, float], piece: int, small: int) -> None:
    """Each range is the slice of the plain bytes, in whatever pieces the stored ones come."""
    size, start, stop = cut(where)
    plain, stored = made(size)
    assert read_of(Nodes([stored], piece), size, start, stop, small) == plain[start:stop]


@settings(max_examples=200, deadline=None)
@given(
    WHERE, st.lists(st.lists(st.floats(0, 0.9999), max_size=3), min_size=1, max_size=4), st.data()
)
def test_wrong_copies(
    where: tuple[int, float, float], wrong: list[list[float]], data: st.DataObject
) -> None:
    """One right copy is enough; without one nothing wrong is given."""
    size, start, stop = cut(where)
    plain, stored = made(size)
    copies = []
    for flips in wrong:
        copy = bytearray(stored)
        for place in flips:
            copy[int(place * len(stored))] ^= data.draw(st.integers(1, 255))
        copies.append(bytes(copy))
    nodes = Nodes(copies, data.draw(st.integers(1, 5000)))
    small = data.draw(st.sampled_from([0, 1 << 20]))
    try:
        assert read_of(nodes, size, start, stop, small) == plain[start:stop]
    except BytesNotFound:
        assert stored not in copies


def test_a_range_reads_little() -> None:
    """The directory with the last page, the page of its section, and its block."""
    plain, stored = made(12_000)  # 24 blocks in 8 sections
    nodes = Nodes([stored])
    assert read_of(nodes, 12_000, 5000, 5001) == plain[5000:5001]
    end, page, block = nodes.opened
    packed = Packed(len(stored), 12_000, SHAPE)
    assert end == (packed.end, len(stored))
    assert page[1] - page[0] == SHAPE.page_length(3)
    assert block[1] - block[0] < 500
    whole = Nodes([stored])
    assert read_of(whole, 12_000, 0, 12_000) == plain
    assert len(whole.opened) <= 1 + 2 * 8


def test_stored_bytes_that_end_early() -> None:
    """They are no reason to wait for more."""
    _, stored = made(5000)
    nodes = Nodes([b""])
    packed = Packed(len(stored), 5000, SHAPE)
    read = DecompressedRead(nodes.open, packed, 0, 10, maybeDeferred)
    with pytest.raises(BytesNotFound, match="ended early"):
        now(Deferred.fromCoroutine(read.read()))
