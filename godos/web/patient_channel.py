"""Deadlines and ends of a connection: nobody is waited for without end."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from godos.model.errors import IncompleteBody
from godos.web.framing import Refusal
from godos.web.request_parser import RequestParser
from godos.web.send_side import SendSide

if TYPE_CHECKING:
    from godos.web.streaming import StreamingSite

LINGER = 5.0  # seconds to wait for more of what a client still sends after its last answer
LINGER_LONGEST = 30.0  # seconds in all
CLOSING = 15.0  # seconds without progress until a closing connection is cut


class Awaits(Enum):
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


class PatientChannel(RequestParser):
    """A connection that knows what it waits for, and how to close so that it is understood."""

    _log = Logger()

    def __init__(self, site: StreamingSite) -> None:
        super().__init__(site.max_header, site.max_headers)
        self.site = self.factory = site
        self.sending = SendSide(site.seconds, site.patience)
        self.awaits = Awaits.NOTHING
        self.resting = False  # reading is paused because a body is not wanted
        self.peer = ""  # the client's address, for the log
        self.secure = False
        self._deadline: float | None = None
        self._linger_until = 0.0
        self._registered = False

    def stalled(self) -> None:
        """A wanted body does not come."""
        raise NotImplementedError

    def connectionMade(self) -> None:
        """Called by the transport."""
        super().connectionMade()  # registers us with the transport
        self._registered = True
        self.sending.connected(self.transport)
        self.peer = _address(self.transport.getPeer())
        self.secure = self.isSecure()
        self.wait_for(Awaits.REQUEST, self.site.patience)

    def dataReceived(self, data: bytes) -> None:
        """Called by the transport."""
        match self.awaits:
            case Awaits.REQUEST:
                self.wait_for(Awaits.HEAD, self.site.patience)
            case Awaits.BODY:
                self.wait_for(Awaits.BODY, self.site.patience)
            case Awaits.LINGER:
                self._deadline = min(self.site.seconds() + LINGER, self._linger_until)
        super().dataReceived(data)

    # -- deadlines -------------------------------------------------------------------------------
    def wait_for(self, what: Awaits, seconds: float | None = None) -> None:
        """Until told otherwise; with `seconds`, not longer."""
        self.awaits = what
        self._deadline = None if seconds is None else self.site.seconds() + seconds

    def look_at_clock(self, now: float) -> None:
        """Called by the site about once a second."""
        if self.sending.is_overdue(now):
            self._log.info("{peer} takes nothing of its answer; closing", peer=self.peer)
            patience = self.site.patience
            self.sending.lose(IncompleteBody(f"the client took nothing for {patience:g} seconds"))
            self.abort()
        if self._deadline is not None and self._deadline <= now:
            self._overdue()

    def _overdue(self) -> None:
        match self.awaits:
            case Awaits.BODY:
                self.stalled()
            case Awaits.HEAD:
                problem = "the headers did not come within the time-out"
                self.refuse(Refusal(408, "RequestTimeout", problem))
            case Awaits.REQUEST | Awaits.CLOSE | Awaits.LINGER if self.sending.is_moving():
                self._deadline = self.site.seconds() + CLOSING  # it still takes an answer
            case Awaits.REQUEST | Awaits.DRAIN | Awaits.ANSWER:
                self.loseConnection()
            case _:
                self.abort()

    # -- ends ------------------------------------------------------------------------------------
    def loseConnection(self) -> None:
        """Close after all that was written is sent."""
        self.deaf = True
        self.wait_for(Awaits.CLOSE, CLOSING)
        self._unregister()
        self.transport.loseConnection()

    def _unregister(self) -> None:
        """Stop being asked for more to send: a transport with a producer does not close."""
        if self._registered:
            self._registered = False
            self.transport.unregisterProducer()

    def abort(self) -> None:
        """Close at once, so that the client sees a broken answer."""
        self.deaf = True
        self.wait_for(Awaits.NOTHING)
        self.transport.abortConnection()

    def linger(self) -> None:
        """
        Close our half, and swallow what the client still sends.

        A plain close with bytes unread makes the kernel send a RST, which can reach the
        client before it has read the answer.  On TLS `loseConnection` does just that: it
        says close_notify and reads on.  (`loseWriteConnection` would reach through to the
        socket, and lose what TLS still holds.)
        """
        self.deaf = True
        self.persistent = 0
        self.wait_for(Awaits.LINGER, LINGER)
        self._linger_until = self.site.seconds() + LINGER_LONGEST
        self._unregister()
        self.resting = False
        self.transport.resumeProducing()
        if self.secure or not hasattr(self.transport, "loseWriteConnection"):
            self.transport.loseConnection()
        else:
            self.transport.loseWriteConnection()

    def refuse(self, refusal: Refusal) -> None:
        """See `RequestParser`.  The client gets to see the answer before the close."""
        request = self.requests.pop() if self.in_head and self.requests else None
        request_id = self.site.new_request_id() if request is None else request.request_id
        self.sending.write(self.site.refusal(refusal, request_id))
        self._log.info(
            "refused a request from {peer} with {status}: {problem} ({request_id})",
            peer=self.peer,
            status=refusal.status,
            problem=str(refusal),
            request_id=request_id,
        )
        self.linger()


def _address(address: Any) -> str:
    """A peer's address for the log."""
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    return str(address) if host is None else f"{host}:{port}"
