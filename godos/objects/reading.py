"""
The plain bytes of an object: of one blob or of many, decrypted where they are encrypted.

Everything here is a `Stream`: pulled piece by piece, holding a few MiB at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from godos.deferreds import InThread, deferred
from godos.model.blobs import RAW, Blob
from godos.model.errors import BytesNotFound, FragmentDamaged, GodosError
from godos.model.fragments import CHUNK
from godos.objects.manifests import Slice
from godos.objects.sources import BlobRead, Sources
from godos.transfer.encryption import AES256GCM, BLOCK, INLINE, BlockRange, Opener, sealed_size

_log = Logger()


class Stream(Protocol):
    """Bytes in order, each verified before it is given."""

    async def read(self) -> bytes:
        """The next bytes; b"" after the last.  Fails: BytesNotFound, Unavailable."""

    async def close(self) -> None:
        """Let go of everything.  Never fails."""


class Blobs:
    """
    Opens blobs for reading.

    Args:
        in_thread: where large pieces are decrypted.
    """

    def __init__(self, sources: Sources, in_thread: InThread) -> None:
        self._sources = sources
        self._in_thread = in_thread

    async def open(
        self, incarnation: str, size: int, secret: bytes | None, start: int, stop: int
    ) -> Stream:
        """
        Plain bytes [start, stop) of a blob that has `size` plain bytes; the range is not empty.

        Args:
            secret: the data key when the object is encrypted, None when it is not.

        Raises:
            BytesNotFound: the blob is not there, or is not as the object says.
        """
        blob = await self._sources.rows.get(incarnation)
        if secret is None:
            _expect(blob, RAW, size)
            return self._sources.read(blob, start, stop)
        _expect(blob, AES256GCM, sealed_size(size))
        blocks = BlockRange.around(start, stop, size)
        sealed = self._sources.read(blob, blocks.start, blocks.stop)
        opener = Opener(secret, incarnation, size)
        return DecryptedRead(sealed, opener, blocks, stop - start, self._in_thread)


def _expect(blob: Blob, codec: str, size: int) -> None:
    """What is not encrypted must not pass for the bytes of an object that is."""
    if blob.codec != codec:
        raise BytesNotFound(
            f"the object's bytes are stored as {blob.codec}, and not as {codec} as it says: "
            "its catalog rows do not belong together"
        )
    if blob.size != size:
        raise BytesNotFound(
            f"the object's bytes have {blob.size} bytes, and not {size} as it says: "
            "its catalog rows do not belong together"
        )


class DecryptedRead:
    """
    A range of an encrypted blob's plain bytes.

    Blocks that do not decrypt are asked of another node, as damaged ones are.
    """

    def __init__(
        self,
        sealed: BlobRead,
        opener: Opener,
        blocks: BlockRange,
        length: int,
        in_thread: InThread,
    ) -> None:
        self._sealed = sealed
        self._opener = opener
        self._in_thread = in_thread
        self._number = blocks.first  # of the first block in `_held`
        self._last = blocks.stop  # where the sealed range ends
        self._skip = blocks.skip
        self._left = length
        self._held: list[bytes] = []  # sealed bytes that wait for the rest of their block

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

    async def _whole_blocks(self) -> bytes:
        """The next blocks, as many as are at hand; at least one."""
        held = sum(map(len, self._held))
        missing = self._last - self._number * BLOCK  # bytes of the range, those held among them
        while held < min(BLOCK, missing):
            piece = await self._sealed.read()
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


class PartsRead:
    """
    A range of an object that was made of parts, one part after the other.

    The next part is asked for its first piece when the present one nears its end, so that
    a reader does not wait at every seam; that piece is all that is held.
    """

    def __init__(
        self,
        blobs: Blobs,
        slices: Sequence[Slice],
        secret: bytes | None,
    ) -> None:
        self._blobs = blobs
        self._secret = secret
        self._slices = slices
        self._next = 0  # of `_slices`
        self._left = 0  # bytes of the present slice
        self._stream: Stream | None = None
        self._ahead: Deferred[tuple[Stream, bytes]] | None = None

    async def read(self) -> bytes:
        """See `Stream.read`."""
        while True:
            if self._left:
                assert self._stream is not None
                piece = await self._stream.read()
            elif self._next < len(self._slices):
                piece = await self._step()
            else:
                return b""
            self._left -= len(piece)
            if self._left <= CHUNK and self._ahead is None and self._next < len(self._slices):
                self._ahead = self._begin(self._next)
            return piece

    async def _step(self) -> bytes:
        """Go on to the next part, and answer its first piece."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.close()
        begun = self._ahead or self._begin(self._next)
        self._ahead = begun
        self._stream, piece = await begun
        self._ahead = None
        self._left = self._slices[self._next].stop - self._slices[self._next].start
        self._next += 1
        return piece

    @deferred
    async def _begin(self, index: int) -> tuple[Stream, bytes]:
        wanted = self._slices[index]
        part = wanted.part
        assert part.incarnation is not None, "a part with bytes has a blob"
        stream = await self._blobs.open(
            part.incarnation, part.size, self._secret, wanted.start, wanted.stop
        )
        try:
            return stream, await stream.read()
        except BaseException:
            await stream.close()
            raise

    async def close(self) -> None:
        """See `Stream.close`."""
        self._left, self._next = 0, len(self._slices)
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.close()
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            await _dropped(ahead)


@deferred
async def _dropped(ahead: Deferred[tuple[Stream, bytes]]) -> None:
    """End what was begun in advance, and which nobody wants any more."""
    ahead.cancel()
    try:
        stream, _ = await ahead
    except (CancelledError, GodosError):
        return  # it had not begun yet, or cannot be read: nobody is waiting to know
    except Exception:
        _log.failure("a part that was begun in advance failed")
    else:
        await stream.close()
