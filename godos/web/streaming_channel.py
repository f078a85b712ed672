"""One connection: its requests, their bodies and their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from godos.model.errors import BodyStalled, IncompleteBody
from godos.web.channel_exchange import ChannelExchange
from godos.web.framing import Refusal
from godos.web.patient_channel import Awaits, PatientChannel
from godos.web.request_body import RequestBody
from godos.web.twisted_request import StreamingRequest

if TYPE_CHECKING:
    from godos.web.streaming import StreamingSite

DRAIN = 1 << 20  # bytes of a refused body that are swallowed to keep the connection
HALF_CLOSED = 2.0  # seconds to begin an answer for a client that sends nothing more
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@implementer(IHalfCloseableProtocol)
class StreamingChannel(PatientChannel):
    """
    A connection of a `StreamingSite`.

    At most one request runs at a time.  Reading rests while its body is not wanted, and
    the next request is not parsed while the transport has enough to send, so that a
    client can make a connection hold no more than: two receive buffers, one send buffer,
    what `drained` allows, and one reply.
    """

    def __init__(self, site: StreamingSite, surplus: bool) -> None:
        super().__init__(site)
        self.idle = False  # it was when it had to retire
        self._surplus = surplus
        self._held: Any = None  # an answered request; the next waits for the transport
        self._draining: Any = None  # an answered request whose body still arrives
        self._half_closed = False

    # -- the life of a connection ----------------------------------------------------------------
    def connectionMade(self) -> None:
        """Called by the transport."""
        self.site.channel_made(self)
        super().connectionMade()
        if self._surplus:
            self.refuse(Refusal(503, "SlowDown", "this server has too many connections"))

    def parsed(self) -> None:
        """See `RequestParser`."""
        super().parsed()
        if self._half_closed and not self.requests and not self.deaf:
            self.loseConnection()

    def readConnectionLost(self) -> None:
        """
        Called by the transport: the client sends nothing more.

        It closed the connection, or only its half (`nc -N`) and waits.  Nobody can tell
        before something is written, so an answer that begins soon is sent.
        """
        waits = bool(self.requests) and not self.in_head and self._draining is None
        if self.deaf or not waits or not self.requests[0].body.complete:
            self.loseConnection()
            return
        self._half_closed = True
        if not self.requests[0].started:
            self.wait_for(Awaits.ANSWER, HALF_CLOSED)

    def writeConnectionLost(self) -> None:
        """Called by the transport: our half was closed, as `linger` wanted."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by the transport.  Cancelled requests see IncompleteBody in their waits."""
        self.deaf = True
        self.wait_for(Awaits.NOTHING)
        self.sending.lose(IncompleteBody("the client went away"))
        super().connectionLost(reason)
        self.requests.clear()
        self._held = self._draining = None
        self.sending.tell()
        self.site.channel_lost(self)  # last: who waits for quiet finds all handlers ended

    def retire(self) -> None:
        """Close: at once when no request runs, else after its answer."""
        self.persistent = 0
        if not self.deaf and (self.in_head or not self.requests):
            self.idle = True
            self.loseConnection()

    # -- requests --------------------------------------------------------------------------------
    def head_arrived(self, exchange: ChannelExchange) -> None:
        """See `RequestParser`."""
        self.wait_for(Awaits.NOTHING)
        self.start(exchange)
        wanted = isinstance(exchange.body, RequestBody) and exchange.body.wanted
        if not (self.deaf or self._draining or wanted):
            self.rest_body()

    def start(self, exchange: ChannelExchange) -> None:
        """Run the request, as a verb or as a twisted.web request."""
        site = self.site
        if site.resource is None or site.is_verb(exchange):
            exchange.run(site.verbs)
            return
        request = StreamingRequest(self, exchange)
        self.requests[-1] = request
        request.run()

    def whole_arrived(self) -> None:
        """See `RequestParser`.  Reading goes on, to notice when the client leaves."""
        self.wait_for(Awaits.NOTHING)
        self._read_on()

    def allContentReceived(self) -> None:
        """Called by the parser."""
        super().allContentReceived()
        answered, self._draining = self._draining, None
        if answered is not None and not self.deaf:
            self._next(answered)

    def is_last_one(self) -> bool:
        """See `RequestParser`."""
        return self.site.quiescing

    # -- bodies ----------------------------------------------------------------------------------
    def read_body(self) -> None:
        """See `BodySource`."""
        self._tell_to_continue()
        self.wait_for(Awaits.BODY, self.site.patience)
        self._read_on()

    def rest_body(self) -> None:
        """See `BodySource`."""
        self.wait_for(Awaits.NOTHING)
        if not (self.resting or self.deaf):
            self.resting = True
            self.transport.pauseProducing()

    def _tell_to_continue(self) -> None:
        if self.expects_continue:
            self.expects_continue = False
            self.sending.write(CONTINUE)

    def _read_on(self) -> None:
        if self.resting and not self.deaf:
            self.resting = False
            self.transport.resumeProducing()

    def stalled(self) -> None:
        """A wanted body does not come: its request fails, and gets time to answer."""
        self.persistent = 0
        self.wait_for(Awaits.STALLED, self.site.patience)
        body = self.requests[-1].body
        body.lose(BodyStalled(f"no byte of the body came for {self.site.patience:g} seconds"))
        body.tell()

    def framing_broke(self) -> None:
        """See `RequestParser`.  Where the next request would begin is unknown."""
        request = self.requests.pop()
        error = IncompleteBody("the chunks of the body are not framed as HTTP/1.1 says")
        self.sending.lose(error)
        if request.started:
            self.abort()
        else:
            refusal = Refusal(400, "IncompleteBody", str(error))
            self.sending.write(self.site.refusal(refusal, request.request_id))
            self.linger()
        request.body.lose(error)
        request.connectionLost(Failure(error))
        self.sending.tell()

    # -- answers ---------------------------------------------------------------------------------
    def will_close(self, body: Any, at_once: bool) -> bool:
        """
        Decide, before the head of an answer, whether the connection ends with it.

        Args:
            at_once: the whole answer follows, so that nobody reads the body any more.
        """
        if self.awaits is Awaits.ANSWER:
            self.wait_for(Awaits.NOTHING)
        if body.complete:
            # It is empty, or came without being asked for.  botocore before 1.44, and aws-cli,
            # take a status that comes without `100 Continue` for the next answer's as well.
            self._tell_to_continue()
        spared = body.complete or (body.consumed and not at_once) or self._drainable(body)
        if not spared:
            self.persistent = 0
        return not self.persistent

    def _drainable(self, body: RequestBody) -> bool:
        """Whether the rest of a body is small, and sure to come."""
        if self.expects_continue or body.length is None or body.failure is not None:
            return False
        return body.length - body.received <= DRAIN

    def requestDone(self, request: Any) -> None:
        """Called by a request when all of its answer was written."""
        body = request.body
        if body.complete:
            self._next(request)
            return
        body.discard()
        if self.persistent and self._drainable(body):
            self._draining = request
            self.wait_for(Awaits.DRAIN, self.site.patience)
            self._read_on()
        else:
            self.requests.remove(request)
            self.linger()

    def _next(self, request: Any) -> None:
        """Go on to the next request, when the client takes what it gets."""
        if self.sending.full and self.persistent:
            self._held = request
            return
        self.wait_for(Awaits.REQUEST, self.site.patience)
        super().requestDone(request)  # parses what waits, or closes
        if not self.parsing:
            self.parsed()

    def drained(self) -> Deferred[None]:
        """See `IExchange`."""
        return self.sending.drained()

    def pauseProducing(self) -> None:
        """Called by the transport, for each write while it has enough to send."""
        self.sending.pause()
        super().pauseProducing()

    def resumeProducing(self) -> None:
        """Called by the transport when everything was sent."""
        self.sending.resume()
        super().resumeProducing()
        if self.resting:
            self.transport.pauseProducing()
        self.sending.tell()
        if self._held is not None and not self.sending.full:
            request, self._held = self._held, None
            self._next(request)
