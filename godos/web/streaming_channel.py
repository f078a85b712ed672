"""
One connection: twisted.web's HTTP parser, made to start requests when their headers are in.

All knowledge of how `twisted.web.http.HTTPChannel` works inside is here.  Private names:

- `_send100Continue` is overridden: `100 Continue` waits until somebody wants the body;
- `_respondToBadRequestAndDisconnect` is overridden: the answer has a body and a request
  id, and the client gets to see it.

Undocumented but public: `requests`, `length`, `persistent`, `requestFactory`, `MAX_LENGTH`,
`totalHeadersSize`, `maxHeaders`, `lineReceived`, `rawDataReceived`, `lineLengthExceeded`,
`headerReceived`, `allHeadersReceived`, `allContentReceived`, `checkPersistence`,
`requestDone`, and what a channel calls on its request: `parseCookies`, `gotLength`,
`handleContentChunk`, `requestReceived`, `connectionLost`.  `test_streaming_twisted.py`
fails for each that a Twisted release renames or ceases to call.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from zope.interface import implementer

from godos.model.errors import BodyStalled, IncompleteBody
from godos.web.channel_exchange import ChannelExchange
from godos.web.framing import Refusal, check_framing, is_last, read_request_line
from godos.web.request_body import RequestBody
from godos.web.twisted_request import StreamingRequest

if TYPE_CHECKING:
    from godos.web.streaming import StreamingSite

DRAIN = 1 << 20  # bytes of a refused body that are swallowed to keep the connection
UNSENT = 768 << 10  # bytes taken after the transport's buffer (256 KiB) was full
LINGER = 5.0  # seconds to swallow what a client still sends after its last answer
CLOSING = 15.0  # seconds without progress until a closing connection is cut
HALF_CLOSED = 2.0  # seconds to begin an answer for a client that sends nothing more
BULK = 4096  # bytes
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class _Awaits(Enum):
    """What must happen before `_deadline`."""

    NOTHING = auto()  # we are the slow ones
    REQUEST = auto()  # the first byte of a request
    HEAD = auto()  # the rest of its headers
    BODY = auto()  # more of a body that somebody wants
    DRAIN = auto()  # the rest of a body that nobody wants
    STALLED = auto()  # an answer to a client that did not send its body
    ANSWER = auto()  # an answer for a client that closed its half
    LINGER = auto()  # the client's close
    CLOSE = auto()  # the end


@implementer(IHalfCloseableProtocol)
class StreamingChannel(HTTPChannel):
    """
    A connection of a `StreamingSite`.

    At most one request runs at a time.  Reading rests while its body is not wanted, and
    the next request is not parsed while more than a buffer waits to be sent, so that a
    client can make a connection hold no more than: two receive buffers, one send buffer,
    `UNSENT` and one reply.
    """

    _log = Logger()
    requestFactory: Any = ChannelExchange
    transport: Any

    def __init__(self, site: StreamingSite, surplus: bool) -> None:
        super().__init__()
        self.site = self.factory = site
        self.timeOut = None  # `_deadline` does it, at less cost
        self.MAX_LENGTH = self.totalHeadersSize = site.max_header
        self.maxHeaders = site.max_headers
        self.idle = False  # it was when it had to retire
        self._surplus = surplus
        self._awaits = _Awaits.NOTHING
        self._deadline: float | None = None
        self._write_deadline: float | None = None
        self._sent_mark: int | None = None
        self._in_head = False
        self._head_size = self._head_lines = 0
        self._expected = False  # the client waits for `100 Continue`
        self._resting = False  # reading is paused because the body is not wanted
        self._full = False  # the transport has enough to send
        self._since_full = 0  # bytes written since
        self._drained: list[Deferred[None]] = []
        self._held: Any = None  # an answered request; the next waits for the transport
        self._draining: Any = None  # an answered request whose body still arrives
        self._deaf = False  # what arrives is swallowed
        self._half_closed = False
        self._parsing = False
        self._registered = False
        self._gone: IncompleteBody | None = None

    # -- the life of a connection -----------------------------------------------------------
    def connectionMade(self) -> None:
        """Called by the transport."""
        super().connectionMade()  # registers us with the transport
        self._registered = True
        self.peer = _address(self.transport.getPeer())
        self.secure = self.isSecure()
        if self._surplus:
            self._refuse(Refusal(503, "SlowDown", "this server has too many connections"))
        else:
            self._await(_Awaits.REQUEST, self.site.patience)

    def dataReceived(self, data: bytes) -> None:
        """Called by the transport."""
        if self._deaf:
            return
        if self._awaits is _Awaits.REQUEST:
            self._await(_Awaits.HEAD, self.site.patience)
        elif self._awaits is _Awaits.BODY:
            self._deadline = self.site.seconds() + self.site.patience
        outermost, self._parsing = not self._parsing, True
        if self.line_mode and len(data) > BULK:
            data = self._feed_heads(data)
        if data:
            super().dataReceived(data)
        if outermost:
            self._parsing = False
            self._parsed()

    def _parsed(self) -> None:
        """All that arrived was looked at."""
        if self._deaf:
            self.clearLineBuffer()
        elif self._half_closed and not self.requests:
            self.loseConnection()

    def _feed_heads(self, data: bytes) -> bytes:
        """
        Feed heads one by one, and answer what is left.

        LineReceiver copies all that it has for each line, which is dear when a body, or
        hundreds of requests, follow in the same buffer.
        """
        start = 0
        while self.line_mode and not self._deaf and len(data) - start > BULK:
            end = data.find(b"\r\n\r\n", start) + 4
            if end < 4:
                break
            super().dataReceived(data[start:end])
            start = end
        return data[start:] if start else data

    def readConnectionLost(self) -> None:
        """
        Called by the transport: the client sends nothing more.

        It closed the connection, or only its half (`nc -N`) and waits.  Nobody can tell
        before something is written, so an answer that begins soon is sent.
        """
        waits = bool(self.requests) and not self._in_head and self._draining is None
        if self._deaf or not waits or not self.requests[0].body.complete:
            self.loseConnection()
            return
        self._half_closed = True
        if not self.requests[0].started:
            self._await(_Awaits.ANSWER, HALF_CLOSED)

    def writeConnectionLost(self) -> None:
        """Called by the transport: our half was closed, as `_linger` wanted."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by the transport.  Cancelled requests see IncompleteBody in their waits."""
        self._deaf = True
        self._deadline = self._write_deadline = None
        self._gone = self._gone or IncompleteBody("the client went away")
        self.site.channel_lost(self)
        super().connectionLost(reason)
        self.requests.clear()
        self._held = self._draining = None
        self._fire_drained(self._gone)

    def loseConnection(self) -> None:
        """Close after all that was written is sent."""
        self._deaf = True
        self._await(_Awaits.CLOSE, CLOSING)
        self._unregister()
        self.transport.loseConnection()

    def _unregister(self) -> None:
        """Stop being asked for more to send: a transport with a producer does not close."""
        if self._registered:
            self._registered = False
            self.transport.unregisterProducer()

    def abort(self) -> None:
        """Close at once, so that the client sees a broken answer."""
        self._deaf = True
        self.transport.abortConnection()

    def retire(self) -> None:
        """Close: at once when no request runs, else after its answer."""
        self.persistent = 0
        if self._deaf:
            return
        if not self.requests or self._in_head:
            self.idle = True
            self.loseConnection()

    # -- the request's head -------------------------------------------------------------------
    def lineReceived(self, line: bytes) -> bool:
        """Called by the parser with each line of a head.  True makes it stop."""
        if not self._deaf:
            self._head_line(line)
        return self._deaf

    def _head_line(self, line: bytes) -> None:
        self._head_size += len(line) + 2
        self._head_lines += 1
        if self._head_size > self.totalHeadersSize or self._head_lines > self.maxHeaders + 2:
            self.lineLengthExceeded(line)
        elif self._in_head or not line:
            super().lineReceived(line)
        else:
            self._request_line(line)

    def _request_line(self, line: bytes) -> None:
        try:
            method, target, version, authority = read_request_line(line)
        except Refusal as refusal:
            self._refuse(refusal)
            return
        self._in_head = True
        super().lineReceived(b"%s / %s" % (method, version))  # the target is ours
        if not self._deaf:
            self.requests[-1].begin_head(method, target, version, authority)

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: ARG002
        """Called by the parser for a line that is too long, and by us for a head that is."""
        if self._in_head:
            self._refuse(
                Refusal(431, "RequestHeaderSectionTooLarge", "the headers are too long or too many")
            )
        else:
            self._refuse(Refusal(414, "KeyTooLongError", "the request line is too long"))

    def headerReceived(self, line: bytes) -> bool:
        """Called by the parser with each header, continuation lines joined."""
        if self._deaf:
            return False
        try:
            return bool(super().headerReceived(line))
        except ValueError:  # thousands of digits in Content-Length
            self._respondToBadRequestAndDisconnect()
            return False

    def checkPersistence(self, request: Any, version: bytes) -> bool:
        """Called by the parser: whether another request may follow this one."""
        return not (self.site.quiescing or is_last(request, version))

    def allHeadersReceived(self) -> None:
        """Called by the parser.  A request with a body starts here, others a little later."""
        if self._deaf:
            return
        exchange = self.requests[-1]
        try:
            check_framing(exchange, self.length)
        except Refusal as refusal:
            self._refuse(refusal)
            return
        self._expected = False
        super().allHeadersReceived()
        self._in_head = False
        if self.length != 0:
            self._await(_Awaits.NOTHING)
            self.start(exchange)
            body = exchange.body
            if not (self._deaf or self._draining or body.wanted):
                self.rest_body()

    def _send100Continue(self) -> None:
        """Called by the parser; it is sent when the body is wanted."""
        self._expected = True

    def start(self, exchange: ChannelExchange) -> None:
        """Run the request, as a verb or as a twisted.web request."""
        site = self.site
        if site.resource is None or site.is_verb(exchange.target, exchange.method):
            exchange.run(site.verbs)
            return
        request = StreamingRequest(self, exchange)
        self.requests[-1] = request
        request.run()

    # -- the request's body ---------------------------------------------------------------------
    def read_body(self) -> None:
        """See `BodySource`."""
        if self._expected:
            self._expected = False
            self.transport.write(CONTINUE)
        self._await(_Awaits.BODY, self.site.patience)
        self._read_on()

    def rest_body(self) -> None:
        """See `BodySource`."""
        self._await(_Awaits.NOTHING)
        if not (self._resting or self._deaf):
            self._resting = True
            self.transport.pauseProducing()

    def _read_on(self) -> None:
        if self._resting and not self._deaf:
            self._resting = False
            if not self._full:
                self.transport.resumeProducing()

    def rawDataReceived(self, data: bytes) -> None:
        """Called by the parser with bytes of a body, or with what follows a running request."""
        if not self._deaf:
            super().rawDataReceived(data)

    def allContentReceived(self) -> None:
        """Called by the parser at the end of a request, with or without body."""
        if self._deaf:
            return
        self._head_size = self._head_lines = 0
        self._await(_Awaits.NOTHING)
        self._read_on()  # to notice when the client leaves
        super().allContentReceived()
        answered, self._draining = self._draining, None
        if answered is not None:
            self._finish(answered)

    def _stalled(self) -> None:
        """A wanted body does not come: its request fails, and gets time to answer."""
        self.persistent = 0
        self._await(_Awaits.STALLED, self.site.patience)
        body = self.requests[-1].body
        body.lose(BodyStalled(f"no byte of the body came for {self.site.patience:g} seconds"))
        body.tell()

    # -- the answer -------------------------------------------------------------------------------
    def will_close(self, body: Any, at_once: bool) -> bool:
        """
        Decide, before the head of an answer, whether the connection ends with it.

        Args:
            at_once: the whole answer follows, so that nobody reads the body any more.
        """
        if self._awaits is _Awaits.ANSWER:
            self._await(_Awaits.NOTHING)
        spared = body.complete or (body.consumed and not at_once) or self._drainable(body)
        if not spared:
            self.persistent = 0
        return not self.persistent

    def _drainable(self, body: RequestBody) -> bool:
        """Whether the rest of a body is small, and sure to come."""
        if self._expected or body.length is None or body.failure is not None:
            return False
        return body.length - body.received <= DRAIN

    def send(self, data: bytes) -> None:
        """Write to the client."""
        if self._full:
            self._since_full += len(data)
        self.transport.write(data)

    def drained(self) -> Deferred[None]:
        """See `IExchange.drained`."""
        if self._gone is not None:
            return fail(self._gone)
        if not self._full or self._since_full < UNSENT:
            return succeed(None)
        waiting: Deferred[None] = Deferred(self._cancelled)
        self._drained.append(waiting)
        return waiting

    def _cancelled(self, waiting: Deferred[None]) -> None:
        self._drained.remove(waiting)
        waiting.errback(self._gone or CancelledError())

    def _fire_drained(self, error: Exception | None) -> None:
        drained, self._drained = self._drained, []
        for waiting in drained:
            waiting.callback(None) if error is None else waiting.errback(error)

    def requestDone(self, request: Any) -> None:
        """Called by a request when all of its answer was written."""
        body = request.body
        if body.complete:
            self._finish(request)
            return
        body.discard()
        if self.persistent and self._drainable(body):
            self._draining = request
            self._await(_Awaits.DRAIN, self.site.patience)
            self._read_on()
        else:
            self.requests.remove(request)
            self._linger()

    def _finish(self, request: Any) -> None:
        """Go on to the next request, when the client takes what it gets."""
        if self._full and self.persistent:
            self._held = request
            return
        self._await(_Awaits.REQUEST, self.site.patience)
        super().requestDone(request)  # parses what waits, or closes
        if not self._parsing:
            self._parsed()

    def pauseProducing(self) -> None:
        """Called by the transport, for each write while it has enough to send."""
        if not self._full:
            self._full, self._since_full = True, 0
            self._sent_mark = self._sent()
            self._write_deadline = self.site.seconds() + self.site.patience
        super().pauseProducing()

    def resumeProducing(self) -> None:
        """Called by the transport when everything was sent."""
        self._full, self._write_deadline = False, None
        super().resumeProducing()
        if self._resting:
            self.transport.pauseProducing()
        self._fire_drained(None)
        if self._held is not None and not self._full:
            request, self._held = self._held, None
            self._finish(request)

    # -- bad requests -----------------------------------------------------------------------------
    def _respondToBadRequestAndDisconnect(self) -> None:
        """Called by the parser for what is no HTTP/1.1."""
        if self.line_mode:
            self._refuse(Refusal(400, "BadRequest", "this is not a valid HTTP/1.1 request"))
        elif self.requests and not self._deaf:
            self._break_body(self.requests[-1])

    def _refuse(self, refusal: Refusal) -> None:
        """Answer a request that cannot be read, and let the client see it before the close."""
        request = self.requests.pop() if self._in_head and self.requests else None
        request_id = self.site.new_request_id() if request is None else request.request_id
        self.transport.write(self.site.refusal(refusal, request_id))
        self._log.info(
            "refused a request from {peer} with {status}: {problem} ({request_id})",
            peer=self.peer,
            status=refusal.status,
            problem=str(refusal),
            request_id=request_id,
        )
        self._linger()

    def _break_body(self, request: Any) -> None:
        """The framing of a running request's body broke: where the next begins is unknown."""
        error = IncompleteBody("the chunks of the body are not framed as HTTP/1.1 says")
        self.requests.remove(request)
        self._gone = error
        if request.started:
            self.abort()
        else:
            refusal = Refusal(400, "IncompleteBody", str(error))
            self.transport.write(self.site.refusal(refusal, request.request_id))
            self._linger()
        request.body.lose(error)
        request.connectionLost(Failure(error))
        self._fire_drained(error)

    def _linger(self) -> None:
        """
        Close our half, and swallow what the client still sends.

        A plain close with bytes unread makes the kernel send a RST, which can reach the
        client before it has read the answer.  On TLS `loseConnection` does just that: it
        says close_notify and reads on.  (`loseWriteConnection` would reach through to the
        socket, and lose what TLS still holds.)
        """
        self._deaf = True
        self.persistent = 0
        self._await(_Awaits.LINGER, LINGER)
        self._unregister()
        self._resting = False
        self.transport.resumeProducing()
        if self.secure or not hasattr(self.transport, "loseWriteConnection"):
            self.transport.loseConnection()
        else:
            self.transport.loseWriteConnection()

    # -- deadlines --------------------------------------------------------------------------------
    def _await(self, what: _Awaits, seconds: float | None = None) -> None:
        self._awaits = what
        self._deadline = None if seconds is None else self.site.seconds() + seconds

    def look_at_clock(self, now: float) -> None:
        """Called by the site about once a second."""
        if self._write_deadline is not None and self._write_deadline <= now:
            self._writes_overdue()
        if self._deadline is not None and self._deadline <= now:
            self._overdue()

    def _sent(self) -> int | None:
        """Bytes that the kernel took, where the transport counts them."""
        return getattr(self.transport, "bytes_sent", None)

    def _moved(self) -> bool:
        """Whether the client takes what waits to be sent: has it since this was asked last?"""
        before, self._sent_mark = self._sent_mark, self._sent()
        return before != self._sent_mark and getattr(self.transport, "unsent", 1) > 0

    def _writes_overdue(self) -> None:
        if self._moved():
            self._write_deadline = self.site.seconds() + self.site.patience
            return
        self._write_deadline = None
        self._log.info("{peer} takes nothing of its answer; closing", peer=self.peer)
        self._gone = IncompleteBody(f"the client took nothing for {self.site.patience:g} seconds")
        self.abort()

    def _overdue(self) -> None:
        match self._awaits:
            case _Awaits.BODY:
                self._stalled()
            case _Awaits.HEAD:
                self._refuse(
                    Refusal(408, "RequestTimeout", "the headers did not come within the time-out")
                )
            case _Awaits.REQUEST | _Awaits.CLOSE | _Awaits.LINGER if self._moved():
                self._deadline = self.site.seconds() + CLOSING  # it still takes an answer
            case _Awaits.REQUEST | _Awaits.DRAIN | _Awaits.ANSWER:
                self.loseConnection()
            case _:
                self.abort()


def _address(address: Any) -> str:
    """A peer's address for the log."""
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    return str(address) if host is None else f"{host}:{port}"
