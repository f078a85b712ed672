"""Bytes of a blob, however it is stored."""

from __future__ import annotations

from godos.model.blobs import Blob
from godos.model.errors import GodosError
from godos.objects.coded_read import CodedRead
from godos.objects.copies_read import CopiesRead
from godos.objects.reach import Reach
from godos.objects.search import Converted


def _read_of(reach: Reach, blob: Blob, start: int, stop: int) -> CodedRead | CopiesRead:
    kind = CodedRead if blob.policy.coded else CopiesRead
    return kind(reach, blob, start, stop)


class BlobRead:
    """
    Bytes [start, stop) of the stored bytes of a blob.

    It goes on while nodes die, hang or have damaged bytes, as long as the others have what
    is needed, and also when the blob is converted to another policy meanwhile.
    """

    def __init__(self, reach: Reach, blob: Blob, start: int, stop: int) -> None:
        self._reach = reach
        self._stop = stop
        self._part = _read_of(reach, blob, start, stop)

    async def read(self) -> bytes:
        """
        The next verified bytes, at most `STRIPE`; b"" after the last.

        Fails:
            BytesNotFound: no nodes give them; says what each answered.
        """
        while self._part.position < self._stop:
            try:
                return await self._part.read()
            except Converted as converted:
                position, old = self._part.position, self._part
                self._part = _read_of(self._reach, converted.blob, position, self._stop)
                await old.close()
        return b""

    async def refuse(self, position: int, error: GodosError) -> None:
        """
        What was read from `position` on turned out to be wrong: read it again, elsewhere.

        The same nodes do not give it together again.

        Fails:
            BytesNotFound: too much was wrong already.
        """
        await self._part.refuse(position, error)

    async def close(self) -> None:
        """Let go of everything, at any time; nothing is read any more.  Never fails."""
        self._stop = 0
        await self._part.close()
