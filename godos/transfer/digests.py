"""Digests of a body while it passes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import md5, sha256

from twisted.internet.defer import Deferred, succeed

from godos.deferreds import InThread

# Hashing this much (some 30 µs) costs less than the way to a thread and back.
INLINE = 16 << 10  # bytes
MORSEL = 2047  # bytes.  Source: hashlib releases the lock for 2048 (HASHLIB_GIL_MINSIZE)


class Digests:
    """
    MD5 (S3's ETag, by definition) and SHA-256 (the blob's own) of a body.

    `size` counts the bytes.
    """

    def __init__(self, in_thread: InThread) -> None:
        self._in_thread = in_thread
        self._md5 = md5(usedforsecurity=False)
        self._sha256 = sha256()
        self.size = 0

    def update(self, pieces: list[bytes]) -> Deferred[None]:
        """Take the next bytes; the next call comes after this one's Deferred fired."""
        size = sum(map(len, pieces))
        self.size += size
        if size <= INLINE:
            self._update(_morsels(pieces))
            return succeed(None)
        return self._in_thread(self._update, pieces)

    def _update(self, pieces: Iterable[bytes | memoryview]) -> None:
        for piece in pieces:
            self._md5.update(piece)
            self._sha256.update(piece)

    @property
    def md5(self) -> bytes:
        """MD5 so far, raw."""
        return self._md5.digest()

    @property
    def sha256(self) -> bytes:
        """SHA-256 so far, raw."""
        return self._sha256.digest()


def _morsels(pieces: Iterable[bytes]) -> Iterator[memoryview]:
    """
    The same bytes in pieces for which hashlib keeps the interpreter's lock.

    Giving it away and waiting for it again costs more than hashing some KiB.
    """
    for piece in pieces:
        view = memoryview(piece)
        for start in range(0, len(view), MORSEL):
            yield view[start : start + MORSEL]
