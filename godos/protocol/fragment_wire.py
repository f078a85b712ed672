"""
Verified blocks on the wire between servers: docs/wire-format.rst, "Frames".

Sans-IO: the sender's `BlockFramer` makes frames of a payload, the receiver's `Unframer`
verifies them and cuts out the range that was asked for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from struct import Struct

from crc32c import crc32c

from godos.model.blobs import FragmentHeader
from godos.model.errors import FragmentDamaged, GodosError
from godos.model.fragments import BLOCK
from godos.model.names import FragmentName
from godos.protocol import fragment_header

_BLOCK_HEAD = Struct(">II")  # length and checksum of a block
_SEED = Struct(">16sI")  # incarnation and index
_NUMBER = Struct(">Q")


def checksum_seed(name: FragmentName) -> int:
    """What the checksums of all blocks of a fragment begin with."""
    return crc32c(_SEED.pack(bytes.fromhex(name.incarnation), name.index))


def block_checksum(seed: int, number: int, block: bytes | memoryview) -> int:
    """CRC32C of a block, bound to its fragment by `seed`, and to its place by `number`."""
    return crc32c(block, crc32c(_NUMBER.pack(number), seed))


def whole_blocks(start: int, stop: int | None) -> tuple[int, int | None]:
    """The smallest range of whole blocks around [start, stop)."""
    first = start // BLOCK * BLOCK
    if stop is None:
        return first, None
    return first, -(-stop // BLOCK) * BLOCK if stop > start else first


def framed_size(size: int) -> int:
    """Length in bytes of the block frames of a run of `size` bytes that begins a block."""
    return size + -(-size // BLOCK) * _BLOCK_HEAD.size


class BlockFramer:
    """
    Frames a fragment's payload from byte `start` on, which begins a block.

    It holds less than one block between calls.
    """

    def __init__(self, name: FragmentName, start: int) -> None:
        self._seed = checksum_seed(name)
        self._number = start // BLOCK
        self._rest = b""

    def frames(self, data: bytes) -> list[bytes | memoryview]:
        """Take the next bytes of the payload, and answer the frames of all blocks now whole."""
        if self._rest:
            data, self._rest = self._rest + data, b""
        whole = len(data) // BLOCK * BLOCK
        self._rest = data[whole:]
        view = memoryview(data)
        framed: list[bytes | memoryview] = []
        for place in range(0, whole, BLOCK):
            framed += self._frame(view[place : place + BLOCK])
        return framed

    def last(self) -> list[bytes | memoryview]:
        """The payload has ended: the frame of its short last block, if there is one."""
        rest, self._rest = self._rest, b""
        return self._frame(rest) if rest else []

    def _frame(self, block: bytes | memoryview) -> list[bytes | memoryview]:
        checksum = block_checksum(self._seed, self._number, block)
        self._number += 1
        return [_BLOCK_HEAD.pack(len(block), checksum), block]


class Unframer:
    """
    Takes the body of a GET as it arrives, and gives the verified bytes [start, stop).

    `header` is there once the header frame has arrived, `ready` holds the verified bytes
    that were not taken yet, `held` how many these are, and `ended` tells that the last was
    added.  Once something was wrong nothing more is added.
    """

    def __init__(self, name: FragmentName, start: int, stop: int | None) -> None:
        self.header: FragmentHeader | None = None
        self.header_frame = b""
        self.ready: deque[bytes] = deque()
        self.held = 0
        self.ended = False
        self._name = name
        self._seed = checksum_seed(name)
        self._start = start
        self._stop = stop
        first, self._end = whole_blocks(start, stop)  # of the blocks that come
        self._number = first // BLOCK
        self._parts: list[memoryview] = []  # of what is being gathered
        self._wanted = fragment_header.FRAME_HEAD  # bytes that these still lack
        self._gathered: Callable[[bytes], None] = self._header_head
        self._checksum = 0

    def feed(self, data: bytes) -> None:
        """
        Take the next bytes of the body.

        Raises:
            FragmentDamaged: they fail their check.  What is `ready` is good.
        """
        view = memoryview(data)
        while view:
            if self.ended:
                raise FragmentDamaged("more bytes came than were asked for")
            part, view = view[: self._wanted], view[self._wanted :]
            self._parts.append(part)
            self._wanted -= len(part)
            if not self._wanted:
                whole, self._parts = b"".join(self._parts), []
                self._gathered(whole)

    def take(self, most: int) -> bytes:
        """The next verified bytes, as many as are ready but at most `most`, or b""."""
        if len(self.ready) == 1 and self.held <= most:
            self.held = 0
            return self.ready.popleft()
        taken = []
        while self.ready and len(self.ready[0]) <= most:
            taken.append(self.ready.popleft())
            most -= len(taken[-1])
        whole = b"".join(taken)
        self.held -= len(whole)
        return whole

    def _header_head(self, head: bytes) -> None:
        size = fragment_header.frame_size(head)
        self.header_frame = head
        self._wanted, self._gathered = size - len(head), self._header_rest

    def _header_rest(self, rest: bytes) -> None:
        self.header_frame += rest
        try:
            header = fragment_header.from_frame(self.header_frame)
        except GodosError as error:
            raise FragmentDamaged(str(error)) from error
        if header.name != self._name:
            raise FragmentDamaged(f"asked for {self._name}, got the header of {header.name}")
        self.header = header
        self._end = header.length if self._end is None else min(self._end, header.length)
        self._next_block()

    def _next_block(self) -> None:
        """Wait for a block, unless the range has ended."""
        self.ended = self._end is not None and self._number * BLOCK >= self._end
        self._wanted, self._gathered = _BLOCK_HEAD.size, self._block_head

    def _block_head(self, head: bytes) -> None:
        size, self._checksum = _BLOCK_HEAD.unpack(head)
        assert self.header is not None
        if size != min(BLOCK, self.header.length - self._number * BLOCK):
            raise FragmentDamaged(f"block {self._number} of {self._name} has the wrong length")
        self._wanted, self._gathered = size, self._block

    def _block(self, block: bytes) -> None:
        if block_checksum(self._seed, self._number, block) != self._checksum:
            raise FragmentDamaged(f"block {self._number} of {self._name} fails its checksum")
        place = self._number * BLOCK
        first = max(self._start - place, 0)
        last = len(block) if self._stop is None else min(self._stop - place, len(block))
        wanted = block[first:last] if last - first < len(block) else block
        if wanted:
            self.ready.append(wanted)
            self.held += len(wanted)
        self._number += 1
        self._next_block()
