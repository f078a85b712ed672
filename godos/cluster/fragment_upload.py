"""One fragment on its way to a node over HTTP: opened, sent, sealed."""

from __future__ import annotations

from crc32c import crc32c
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from godos.cluster.sent_bodies import StreamedBody
from godos.cluster.server_client import WORK, ServerClient
from godos.deferreds import deferred
from godos.model.blobs import FragmentHeader
from godos.model.errors import BadDigest, GodosError
from godos.model.fragments import IFragmentUpload, Pieces
from godos.protocol.fragment_header import to_fields
from godos.protocol.server_auth import of_length


@implementer(IFragmentUpload)
class HTTPFragmentUpload:
    """
    An upload that the node has agreed to; its request runs from now on.

    Args:
        address: `host:port` of the data server.
        path: of the upload.
        length: of the payload in bytes, when known.
    """

    _log = Logger()

    def __init__(self, client: ServerClient, address: str, path: str, length: int | None) -> None:
        self._client = client
        self._address = address
        self._path = path
        self._length = length
        self._sent = 0
        self._crc = 0
        self._over = False  # sealed or aborted
        self._body = StreamedBody(length, client.clock, client.patience)
        self._request: Deferred[None] = self._send()
        self._request.addErrback(self._body.fail)  # whoever writes or seals next is told

    @deferred
    async def _send(self) -> None:
        statement = of_length(self._length)
        answer = await self._client.ask(
            "PUT", self._address, self._path, statement, lambda: self._body, once=True
        )
        await self._client.whole(answer, self._address)

    @deferred
    async def write(self, pieces: Pieces) -> None:
        """See `IFragmentUpload.write`."""
        for piece in pieces:
            self._sent += len(piece)
            self._crc = crc32c(piece, self._crc)
        if self._length is not None and self._sent > self._length:
            self._cut()
            raise self._wrong_length(self._length)
        try:
            await self._body.write(pieces)
        except BaseException:
            self._cut()
            raise

    @deferred
    async def seal(self, header: FragmentHeader) -> None:
        """See `IFragmentUpload.seal`."""
        for announced in (header.length, self._length):
            if announced not in (self._sent, None):
                self._cut()
                raise self._wrong_length(announced)
        self._body.end()
        await self._client.within(self._client.patience, self._address, self._request)
        self._body.check()
        document = {"header": to_fields(header), "crc32c": self._crc}
        await self._client.call(
            "POST", self._address, f"{self._path}/seal", document, patience=WORK
        )
        self._over = True

    def _wrong_length(self, announced: int | None) -> BadDigest:
        return BadDigest(f"{self._sent} bytes were written, not {announced} as announced")

    @deferred
    async def abort(self) -> None:
        """See `IFragmentUpload.abort`."""
        if self._over:
            return
        self._over = True
        self._cut()
        # A node that saw the connection die has dropped it already; one that had not even
        # seen the request begin would wait for it.
        try:
            await self._client.call("DELETE", self._address, self._path)
        except GodosError as error:  # the node drops it when its patience ends
            self._log.debug("an upload was left to its node: {error}", error=error)

    def _cut(self) -> None:
        """Break the connection, unless the request has ended."""
        self._request.cancel()
