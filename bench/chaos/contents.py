"""Bytes that are known again: each version of each object has its own."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator

from attrs import frozen

KIB, MIB = 1 << 10, 1 << 20
PIECE = MIB


class Body:
    """A content as requests sends it: of known length, piece by piece."""

    def __init__(self, content: Content) -> None:
        self._content = content

    def __len__(self) -> int:
        return self._content.size

    def __iter__(self) -> Iterator[bytes]:
        return self._content.pieces()


@frozen
class Content:
    """What one version of one object holds."""

    seed: int
    key: str
    generation: int
    size: int

    def pieces(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Bytes [start, stop), a MiB at most at a time."""
        end = self.size if stop is None else stop
        number = start // PIECE
        while number * PIECE < end:
            piece = self._piece(number)
            first, last = number * PIECE, min(end, (number + 1) * PIECE)
            yield piece[max(start, first) - first : last - first]
            number += 1

    def _piece(self, number: int) -> bytes:
        """A MiB: the object's own noise, with the number of the MiB in it."""
        noise = bytearray(self._noise())
        noise[: len(mark)] = (mark := number.to_bytes(8, "big"))
        return bytes(noise)

    def _noise(self) -> bytes:
        name = f"{self.seed}/{self.key}/{self.generation}".encode()
        return hashlib.shake_128(name).digest(min(PIECE, max(self.size, 8)))

    def digest(self, start: int = 0, stop: int | None = None) -> str:
        """SHA-256 of bytes [start, stop), in hex."""
        running = hashlib.sha256()
        for piece in self.pieces(start, stop):
            running.update(piece)
        return running.hexdigest()


def size_of(chance: random.Random, largest: int) -> int:
    """Mostly small, some of a few MiB, a few as large as allowed; the thresholds among them."""
    draw = chance.random()
    if draw < 0.05:
        size = chance.choice((0, 1, 128 * KIB, 128 * KIB + 1, MIB, MIB + 1, 4 * MIB))
    elif draw < 0.75:
        size = int(2 ** chance.uniform(4, 17))
    elif draw < 0.96:
        size = int(2 ** chance.uniform(17, 22))
    elif draw < 0.995:
        size = int(2 ** chance.uniform(22, 25))
    else:
        size = chance.randint(largest // 2, largest)
    return min(size, largest)
