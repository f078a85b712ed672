"""Uploads of fragments that other servers have opened here, until they are sealed or dropped."""

from __future__ import annotations

from attrs import define, field
from crc32c import crc32c
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from godos.deferreds import Background, deferred
from godos.model.blobs import FragmentHeader
from godos.model.bodies import IBody
from godos.model.errors import BadDigest, IncompleteBody, InvalidRequest
from godos.model.fragments import IFragmentUpload
from godos.transfer.batches import Batches, deliver

OPENED = 30.0  # seconds that an opened upload waits for its payload
RECEIVED = 300.0  # seconds that a payload waits for its seal

Key = tuple[str, str, str]  # node, name of the fragment, upload id


@define(eq=False)
class _Upload:
    """
    `receiving` runs while the payload arrives; `received` tells that all of it did, and
    `dropped` that somebody else ended it before.
    """

    staged: IFragmentUpload
    size: int = 0
    crc: int = 0
    received: bool = False
    dropped: bool = False
    receiving: Deferred[int] | None = None
    late: IDelayedCall | None = None

    def write(self, pieces: list[bytes]) -> Deferred[None]:
        """Take the next batch."""
        for piece in pieces:
            self.size += len(piece)
            self.crc = crc32c(piece, self.crc)
        return self.staged.write(pieces)


@define(eq=False)
class FragmentUploads:
    """
    The uploads in flight of all nodes of one process.

    An upload whose request breaks is dropped at once, and one that nobody goes on with
    after its patience.

    Args:
        clock: for the patience.
        background: looks after what is dropped while nobody waits for it.
        opened: seconds from opening to the payload.
        received: seconds from the payload to the seal.
    """

    clock: IReactorTime
    background: Background
    opened: float = OPENED
    received: float = RECEIVED
    _uploads: dict[Key, _Upload] = field(factory=dict)
    _log = Logger()

    def __len__(self) -> int:
        return len(self._uploads)

    def open(self, key: Key, staged: IFragmentUpload) -> None:
        """Keep an upload for its payload."""
        self._uploads[key] = upload = _Upload(staged)
        self._wait(key, upload, self.opened)

    def check_new(self, key: Key) -> None:
        """
        Make sure that an upload id is a new one.

        Raises:
            InvalidRequest: it is in use.
        """
        if key in self._uploads:
            raise InvalidRequest("an upload with this id is open already")

    @deferred
    async def receive(self, key: Key, body: IBody) -> int:
        """
        Let the payload arrive in staging; answers its length.

        Fails as the body or as staging does, and the upload is dropped.
        """
        upload = self._find(key, received=False)
        self._go_on(upload)
        try:
            upload.receiving = deliver(body, Batches(upload.write))
            size = await upload.receiving
        except BaseException as error:
            self._forget(key, upload)
            if upload.dropped:
                raise IncompleteBody("the upload was dropped by another request") from error
            raise
        upload.receiving, upload.received = None, True
        self._wait(key, upload, self.received)
        return size

    def seal(self, key: Key, header: FragmentHeader, crc: int) -> Deferred[None]:
        """
        Seal what was received.  Whoever asked may leave: it is ended either way.

        Args:
            crc: CRC32C of the payload as it was sent.

        Fails: as `IFragmentUpload.seal`; the upload is then dropped.
        """
        return self.background.shield("sealing a fragment", self._seal(key, header, crc))

    @deferred
    async def _seal(self, key: Key, header: FragmentHeader, crc: int) -> None:
        upload = self._find(key, received=True)
        del self._uploads[key]
        self._go_on(upload)
        try:
            if (upload.size, upload.crc) != (header.length, crc):
                raise BadDigest("what was received is not what was sent; nothing was stored")
            await upload.staged.seal(header)
        except BaseException:
            self._forget(key, upload)
            raise

    def drop(self, key: Key) -> None:
        """Forget an upload, if it is known, and remove what was staged."""
        upload = self._uploads.get(key)
        if upload is None:
            return
        if upload.receiving is not None:
            upload.dropped = True
            upload.receiving.cancel()  # `receive` forgets it, once staging is at rest
        else:
            self._forget(key, upload)

    def drop_all(self) -> None:
        """At the end of the process."""
        for key in list(self._uploads):
            self.drop(key)

    def _forget(self, key: Key, upload: _Upload) -> None:
        self._uploads.pop(key, None)
        self._go_on(upload)
        self.background.run("dropping an upload", upload.staged.abort())

    def _find(self, key: Key, received: bool) -> _Upload:
        upload = self._uploads.get(key)
        if upload is None:
            raise InvalidRequest(
                "no such upload is open here: it was sealed, dropped or never made"
            )
        if upload.received is not received or upload.receiving is not None:
            raise InvalidRequest("an upload is opened, sent and sealed, in this order")
        return upload

    def _wait(self, key: Key, upload: _Upload, patience: float) -> None:
        upload.late = self.clock.callLater(patience, self._expired, key)

    def _go_on(self, upload: _Upload) -> None:
        late, upload.late = upload.late, None
        if late is not None and late.active():
            late.cancel()

    def _expired(self, key: Key) -> None:
        self._log.warn("nobody went on with upload {upload}; dropping it", upload=key)
        self.drop(key)
