"""Digests of a body while it passes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from twisted.internet.defer import Deferred, succeed

from godos.deferreds import InThread
from godos.model.fragments import Pieces
from godos.transfer.checksums import Bytes, running

# Hashing this much (some 30 µs) costs less than the way to a thread and back.
INLINE = 16 << 10  # bytes
MORSEL = 2047  # bytes.  Source: hashlib releases the lock for 2048 (HASHLIB_GIL_MINSIZE)
BOTH = ("md5", "sha256")


class Digests:
    """
    The digests of a body that are asked for, and no others: each costs every upload.

    MD5 is S3's ETag, by definition, and SHA-256 the blob's own.  `size` counts the bytes.

    Args:
        algorithms: of `transfer.checksums`, or `md5`.

    Raises:
        InvalidDigest: there is no such algorithm.
    """

    def __init__(self, in_thread: InThread, algorithms: Iterable[str] = BOTH) -> None:
        self._in_thread = in_thread
        self._running = {algorithm: running(algorithm) for algorithm in algorithms}
        self._updates = tuple(one.update for one in self._running.values())
        self.size = 0

    def update(self, pieces: Pieces) -> Deferred[None]:
        """Take the next bytes; the next call comes after this one's Deferred fired."""
        size = sum(map(len, pieces))
        self.size += size
        if size <= INLINE:
            self._update(_morsels(pieces))
            return succeed(None)
        return self._in_thread(self._update, pieces)

    def _update(self, pieces: Iterable[Bytes]) -> None:
        for piece in pieces:
            for update in self._updates:
                update(piece)

    def __contains__(self, algorithm: object) -> bool:
        return algorithm in self._running

    def raw(self, algorithm: str) -> bytes:
        """One of the digests that were asked for, so far, raw."""
        return self._running[algorithm].digest()

    @property
    def md5(self) -> bytes:
        """MD5 so far, raw."""
        return self.raw("md5")

    @property
    def sha256(self) -> bytes:
        """SHA-256 so far, raw."""
        return self.raw("sha256")


def _morsels(pieces: Iterable[Bytes]) -> Iterator[memoryview]:
    """
    The same bytes in pieces for which hashlib keeps the interpreter's lock.

    Giving it away and waiting for it again costs more than hashing some KiB.
    """
    for piece in pieces:
        view = memoryview(piece)
        for start in range(0, len(view), MORSEL):
            yield view[start : start + MORSEL]
