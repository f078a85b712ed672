"""Requests as twisted.web and Klein know them, run when their headers are in."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import Request
from zope.interface import implementer

from godos.model.errors import IncompleteBody
from godos.web.channel_exchange import ChannelExchange, describe, log_failure
from godos.web.errors import InvalidURI
from godos.web.exchange import Headers, IExchange
from godos.web.heads import SERVER, announced_length
from godos.web.request_body import incomplete


class StreamingRequest(Request):
    """
    A twisted.web request with a `body` (`IBody`) instead of a `content`, which stays empty.

    Its answer carries the request id.  One that fails after it began, or that ends before
    its Content-Length, breaks the connection instead of looking whole.
    """

    _log = Logger()
    channel: Any = None  # a StreamingChannel until the answer is done or the client left
    defaultContentType = b"application/octet-stream"

    def __init__(self, channel: Any, arrived: ChannelExchange) -> None:
        super().__init__(channel)
        self.arrived = arrived
        self.body = arrived.body
        self.request_id = arrived.request_id
        self.content = BytesIO()
        for name, value in arrived.headers():
            self.requestHeaders.addRawHeader(name, value)
        self.exchange: RequestExchange | None = None

    @property
    def started(self) -> bool:
        """Whether the status line was written."""
        return bool(self.startedWriting)

    def run(self) -> None:
        """Find the resource, and render it."""
        arrived = self.arrived
        super().requestReceived(arrived.method, arrived.target, arrived.version)

    def process(self) -> None:
        """Called by twisted.web.  Klein would log a target that is no text as a fault."""
        try:
            unquote_to_bytes(self.arrived.target).decode("utf-8")
        except UnicodeDecodeError:
            self._refuse(InvalidURI("the target is UTF-8, percent-encoded once"))
        else:
            super().process()

    def getRequestHostname(self) -> bytes:
        """
        Called by Klein, whose router takes a Host that is no name for a fault.

        No route depends on it.
        """
        return b"localhost"

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Called by the channel at the end of the body."""
        self.arrived.requestReceived(command, path, version)

    def write(self, data: bytes) -> None:
        """Called by resources."""
        if not self.startedWriting and self.channel:
            headers = self.responseHeaders
            headers.setRawHeaders(b"x-amz-request-id", [self.request_id.encode()])
            headers.setRawHeaders(b"Server", [SERVER])
            headers.setRawHeaders(b"Date", [self.channel.site.heads.date()])
            if self.channel.will_close(self.body, False):
                headers.setRawHeaders(b"Connection", [b"close"])
        super().write(data)

    def finish(self) -> None:
        """
        Called by resources.  An answer shorter than announced is aborted.

        Klein calls it once more after an error's handler did.
        """
        if self.finished:
            return
        if self.channel is not None and not self._is_whole():
            self._log.error(
                "{request}: the answer ended before its Content-Length",
                request=describe(self.arrived),
            )
            self.channel.abort()
            return
        super().finish()

    def _is_whole(self) -> bool:
        if not self.startedWriting or self.method == b"HEAD" or self.code in (204, 304):
            return True
        announced = self.responseHeaders.getRawHeaders(b"Content-Length")
        return announced is None or int(announced[0]) == self.sentLength

    def processingFailed(self, reason: Failure) -> Failure:
        """Called for what a resource raised, or its Deferred failed with."""
        error = reason.value
        assert error is not None
        log_failure(self._log, reason, self.arrived)
        channel = getattr(self, "channel", None)
        if channel is None:
            return reason
        if self.startedWriting:
            channel.abort()
            return reason
        self._refuse(error)
        return reason

    def _refuse(self, error: BaseException) -> None:
        status, headers, body = self.channel.site.error_answer(
            error, self.arrived.target, self.request_id
        )
        exchange_of(self).reply(status, headers, body)

    def connectionLost(self, reason: Failure) -> None:
        """
        Called by the channel.

        Klein cancels its handler from `notifyFinish`; only after that may the body fail, or
        the handler's own error path would write to a channel that is gone.
        """
        self.body.lose(incomplete(self.body))
        super().connectionLost(reason)
        self.body.tell()


@implementer(IExchange)
class RequestExchange:
    """An `IExchange` on top of a `StreamingRequest`."""

    def __init__(self, request: StreamingRequest) -> None:
        arrived = request.arrived
        self.method = arrived.method
        self.target = arrived.target
        self.secure = request.isSecure()
        self.peer = arrived.peer
        self.request_id = request.request_id
        self.body = request.body
        self.header = arrived.header
        self.headers = arrived.headers
        self._request = request

    @property
    def started(self) -> bool:
        """See `IExchange`."""
        return self._request.started

    def reply(self, status: int, headers: Headers, body: bytes = b"") -> None:
        """See `IExchange`."""
        if not self._open():
            return
        silent = status in (204, 304)
        if not silent and announced_length(headers) is None:
            headers = [*headers, (b"Content-Length", b"%d" % len(body))]
        self._begin(status, headers)
        self._request.write(body)
        self._request.finish()

    def start(self, status: int, headers: Headers) -> None:
        """See `IExchange`."""
        if not self._open():
            return
        if announced_length(headers) is None:
            raise ValueError("a started answer needs a Content-Length")
        self._begin(status, headers)
        self._request.write(b"")

    def _open(self) -> bool:
        """Whether there is somebody to answer."""
        if self._request.finished or (self.started and self._channel is not None):
            raise RuntimeError("a request is answered once")
        return self._channel is not None

    def _begin(self, status: int, headers: Headers) -> None:
        request = self._request
        request.setResponseCode(status)
        for name in {name.lower() for name, _ in headers}:
            request.responseHeaders.removeHeader(name)
        for name, value in headers:
            request.responseHeaders.addRawHeader(name, value)

    def write(self, data: bytes) -> None:
        """See `IExchange`."""
        if self._channel is not None:
            self._request.write(data)

    def drained(self) -> Deferred[None]:
        """See `IExchange`."""
        if self._channel is None:
            return fail(IncompleteBody("the client went away"))
        waiting: Deferred[None] = self._channel.drained()
        return waiting

    def finish(self) -> None:
        """See `IExchange`."""
        if self._channel is not None:
            self._request.finish()

    def abort(self) -> None:
        """See `IExchange`."""
        if self._channel is not None:
            self._channel.abort()

    @property
    def _channel(self) -> Any:
        """The StreamingChannel; None after the client left, and after the answer."""
        return getattr(self._request, "channel", None)


def exchange_of(request: Any) -> IExchange:
    """The exchange of a request that came through a `StreamingSite`, for Klein handlers."""
    if not isinstance(request, StreamingRequest):
        raise TypeError(f"{type(request).__name__} did not come through a StreamingSite")
    if request.exchange is None:
        request.exchange = RequestExchange(request)
    return request.exchange
