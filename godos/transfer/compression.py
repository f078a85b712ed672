"""
Compressed blobs: blocks of 256 KiB, each a Zstandard frame of its own, and an index at the end.

The format is specified in docs/compression.rst.  Blocks can each be read without the
others, so that a range costs its own blocks and a small piece of the index.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate
from threading import local

from attrs import frozen
from crc32c import crc32c
from zstandard import ZstdCompressor, ZstdDecompressor, ZstdError, get_frame_parameters

from godos.model.errors import FragmentDamaged
from godos.model.fragments import Pieces

ZSTD = "zstd-256k"  # the codec's name in rows and fragments
LEVEL = 3  # of Zstandard: higher ones cost several times as much for some percent
PROBED = 4  # blocks by which it is decided whether a blob is worth it
WORTH = 0.9  # of the plain size: what does not become smaller than that is stored as it is

_FOOTER = struct.Struct(">8sHHIQI")
_UNSUMMED = _FOOTER.size - 4  # bytes of the footer that its CRC covers
_MAGIC, _FORMAT = b"GODOSZST", 1
_RAW = 1 << 31  # in a page: the block is stored as it is
_CRC = 4  # bytes
_contexts = local()  # one thread's compressor and decompressor: making them costs more than a block

Bytes = bytes | bytearray | memoryview


@frozen
class Shape:
    """How many plain bytes make a block, and how many blocks a section."""

    block: int = 256 << 10
    section: int = 4096

    def blocks(self, size: int) -> int:
        """Blocks of a blob of `size` plain bytes."""
        return -(-size // self.block)

    def sections(self, size: int) -> int:
        """Sections of a blob of `size` plain bytes."""
        return -(-self.blocks(size) // self.section)

    def page_length(self, blocks: int) -> int:
        """Bytes of the page of a section of so many blocks."""
        return 4 * blocks + _CRC

    def directory_length(self, size: int) -> int:
        """Bytes of directory and footer."""
        return 8 * self.sections(size) + _FOOTER.size

    def index_length(self, size: int) -> int:
        """Bytes of all that is not blocks."""
        pages = 4 * self.blocks(size) + _CRC * self.sections(size)
        return pages + self.directory_length(size)


SHAPE = Shape()  # that of `ZSTD`


class Packer:
    """
    Compresses one blob from its first byte to its last.

    Whether it does is decided by the first blocks, the same for the same bytes in whatever
    pieces they come: then `packed` is True, or False and all bytes pass as they are.
    """

    def __init__(self, shape: Shape = SHAPE) -> None:
        self.packed: bool | None = None  # not decided yet
        self._shape = shape
        self._rest: list[Bytes] = []  # plain bytes that do not fill a block, or not the probe
        self.held = 0  # bytes of these
        self._size = 0  # plain bytes that were packed
        self._lengths = array("I")  # as in a page, of the present section
        self._section = 0  # bytes of the present section's blocks
        self._directory: list[int] = []

    def update(self, pieces: Pieces) -> list[bytes]:
        """Take the next plain bytes; answers what can be stored."""
        if self.packed is False:
            return [bytes(piece) for piece in pieces]  # which copies no bytes objects
        self._rest += pieces
        self.held += sum(map(len, pieces))
        enough = self._shape.block * (PROBED if self.packed is None else 1)
        if self.held < enough:
            return []
        joined = b"".join(self._rest)
        plain = memoryview(joined)
        stored: list[bytes] = []
        done = 0
        if self.packed is None:
            done = enough
            stored = self._blocks(plain[:done])
            if not self._worth(stored, done):
                return [joined]
        whole = len(plain) // self._shape.block * self._shape.block
        stored += self._blocks(plain[done:whole])
        self._rest = [bytes(plain[whole:])] if whole < len(plain) else []
        self.held = len(plain) - whole
        return stored

    def finish(self) -> list[bytes]:
        """The last bytes, and the index; nothing of a blob without bytes, which does not exist."""
        if self.packed is False or not (self.held or self._size):
            return []
        joined = b"".join(self._rest)
        stored = [*self._blocks(memoryview(joined)), *self._index()]
        if self.packed is None and not self._worth(stored, len(joined)):
            return [joined]
        self._rest, self.held = [], 0
        return stored

    def _worth(self, stored: Sequence[bytes], plain: int) -> bool:
        """Decide, and forget what was held when it is not worth it."""
        self.packed = sum(map(len, stored)) < WORTH * plain
        if not self.packed:
            self._rest, self.held = [], 0
        return self.packed

    def _blocks(self, plain: memoryview) -> list[bytes]:
        stored: list[bytes] = []
        for start in range(0, len(plain), self._shape.block):
            stored += self._block(plain[start : start + self._shape.block])
        return stored

    def _block(self, plain: memoryview) -> Iterator[bytes]:
        frame = _pack(plain)
        kept = len(frame) >= len(plain)
        stored = bytes(plain) if kept else frame
        self._lengths.append(len(stored) | (_RAW if kept else 0))
        self._size += len(plain)
        self._section += len(stored)
        yield stored
        if len(self._lengths) == self._shape.section:
            yield self._page()

    def _page(self) -> bytes:
        """End the present section."""
        page = struct.pack(f">{len(self._lengths)}I", *self._lengths)
        page += crc32c(page).to_bytes(_CRC, "big")
        self._directory.append(self._section + len(page))
        self._lengths, self._section = array("I"), 0
        return page

    def _index(self) -> Iterator[bytes]:
        if self._lengths:
            yield self._page()
        sections = len(self._directory)
        directory = struct.pack(f">{sections}Q", *self._directory)
        footer = _FOOTER.pack(_MAGIC, _FORMAT, 0, sections, self._size, 0)[:_UNSUMMED]
        summed = directory + footer
        yield summed + crc32c(summed).to_bytes(_CRC, "big")


def _pack(plain: Bytes) -> bytes:
    compressor: ZstdCompressor | None = getattr(_contexts, "compressor", None)
    if compressor is None:
        compressor = ZstdCompressor(level=LEVEL, write_checksum=True, write_content_size=True)
        _contexts.compressor = compressor
    return compressor.compress(plain)


@frozen
class Block:
    """Where a block is stored in the blob, and what it gives."""

    start: int
    stop: int
    plain: int  # bytes
    kept: bool  # as it is


@frozen
class Packed:
    """
    The way through a compressed blob of `size` plain bytes, at least 1, in `stored` bytes.

    Raises:
        FragmentDamaged: so many bytes cannot hold so many.
    """

    stored: int
    size: int
    shape: Shape = SHAPE

    def __attrs_post_init__(self) -> None:
        least = self.shape.blocks(self.size) + self.shape.index_length(self.size)
        if not least <= self.stored <= self.size + self.shape.index_length(self.size):
            raise FragmentDamaged(
                f"a compressed blob of {self.stored} bytes does not hold {self.size}"
            )

    @property
    def directory(self) -> int:
        """Where directory and footer begin, which reach to the blob's end."""
        return self.stored - self.shape.directory_length(self.size)

    @property
    def end(self) -> int:
        """Where the last section's page begins: what follows is worth one read."""
        last = self.shape.sections(self.size) - 1
        return self.directory - self._page_length(last)

    def blocks_in(self, section: int) -> int:
        """How many blocks a section has."""
        return min(self.shape.section, self.shape.blocks(self.size) - section * self.shape.section)

    def section_of(self, position: int) -> int:
        """The section that holds a plain byte."""
        return position // (self.shape.block * self.shape.section)

    def sections(self, stored: Bytes) -> list[range]:
        """
        Where each section is, out of the bytes from `directory` to the end.

        Raises:
            FragmentDamaged: these are not what was written, or do not fit this blob.
        """
        magic, version, _, sections, size, crc = _FOOTER.unpack_from(
            stored, len(stored) - _FOOTER.size
        )
        if magic != _MAGIC or crc32c(stored[:-_CRC]) != crc:
            raise FragmentDamaged("the end of a compressed blob fails its check")
        if version != _FORMAT:
            raise FragmentDamaged(f"the blob is compressed in format {version}, not {_FORMAT}")
        if (sections, size) != (self.shape.sections(self.size), self.size):
            raise FragmentDamaged(f"the compressed blob holds {size} bytes, and not {self.size}")
        lengths = struct.unpack_from(f">{sections}Q", stored)
        short = any(
            length < self._page_length(section) + self.blocks_in(section)
            for section, length in enumerate(lengths)
        )
        if short or sum(lengths) != self.directory:
            raise FragmentDamaged("the sections of a compressed blob do not fill it")
        stops = accumulate(lengths)
        return [range(stop - length, stop) for length, stop in zip(lengths, stops, strict=True)]

    def page(self, section: int, where: range) -> range:
        """Where the page of a section is."""
        return range(where.stop - self._page_length(section), where.stop)

    def _page_length(self, section: int) -> int:
        return self.shape.page_length(self.blocks_in(section))

    def section(self, number: int, where: range, page: Bytes) -> Section:
        """
        The section that is `where`, out of its page.

        Raises:
            FragmentDamaged: this is not what was written, or does not fit.
        """
        if crc32c(page[:-_CRC]) != int.from_bytes(page[-_CRC:], "big"):
            raise FragmentDamaged("a page of a compressed blob fails its check")
        words = struct.unpack(f">{self.blocks_in(number)}I", page[:-_CRC])
        first = number * self.shape.section
        block = self.shape.block
        last = min(block, self.size - (first + len(words) - 1) * block)
        if not (_possible(words[:-1], block) and _possible(words[-1:], last)):
            raise FragmentDamaged("a block of a compressed blob has an impossible length")
        lengths = [word & ~_RAW for word in words]
        starts = list(accumulate(lengths, initial=where.start))
        if starts[-1] != where.stop - len(page):
            raise FragmentDamaged("the blocks of a compressed blob do not fill their section")
        return Section(first, starts, words, block, last)


def _possible(words: Sequence[int], size: int) -> bool:
    """Whether blocks of `size` plain bytes can be stored so."""
    kept = _RAW | size
    return all(0 < word < size or word == kept for word in words)


@frozen
class Section:
    """Where each of some blocks is; `first` is the number of the first of them."""

    first: int
    starts: Sequence[int]  # and where the last one stops
    words: Sequence[int]  # as in the page
    block: int  # plain bytes of each
    last: int  # of the last

    def blocks(self, first: int, last: int) -> list[Block]:
        """The blocks with the numbers [first, last), as far as they are in this section."""
        end = len(self.words)
        return [
            Block(
                self.starts[index],
                self.starts[index + 1],
                self.last if index == end - 1 else self.block,
                bool(self.words[index] & _RAW),
            )
            for index in range(first - self.first, min(last - self.first, end))
        ]

    def stop(self, last: int) -> int:
        """Where the blocks before number `last` end, as far as they are in this section."""
        return self.starts[min(last - self.first, len(self.words))]


def unpack(blocks: Sequence[Block], stored: Bytes) -> bytes:
    """
    The plain bytes of blocks that follow each other, out of their stored bytes.

    Raises:
        FragmentDamaged: a block is not what was written.
    """
    if len(blocks) == 1 and blocks[0].kept:
        return bytes(stored)
    view, first = memoryview(stored), blocks[0].start
    return b"".join(
        view[block.start - first : block.stop - first]
        if block.kept
        else _unpack(view[block.start - first : block.stop - first], block.plain)
        for block in blocks
    )


def _unpack(frame: memoryview, size: int) -> bytes:
    """What a frame says of its own size decides how much memory it gets, so that is looked at."""
    decompressor: ZstdDecompressor | None = getattr(_contexts, "decompressor", None)
    if decompressor is None:
        decompressor = _contexts.decompressor = ZstdDecompressor()
    try:
        if get_frame_parameters(frame).content_size != size:
            raise FragmentDamaged("a compressed block does not hold as many bytes as it should")
        plain = decompressor.decompress(frame, allow_extra_data=False)
    except ZstdError as error:
        raise FragmentDamaged(f"a compressed block cannot be unpacked: {error}") from error
    if len(plain) != size:
        raise FragmentDamaged("a compressed block does not hold as many bytes as it should")
    return plain


def plain_size(stored: Bytes) -> int:
    """
    How many plain bytes a compressed blob holds, by its last `FOOTER` bytes or more.

    For who has lost the object's row; nothing but the footer's form is checked.

    Raises:
        FragmentDamaged: that is no footer.
    """
    if len(stored) < _FOOTER.size:
        raise FragmentDamaged("this is too short for the end of a compressed blob")
    magic, version, _, _, size, _ = _FOOTER.unpack_from(stored, len(stored) - _FOOTER.size)
    if magic != _MAGIC or version != _FORMAT:
        raise FragmentDamaged("this is no end of a compressed blob")
    return int(size)


FOOTER = _FOOTER.size  # bytes
