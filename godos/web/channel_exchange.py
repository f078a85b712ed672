"""One request and its answer, straight on the connection: the fast path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from godos.model.errors import GodosError, IncompleteBody
from godos.web.exchange import Headers, IExchange
from godos.web.heads import NO_BODY, announced_length
from godos.web.request_body import EmptyBody, RequestBody, incomplete

if TYPE_CHECKING:
    from godos.web.streaming_channel import StreamingChannel

Verbs = Callable[[IExchange], "Deferred[None]"]
EMPTY = EmptyBody()
JOINED = 65536  # bytes: larger bodies are not copied behind their head


def describe(exchange: ChannelExchange) -> str:
    """A request for the log, in one line."""
    words = (exchange.method, exchange.target)
    line = " ".join(word.decode("utf-8", "backslashreplace") for word in words)
    return f"{line} ({exchange.request_id})"


def log_failure(log: Logger, failure: Failure, exchange: ChannelExchange) -> None:
    """Log what a request's code let escape: with the traceback, unless it is an answer."""
    if isinstance(failure.value, GodosError):
        log.info(
            "{request}: {kind}: {error}",
            request=describe(exchange),
            kind=type(failure.value).__name__,
            error=str(failure.value),
        )
    else:
        log.failure("{request} failed", failure, request=describe(exchange))


class ArrivingHeaders:
    """The request's headers in the order they came; as much of `Headers` as a channel uses."""

    __slots__ = ("pairs",)

    def __init__(self) -> None:
        self.pairs: list[tuple[bytes, bytes]] = []

    def addRawHeader(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        self.pairs.append((name.lower(), value))

    def getRawHeaders(self, name: bytes, default: Any = None) -> Any:
        """Called by the parser."""
        name = name.lower()
        return [value for known, value in self.pairs if known == name] or default


@implementer(IExchange)
class ChannelExchange:
    """
    What the parser fills while a request arrives, and what a verb then works with.

    The camelCase methods are those that a twisted.web channel calls on its request.
    """

    _log = Logger()
    __slots__ = (
        "_answering",
        "_channel",
        "_known",
        "_over",
        "_remaining",
        "_running",
        "authority",
        "body",
        "method",
        "requestHeaders",
        "request_id",
        "started",
        "target",
        "version",
    )

    def __init__(self, channel: StreamingChannel, queued: object = 0) -> None:  # noqa: ARG002
        self._channel: StreamingChannel | None = channel
        self._running: Deferred[None] | None = None
        self._over = False  # the last byte of the answer was written, or it was aborted
        self._remaining = 0  # bytes of a started answer that are still to be written
        self._answering = True  # a started answer has a body
        self.requestHeaders = ArrivingHeaders()
        self._known: dict[bytes, bytes] | None = None  # the same by name, for `header`
        self.method = self.target = self.version = b""
        self.authority: bytes | None = None
        self.body: RequestBody | EmptyBody = EMPTY
        self.request_id = channel.site.new_request_id()
        self.started = False

    # -- called by the channel while the request arrives -----------------------------------------
    def begin_head(
        self, method: bytes, target: bytes, version: bytes, authority: bytes | None
    ) -> None:
        """The request line was read."""
        self.method, self.target, self.version = method, target, version
        self.authority = authority

    def parseCookies(self) -> None:
        """Nobody here eats them."""

    def gotLength(self, length: int | None) -> None:
        """The headers are in."""
        if length != 0:
            assert self._channel is not None
            self.body = RequestBody(self._channel, length)
        if self.authority is not None:  # Source: RFC 9112, section 3.2.2
            pairs = self.requestHeaders.pairs
            pairs[:] = [(n, self.authority if n == b"host" else v) for n, v in pairs]
        self._known = None  # the parser has asked before

    def handleContentChunk(self, data: bytes) -> None:
        """More of the body is in."""
        assert isinstance(self.body, RequestBody)
        self.body.data_arrived(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: ARG002
        """All of the request is in; without a body that is when it starts."""
        if isinstance(self.body, RequestBody):
            self.body.all_arrived()
        elif self._channel is not None:
            self._channel.start(self)

    def connectionLost(self, reason: Failure) -> None:  # noqa: ARG002
        """The client is gone: cancel what runs for it."""
        if self._over or self._channel is None:
            return
        self._channel = None
        self.body.lose(incomplete(self.body))
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
        self.body.tell()

    # -- running a verb --------------------------------------------------------------------------
    def run(self, verbs: Verbs) -> None:
        """Let `verbs` answer; what it fails to answer becomes an error answer here."""
        try:
            self._running = running = verbs(self)
        except Exception:
            self._failed(Failure())
            return
        running.addCallbacks(self._returned, self._failed)

    def _returned(self, _: None) -> None:
        self._running = None
        if not self._over and self._channel is not None:
            self._failed(Failure(RuntimeError("a request was left without its whole answer")))

    def _failed(self, failure: Failure) -> None:
        self._running = None
        if self._channel is None and failure.check(CancelledError, IncompleteBody) is not None:
            return
        error = failure.value
        assert error is not None
        log_failure(self._log, failure, self)
        if self._over or self._channel is None:
            return
        if self.started:
            self.abort()
            return
        status, headers, body = self._channel.site.error_answer(error, self.target, self.request_id)
        self.reply(status, headers, body)

    # -- IExchange -------------------------------------------------------------------------------
    @property
    def secure(self) -> bool:
        """See `IExchange`."""
        return self._channel is not None and self._channel.secure

    @property
    def peer(self) -> str:
        """See `IExchange`."""
        return "gone" if self._channel is None else self._channel.peer

    def header(self, name: bytes) -> bytes | None:
        """See `IExchange`."""
        known = self._known
        if known is None:  # several are asked for of each request
            known = self._known = {}
            for given, value in self.requestHeaders.pairs:
                known[given] = known[given] + b", " + value if given in known else value
        return known.get(name)

    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """See `IExchange`."""
        return self.requestHeaders.pairs

    def reply(self, status: int, headers: Headers, body: bytes = b"") -> None:
        """See `IExchange`."""
        channel = self._open()
        if channel is None:
            return
        given = announced_length(headers) if headers else None
        silent = status in NO_BODY
        length = None if silent or given is not None else len(body)
        if silent or self.method == b"HEAD":
            body = b""
        elif given is not None and given != len(body):
            raise ValueError(f"Content-Length {given} for a body of {len(body)} bytes")
        close = channel.will_close(self.body, True)
        head = channel.site.heads.render(status, headers, self.request_id, length, close)
        self.started = self._over = True
        if len(body) <= JOINED:
            channel.sending.write(head + body)
        else:
            channel.sending.write(head)
            channel.sending.write(body)
        channel.requestDone(self)

    def start(self, status: int, headers: Headers) -> None:
        """See `IExchange`."""
        channel = self._open()
        if channel is None:
            return
        length = announced_length(headers)
        if length is None:
            raise ValueError("a started answer needs a Content-Length")
        self._answering = self.method != b"HEAD" and status not in NO_BODY
        self._remaining = length if self._answering else 0
        close = channel.will_close(self.body, False)
        self.started = True
        channel.sending.write(
            channel.site.heads.render(status, headers, self.request_id, None, close)
        )

    def write(self, data: bytes) -> None:
        """See `IExchange`."""
        if self._channel is None or self._over or not self._answering:
            return
        if len(data) > self._remaining:
            raise ValueError(f"{len(data) - self._remaining} bytes beyond the Content-Length")
        self._remaining -= len(data)
        self._channel.sending.write(data)

    def drained(self) -> Deferred[None]:
        """See `IExchange`."""
        if self._channel is None:
            return fail(IncompleteBody("the client went away"))
        return self._channel.drained()

    def finish(self) -> None:
        """See `IExchange`.  An answer that is not whole is aborted, and logged as a bug."""
        if self._channel is None or self._over:
            return
        if not self.started:
            raise RuntimeError("finish before start")
        if self._remaining:
            self._log.error(
                "{request}: {missing} bytes of the answer were not written",
                request=describe(self),
                missing=self._remaining,
            )
            self.abort()
            return
        self._over = True
        self._channel.requestDone(self)

    def abort(self) -> None:
        """See `IExchange`."""
        if self._channel is None or self._over:
            return
        channel = self._channel
        self._over = True
        self._channel = None
        self.body.lose(IncompleteBody("the answer was aborted"))
        self.body.tell()
        channel.abort()

    def _open(self) -> StreamingChannel | None:
        """The channel to answer on; None when there is nobody to answer."""
        if self.started and self._channel is not None:
            raise RuntimeError("a request is answered once")
        return self._channel
