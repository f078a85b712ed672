"""
The plain bytes of an object: of one blob or of many, decrypted and decompressed where need be.

Everything here is a `Stream`: pulled piece by piece, holding a few MiB at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from godos.deferreds import InThread, deferred
from godos.model.blobs import RAW, Blob
from godos.model.errors import BytesNotFound, FragmentDamaged, GodosError
from godos.model.fragments import CHUNK
from godos.objects.decompressing import DecompressedRead, Open
from godos.objects.decrypting import DecryptedRead
from godos.objects.manifests import Slice
from godos.objects.sources import Sources
from godos.objects.streams import Stored, Stream
from godos.transfer.compression import ZSTD, Packed
from godos.transfer.encryption import AES256GCM, BlockRange, Opener, plain_room, sealed_size

_log = Logger()


class Blobs:
    """
    Opens blobs for reading.

    Args:
        in_thread: where large pieces are decrypted and decompressed.
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
        compressed = _is_compressed(blob, encrypted=secret is not None)
        open_: Open = partial(self._sources.read, blob)
        room = blob.size
        if secret is not None:
            room = plain_room(blob.size)
            _expect_size(blob, sealed_size(room))
            open_ = self._decrypting(open_, Opener(secret, incarnation, room), room)
        if compressed:
            return DecompressedRead(open_, _packed(room, size), start, stop, self._in_thread)
        _expect_size(blob, size if secret is None else sealed_size(size))
        return open_(start, stop)

    def _decrypting(self, open_: Open, opener: Opener, size: int) -> Open:
        def decrypted(start: int, stop: int) -> Stored:
            blocks = BlockRange.around(start, stop, size)
            sealed = open_(blocks.start, blocks.stop)
            return DecryptedRead(sealed, opener, size, start, stop, self._in_thread)

        return decrypted


_COMPRESSED = {  # by codec: those of plain objects, and those of encrypted ones
    False: {RAW: False, ZSTD: True},
    True: {AES256GCM: False, f"{ZSTD}+{AES256GCM}": True},
}


def _is_compressed(blob: Blob, encrypted: bool) -> bool:
    """What is not encrypted must not pass for the bytes of an object that is."""
    codecs = _COMPRESSED[encrypted]
    if blob.codec not in codecs:
        raise BytesNotFound(
            f"the object's bytes are stored as {blob.codec}, and not as {' or '.join(codecs)} as "
            "it says: its catalog rows do not belong together"
        )
    return codecs[blob.codec]


def _expect_size(blob: Blob, size: int) -> None:
    if blob.size != size:
        raise BytesNotFound(
            f"the object's bytes have {blob.size} bytes, and not {size} as it says: "
            "its catalog rows do not belong together"
        )


def _packed(stored: int, size: int) -> Packed:
    try:
        return Packed(stored, size)
    except FragmentDamaged as error:
        raise BytesNotFound(f"{error}: its catalog rows do not belong together") from error


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
        try:
            self._stream, piece = await begun
        finally:
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
