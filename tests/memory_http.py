"""HTTP between a client's agent and a `StreamingSite` without a network."""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.python.failure import Failure
from twisted.web.client import (
    URI,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from godos.web.streaming import StreamingSite
from tests.unit.web.streaming_wire import Transport

RECEIVED = 64 << 10  # bytes that a client reads at once


@implementer(IAgent)
class MemoryAgent:
    """
    Sends each request on a connection of its own to the site at its address.

    `tamper` sees and replaces every piece of bytes that a server sends.
    """

    def __init__(self) -> None:
        self.sites: dict[bytes, StreamingSite] = {}
        self.requests: list[bytes] = []  # request lines
        self.connections: list[Connection] = []
        self.tamper: Any = lambda data: data

    def lose_after(self, count: int) -> None:
        """From now on only so many bytes of what servers send arrive."""

        def tamper(data: bytes) -> bytes:
            nonlocal count
            data = data[:count]
            count -= len(data)
            return data

        self.tamper = tamper

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        parsed = URI.fromBytes(uri)
        self.requests.append(method + b" " + parsed.originForm)
        connection = Connection(self, self.sites[parsed.netloc])
        self.connections.append(connection)
        connection.send_head(method, parsed, headers or Headers(), bodyProducer)
        return connection.answered


class _ServerTransport(Transport):
    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def write(self, data: bytes) -> None:
        super().write(data)
        self._connection.arrived(data)

    def abortConnection(self) -> None:
        super().abortConnection()
        self._connection.broken(ConnectionAborted())

    def loseConnection(self) -> None:
        super().loseConnection()
        self._connection.broken(ConnectionDone())

    def loseWriteConnection(self) -> None:
        super().loseWriteConnection()
        self._connection.broken(ConnectionDone())


class Connection:
    """One request and its answer.  It is the consumer of the request's body."""

    def __init__(self, agent: MemoryAgent, site: StreamingSite) -> None:
        self._agent = agent
        self.transport = _ServerTransport(self)
        self.channel: Any = site.buildProtocol(None)
        self.gone = False
        self._told = False  # whether the server knows that the connection is gone
        self.response: MemoryResponse | None = None
        self.answered: Deferred[Any] = Deferred(lambda _: self.cut(CancelledError()))
        self._head = b""
        self._chunked = False
        self.channel.makeConnection(self.transport)

    # -- the request ------------------------------------------------------------------------
    def send_head(
        self, method: bytes, uri: URI, headers: Headers, body: IBodyProducer | None
    ) -> None:
        lines = [b"%s %s HTTP/1.1" % (method, uri.originForm), b"Host: " + uri.netloc]
        lines += [b"%s: %s" % (n, v) for n, values in headers.getAllRawHeaders() for v in values]
        if body is None:
            lines.append(b"Content-Length: 0")
        elif body.length is UNKNOWN_LENGTH:
            self._chunked = True
            lines.append(b"Transfer-Encoding: chunked")
        else:
            lines.append(b"Content-Length: %d" % body.length)
        self.to_server(b"\r\n".join([*lines, b"", b""]))
        if body is not None:
            body.startProducing(self).addCallbacks(self._sent, lambda _: None)  # type: ignore[arg-type]

    def write(self, data: bytes) -> None:
        self.to_server(b"%x\r\n%s\r\n" % (len(data), data) if self._chunked else bytes(data))

    def _sent(self, _: None) -> None:
        if self._chunked:
            self.to_server(b"0\r\n\r\n")

    def to_server(self, data: bytes) -> None:
        if not self.gone:
            self.channel.dataReceived(data)

    # -- the answer -------------------------------------------------------------------------
    def arrived(self, data: bytes) -> None:
        data = self._agent.tamper(data)
        if self.response is not None:
            self.response.arrived(data)
            return
        self._head += data
        head, mark, rest = self._head.partition(b"\r\n\r\n")
        if mark:
            self.response = MemoryResponse(self, head)
            self.answered.callback(self.response)
            self.response.arrived(rest)

    def broken(self, why: Exception) -> None:
        """The server closed the connection."""
        if self.gone:
            return
        self.gone = True
        if self.response is None:
            reasons = [Failure(why)]
            self.answered.errback(
                ResponseNeverReceived(reasons)
                if not self.channel.requests
                else RequestTransmissionFailed(reasons)
            )
        else:
            self.response.broken(why)

    def cut(self, why: Exception) -> None:
        """The client closes the connection, or the network breaks it."""
        self.broken(why)
        if not self._told:
            self._told = True
            self.channel.connectionLost(Failure(ConnectionLost()))


@implementer(IResponse)
class MemoryResponse:
    """What a client sees of an answer; the protocol that takes the body may rest."""

    previousResponse = request = None

    def __init__(self, connection: Connection, head: bytes) -> None:
        status, *lines = head.split(b"\r\n")
        self.version = (b"HTTP", 1, 1)
        self.code = int(status.split(b" ")[1])
        self.phrase = b""
        self.headers = Headers()
        for line in lines:
            name, value = re.split(rb": *", line, maxsplit=1)
            self.headers.addRawHeader(name, value)
        self.length = int((self.headers.getRawHeaders(b"content-length") or [b"0"])[0])
        self.resting = False
        self._connection = connection
        self._protocol: Any = None
        self._held = b""
        self.left = self.length
        self._failure: Exception | None = None

    def setPreviousResponse(self, response: Any) -> None:
        raise NotImplementedError

    def deliverBody(self, protocol: Any) -> None:
        self._protocol = protocol
        protocol.makeConnection(self)
        self._deliver()

    def arrived(self, data: bytes) -> None:
        self._held += data
        self._deliver()

    def broken(self, why: Exception) -> None:
        self._failure = ResponseFailed([Failure(why)])
        self._deliver()

    def _deliver(self) -> None:
        while self._protocol is not None and self._held and self.left and not self.resting:
            piece, self._held = self._held[:RECEIVED], self._held[RECEIVED:]
            piece = piece[: self.left]
            self.left -= len(piece)
            self._protocol.dataReceived(piece)
        if self._protocol is None or (self.resting and self.left):
            return
        if not self.left:
            self._end(ResponseDone())
        elif self._failure is not None:
            self._end(self._failure)

    def _end(self, reason: Exception) -> None:
        protocol, self._protocol = self._protocol, None
        protocol.connectionLost(Failure(reason))

    # -- the protocol's transport -------------------------------------------------------------
    def pauseProducing(self) -> None:
        self.resting = True

    def resumeProducing(self) -> None:
        self.resting = False
        self._deliver()

    def stopProducing(self) -> None:
        self.loseConnection()

    def loseConnection(self) -> None:
        self._connection.cut(ConnectionDone())
