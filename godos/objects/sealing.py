"""A body's encryption on its way to the nodes, away from the reactor thread."""

from __future__ import annotations

from hashlib import sha256

from twisted.internet.defer import Deferred, succeed

from godos.deferreds import InThread
from godos.model.fragments import Pieces
from godos.transfer.digests import INLINE
from godos.transfer.encryption import AES256GCM, Sealer, sealed_size


class Sealing:
    """
    Encrypts the bytes of one blob, and knows `size` and `sha256` of what came out.

    It holds up to one block back, which `finish` gives.
    """

    codec = AES256GCM

    def __init__(self, secret: bytes, incarnation: str, in_thread: InThread) -> None:
        self._sealer = Sealer(secret, incarnation)
        self._in_thread = in_thread
        self._sha256 = sha256()
        self.size = 0

    def size_of(self, plain: int) -> int:
        """How many bytes come out of `plain`."""
        return sealed_size(plain)

    def update(self, pieces: Pieces) -> Deferred[list[bytes]]:
        """Take the next bytes; the next call comes after this one's Deferred fired."""
        if sum(map(len, pieces)) <= INLINE:
            return succeed(self._seal(pieces))
        return self._in_thread(self._seal, pieces)

    def finish(self) -> list[bytes]:
        """The last bytes; what is left is too little for a thread."""
        return self._counted(self._sealer.finish())

    def _seal(self, pieces: Pieces) -> list[bytes]:
        return self._counted(self._sealer.update(pieces))

    def _counted(self, blocks: list[bytes]) -> list[bytes]:
        for block in blocks:
            self._sha256.update(block)
            self.size += len(block)
        return blocks

    @property
    def sha256(self) -> bytes:
        """SHA-256 of what came out so far, raw."""
        return self._sha256.digest()
