"""The plain bytes of an encrypted blob."""

from __future__ import annotations

from godos.deferreds import InThread
from godos.model.errors import BytesNotFound, FragmentDamaged, GodosError
from godos.objects.streams import Stored
from godos.transfer.encryption import BLOCK, INLINE, BlockRange, Opener


class DecryptedRead:
    """
    Bytes [start, stop) of the `size` that were encrypted.

    Blocks that do not decrypt are asked of another node, as damaged ones are.

    Args:
        sealed: the stored bytes of `BlockRange.around(start, stop, size)`.
    """

    def __init__(
        self,
        sealed: Stored,
        opener: Opener,
        size: int,
        start: int,
        stop: int,
        in_thread: InThread,
    ) -> None:
        self._sealed = sealed
        self._opener = opener
        self._size = size
        self._stop = stop
        self._in_thread = in_thread
        self._go_to(start)

    def _go_to(self, position: int) -> BlockRange:
        """Let the next bytes that are given be those at `position`."""
        blocks = BlockRange.around(position, self._stop, self._size)
        self._number = blocks.first  # of the first block in `_held`
        self._last = blocks.stop  # where the sealed range ends
        self._skip = blocks.skip
        self._left = self._stop - position
        self._held: list[bytes] = []  # sealed bytes that wait for the rest of their block
        return blocks

    async def read(self) -> bytes:
        """See `Stream.read`."""
        while self._left:
            sealed = await self._whole_blocks()
            try:
                plain = await self._opened(sealed)
            except FragmentDamaged as error:
                self._held = []
                await self._sealed.refuse(self._number * BLOCK, error)
            else:
                self._number += -(-len(sealed) // BLOCK)
                return self._wanted(plain)
        return b""

    async def refuse(self, position: int, error: GodosError) -> None:
        """See `Stored.refuse`."""
        await self._sealed.refuse(self._go_to(position).start, error)

    async def _whole_blocks(self) -> bytes:
        """The next blocks, as many as are at hand; at least one."""
        held = sum(map(len, self._held))
        missing = self._last - self._number * BLOCK  # bytes of the range, those held among them
        while held < min(BLOCK, missing):
            piece = await self._sealed.read()
            if not piece:  # it was closed meanwhile; asked again it would answer so for ever
                raise BytesNotFound("the bytes of an encrypted blob ended early")
            self._held.append(piece)
            held += len(piece)
        sealed = b"".join(self._held)
        whole = held if held == missing else held // BLOCK * BLOCK
        self._held = [sealed[whole:]] if whole < held else []
        return sealed if whole == held else sealed[:whole]

    async def _opened(self, sealed: bytes) -> bytes:
        if len(sealed) <= INLINE:
            return self._plain(sealed)
        return await self._in_thread(self._plain, sealed)

    def _plain(self, sealed: bytes) -> bytes:
        return b"".join(self._opener.open(self._number, sealed))

    def _wanted(self, plain: bytes) -> bytes:
        """Without what the range leaves out of its first and last block."""
        wanted = plain[self._skip : self._skip + self._left]
        self._skip = 0
        self._left -= len(wanted)
        return wanted

    async def close(self) -> None:
        """See `Stream.close`."""
        self._left, self._held = 0, []
        await self._sealed.close()
