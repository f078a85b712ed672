"""
Checks of blocks: docs/disk-format.rst, "Checksums of blocks".

The formula is that of the wire, so that a block is checked alike wherever it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

from crc32c import crc32c

from godos.model.fragments import BLOCK, Pieces
from godos.model.names import FragmentName
from godos.protocol.fragment_wire import block_checksum, checksum_seed

CHECK = 4  # bytes of one check


def blocks_of(length: int) -> int:
    """How many blocks a payload of `length` bytes has."""
    return -(-length // BLOCK)


def pack_checks(checks: Sequence[int]) -> bytes:
    """As they stand on the disk."""
    return Struct(f">{len(checks)}I").pack(*checks)


def unpack_checks(raw: bytes) -> tuple[int, ...]:
    """The opposite of `pack_checks`."""
    return Struct(f">{len(raw) // CHECK}I").unpack(raw)


class BlockChecks:
    """Checks of a payload that comes in pieces of any size."""

    def __init__(self, name: FragmentName) -> None:
        self._seed = checksum_seed(name)
        self._check = 0
        self._filled = 0  # bytes of the current block
        self._whole: list[int] = []

    def add(self, pieces: Pieces) -> None:
        """Take the next bytes."""
        for piece in pieces:
            left = memoryview(piece)
            while left:
                if not self._filled:
                    self._check = block_checksum(self._seed, len(self._whole), b"")
                part = left[: BLOCK - self._filled]
                self._check = crc32c(part, self._check)
                self._filled += len(part)
                left = left[len(part) :]
                if self._filled == BLOCK:
                    self._end_block()

    def _end_block(self) -> None:
        self._whole.append(self._check)
        self._filled = 0

    def end(self) -> list[int]:
        """All checks of the payload, which has no more bytes."""
        if self._filled:
            self._end_block()
        return self._whole


def checks_of(name: FragmentName, pieces: Pieces) -> list[int]:
    """The checks of a whole payload."""
    if len(pieces) == 1 and 0 < len(pieces[0]) <= BLOCK:  # most puts: one block in one piece
        return [block_checksum(checksum_seed(name), 0, memoryview(pieces[0]))]
    checks = BlockChecks(name)
    checks.add(pieces)
    return checks.end()


def first_bad_block(
    name: FragmentName, first: int, data: bytes | memoryview, checks: Sequence[int]
) -> int | None:
    """
    Compare `data`, which begins with block `first`, with `checks`, those of the whole payload.

    Answers the number of the first block that is not what was stored; None: all are.
    """
    seed, view = checksum_seed(name), memoryview(data)
    for number, start in enumerate(range(0, len(view), BLOCK), first):
        block = view[start : start + BLOCK]
        if block_checksum(seed, number, block) != checks[number]:
            return number
    return None
