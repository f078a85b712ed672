"""A body's compression on its way to the nodes, away from the reactor thread."""

from __future__ import annotations

from hashlib import sha256

from twisted.internet.defer import Deferred, succeed

from godos.deferreds import InThread
from godos.model.blobs import RAW
from godos.model.fragments import Pieces
from godos.transfer.compression import ZSTD, Packer

CODECS = {"zstd": ZSTD}  # by the word that settings and commands use for them
INLINE = 16 << 10  # bytes: compressing them costs less than the way to a thread and back


class Compressing:
    """
    Compresses the bytes of one blob, if that is worth it; see `chain.Stage`.

    It holds less than a MiB back, until it is known whether it is, and then less than a block.

    Args:
        hashed: whether `sha256` will be asked for; it costs as much as all else here.
    """

    def __init__(self, in_thread: InThread, hashed: bool = True) -> None:
        self._packer = Packer()
        self._in_thread = in_thread
        self._sha256 = sha256() if hashed else None
        self.size = 0

    @property
    def codec(self) -> str:
        """`raw` while it is not known."""
        return ZSTD if self._packer.packed else RAW

    @property
    def sha256(self) -> bytes:
        """SHA-256 of what came out so far, raw."""
        assert self._sha256 is not None, "it was not to be hashed"
        return self._sha256.digest()

    def size_of(self, plain: int) -> int | None:
        """See `Stage.size_of`."""
        return 0 if plain == 0 else None

    def update(self, pieces: Pieces) -> Deferred[list[bytes]]:
        """See `Stage.update`."""
        return self._run(pieces, last=False)

    def finish(self) -> Deferred[list[bytes]]:
        """See `Stage.finish`."""
        return self._run((), last=True)

    def _run(self, pieces: Pieces, last: bool) -> Deferred[list[bytes]]:
        if self._packer.held + sum(map(len, pieces)) <= INLINE:
            return succeed(self._pack(pieces, last))
        return self._in_thread(self._pack, pieces, last)

    def _pack(self, pieces: Pieces, last: bool) -> list[bytes]:
        stored = self._packer.finish() if last else self._packer.update(pieces)
        for piece in stored:
            self.size += len(piece)
            if self._sha256 is not None:
                self._sha256.update(piece)
        return stored
