"""Compressed blobs: what is packed is unpacked again, by blocks, and damage is noticed."""

from __future__ import annotations

import random
import struct
from hashlib import sha256

import pytest
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st
from zstandard import ZstdCompressor

from godos.model.errors import FragmentDamaged
from godos.transfer.compression import (
    FOOTER,
    SHAPE,
    Block,
    Packed,
    Packer,
    Shape,
    plain_size,
    unpack,
)

SMALL = Shape(block=1000, section=3)


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes that no compression makes shorter."""
    return random.Random(seed).randbytes(size)


def words(size: int) -> bytes:
    """Bytes that become much shorter."""
    return (b"the same words again and again, number %d; " % size * (size // 40 + 1))[:size]


def packed(data: bytes, shape: Shape = SHAPE, piece: int = 1 << 20) -> tuple[bool, bytes]:
    """Whether `data` is compressed when it comes in pieces, and what is stored of it."""
    packer = Packer(shape)
    stored = []
    for start in range(0, len(data), piece):
        stored += packer.update([data[start : start + piece]])
    stored += packer.finish()
    return packer.packed is True, b"".join(stored)


def blocks_of(stored: bytes, size: int, shape: Shape = SHAPE) -> list[Block]:
    """All blocks, by way of the index."""
    way = Packed(len(stored), size, shape)
    found: list[Block] = []
    for number, where in enumerate(way.sections(stored[way.directory :])):
        page = way.page(number, where)
        section = way.section(number, where, stored[page.start : page.stop])
        found += section.blocks(number * shape.section, (number + 1) * shape.section)
    return found


def unpacked(stored: bytes, size: int, shape: Shape = SHAPE) -> bytes:
    blocks = blocks_of(stored, size, shape)
    return (
        unpack(blocks, stored[: blocks[-1].stop])
        if shape.sections(size) == 1
        else b"".join(unpack([block], stored[block.start : block.stop]) for block in blocks)
    )


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 2500)), min_size=1, max_size=8),
    st.integers(1, 5000),
)
def test_what_is_packed_is_unpacked(parts: list[tuple[bool, int]], piece: int) -> None:
    """Whatever the bytes are, and in whatever pieces they come; the stored bytes do not differ."""
    data = b"".join(
        words(size) if good else noise(size, number) for number, (good, size) in enumerate(parts)
    )
    is_packed, stored = packed(data, SMALL, piece)
    assert (is_packed, stored) == packed(data, SMALL, len(data))
    if is_packed:
        assert unpacked(stored, len(data), SMALL) == data
        assert plain_size(stored) == len(data)
        assert len(stored) <= len(data) + SMALL.index_length(len(data))
    else:
        assert stored == data


def test_large_blocks() -> None:
    """Blocks have 256 KiB, and each is stored by itself: the same bytes are the same frames."""
    data = words(SHAPE.block) * 9 + b"end"
    is_packed, stored = packed(data)
    blocks = blocks_of(stored, len(data))
    assert is_packed
    assert [block.plain for block in blocks] == [256 << 10] * 9 + [3]
    assert len({stored[block.start : block.stop] for block in blocks[:9]}) == 1
    assert blocks[9].kept
    assert unpacked(stored, len(data)) == data


def test_the_format() -> None:
    """A blob is byte by byte what the documentation says."""
    data = words(4000)
    _, stored = packed(data, SMALL)
    frames = [
        ZstdCompressor(level=3, write_checksum=True).compress(data[start : start + 1000])
        for start in range(0, 4000, 1000)
    ]

    def page(*lengths: int) -> bytes:
        raw = struct.pack(f">{len(lengths)}I", *lengths)
        return raw + crc32c(raw).to_bytes(4, "big")

    first = b"".join(frames[:3]) + page(*map(len, frames[:3]))
    second = frames[3] + page(len(frames[3]))
    end = struct.pack(">QQ8sHHIQ", len(first), len(second), b"GODOSZST", 1, 0, 2, 4000)
    assert stored == first + second + end + crc32c(end).to_bytes(4, "big")
    assert len(stored) - len(b"".join(frames)) == SMALL.index_length(4000)


@pytest.mark.parametrize("size", [1, 100, 5000, SHAPE.block, 5 * SHAPE.block + 1])
def test_what_does_not_become_shorter(size: int) -> None:
    """Is stored as it is."""
    assert packed(noise(size)) == (False, noise(size))


def test_a_beginning_that_decides() -> None:
    """The first four blocks say whether a blob is compressed, and the others follow."""
    head, tail = words(4 * 1000), noise(9000)
    is_packed, stored = packed(head + tail, SMALL)
    assert is_packed
    assert [block.kept for block in blocks_of(stored, 13000, SMALL)] == [False] * 4 + [True] * 9
    assert packed(tail + head, SMALL) == (False, tail + head)


def test_a_tenth_is_worth_it() -> None:
    """Half a tenth is not, a fifth is."""
    assert not packed(noise(950_000) + bytes(50_000))[0]
    assert packed(noise(800_000) + bytes(200_000))[0]


def test_a_blob_without_bytes() -> None:
    """Has none afterwards."""
    assert packed(b"") == (False, b"")


@settings(deadline=None)
@given(st.data())
def test_damage(data: st.DataObject) -> None:
    """Whatever byte is changed: what is read is what was written, or is refused as damage."""
    plain = words(3300) + noise(900) + words(1500)
    _, stored = packed(plain, SMALL)
    place = data.draw(st.integers(0, len(stored) - 1))
    flip = data.draw(st.integers(1, 255))
    bad = bytearray(stored)
    bad[place] ^= flip
    kept = [block for block in blocks_of(stored, len(plain), SMALL) if block.kept]
    if any(block.start <= place < block.stop for block in kept):
        return  # nobody but a node's own check can tell
    try:
        assert unpacked(bytes(bad), len(plain), SMALL) == plain
    except FragmentDamaged:
        return


@pytest.mark.parametrize("cut", [1, FOOTER - 1, FOOTER, 100])
def test_a_cut_end(cut: int) -> None:
    """Is refused."""
    _, stored = packed(words(5000), SMALL)
    with pytest.raises(FragmentDamaged):
        unpacked(stored[:-cut], 5000, SMALL)


def test_another_size() -> None:
    """A blob that holds another number of bytes than its object says is refused."""
    _, stored = packed(words(5000), SMALL)
    for size in (4001, 4999, 5001, 5999):
        with pytest.raises(FragmentDamaged):
            unpacked(stored, size, SMALL)
    for size in (1, 10_000_000):
        with pytest.raises(FragmentDamaged):
            Packed(len(stored), size, SMALL)


def with_footer(body: bytes, *fields: int) -> bytes:
    end = body + struct.pack(">8sHHIQ", b"GODOSZST", *fields)
    return end + crc32c(end).to_bytes(4, "big")


def test_what_is_whole_and_does_not_fit() -> None:
    """A writer that lies in checksummed words is not believed."""
    way = Packed(1000, 2500, SMALL)
    for directory in (0, way.directory - 1, way.directory + 1, 1 << 63):
        end = with_footer(directory.to_bytes(8, "big"), 1, 0, 1, 2500)
        with pytest.raises(FragmentDamaged, match="do not fill"):
            way.sections(end)
    good = way.directory.to_bytes(8, "big")
    assert way.sections(with_footer(good, 1, 0, 1, 2500)) == [range(way.directory)]
    with pytest.raises(FragmentDamaged, match="format 2"):
        way.sections(with_footer(good, 2, 0, 1, 2500))
    where = range(way.directory)
    room = len(where) - SMALL.page_length(3)
    for lengths, why in (
        ((0, 500, room - 500), "impossible"),
        ((1000, 1, 1), "impossible"),
        ((1 << 31 | 999, 1, 1), "impossible"),
        ((100, 100, 1 << 31 | 501), "impossible"),
        ((100, 100, 100), "do not fill"),
    ):
        page = struct.pack(">3I", *lengths)
        page += crc32c(page).to_bytes(4, "big")
        with pytest.raises(FragmentDamaged, match=why):
            way.section(0, where, page)


@pytest.mark.parametrize("size", [999, 1001, 1 << 30, 1 << 60])
def test_a_frame_that_would_give_more(size: int) -> None:
    """Is refused before it is unpacked, however much it promises."""
    if size < 1 << 20:
        frame = ZstdCompressor().compress(bytes(size))
    else:  # magic, a header with 8 bytes of content size, one empty last block
        frame = b"\x28\xb5\x2f\xfd\xe0" + size.to_bytes(8, "little") + b"\x01\x00\x00"
    with pytest.raises(FragmentDamaged, match="as many bytes"):
        unpack([Block(0, len(frame), 1000, False)], frame)


def test_a_frame_that_lies() -> None:
    """It promises the right size and gives more: refused, and no more memory is taken."""
    honest = ZstdCompressor(write_content_size=False).compress(bytes(5000))
    with pytest.raises(FragmentDamaged):
        unpack([Block(0, len(honest), 1000, False)], honest)
    known = bytearray(ZstdCompressor().compress(bytes(5000)))
    at = known.index((5000 - 256).to_bytes(2, "little"))
    known[at : at + 2] = (1000 - 256).to_bytes(2, "little")
    with pytest.raises(FragmentDamaged, match="cannot be unpacked"):
        unpack([Block(0, len(known), 1000, False)], bytes(known))


def test_two_frames() -> None:
    """A block is one frame."""
    frame = ZstdCompressor(write_checksum=True).compress(bytes(1000))
    with pytest.raises(FragmentDamaged):
        unpack([Block(0, 2 * len(frame), 1000, False)], frame * 2)


def test_ends_of_something_else() -> None:
    """Where the footer is none, no size is told."""
    for end in (b"", bytes(FOOTER - 1), bytes(FOOTER), noise(1000)):
        with pytest.raises(FragmentDamaged):
            plain_size(end)


def test_the_index_of_large_blobs() -> None:
    """What a writer has to remember of 5 TiB is some KiB."""
    size = 5 << 40
    assert SHAPE.directory_length(size) + SHAPE.page_length(SHAPE.section) < 60_000
    assert SHAPE.sections(1 << 30) == 1
    assert SHAPE.index_length(1 << 30) == 4 * 4096 + 4 + 8 + FOOTER


def test_the_same_bytes_are_stored_the_same() -> None:
    """So that they can be stored once."""
    data = words(900_000) + noise(300_000)
    digests = {sha256(packed(data, piece=piece)[1]).digest() for piece in (1000, 70_000, 1 << 20)}
    assert len(digests) == 1
