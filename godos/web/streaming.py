"""
HTTP with streaming bodies: the site that turns connections into exchanges.

Requests start when their headers are in.  Those for which `is_verb` is true go to `verbs`
as an `IExchange`; all others to a twisted.web resource, such as a Klein application's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall
from twisted.web.resource import IResource
from twisted.web.server import Site

from godos.model.errors import GodosError
from godos.web.channel_exchange import Verbs
from godos.web.errors import INTERNAL, answer_of, error_body, error_headers, message_of, sentences
from godos.web.exchange import Headers, IExchange
from godos.web.framing import Refusal
from godos.web.heads import Heads
from godos.web.streaming_channel import StreamingChannel
from godos.web.twisted_request import exchange_of

__all__ = ["StreamingSite", "exchange_of"]

PATIENCE = 120.0  # seconds; a client that pauses for a minute is no reason to hang up
IsVerb = Callable[[IExchange], bool]


class StreamingSite(Site):
    """
    A factory of HTTP connections.

    Args:
        verbs: answers an exchange; its Deferred is cancelled when the client leaves.
        resource: the root for all other requests; None lets `verbs` have all.
        is_verb: tells from the request and its headers.
        patience: seconds that a client may take for its headers, to send more of a body
            that is wanted, to take more of an answer, or between two requests.
        max_header: bytes of request line and headers.
        max_headers: how many headers.
        max_connections: more are answered with 503, many more are closed at once.
    """

    def __init__(
        self,
        verbs: Verbs,
        resource: IResource | None,
        is_verb: IsVerb,
        reactor: Any,
        *,
        patience: float = PATIENCE,
        max_header: int = 16384,
        max_headers: int = 200,
        max_connections: int = 4096,
    ) -> None:
        super().__init__(resource, reactor=reactor)
        self.verbs = verbs
        self.is_verb = is_verb
        self.patience = patience
        self.max_header = max_header
        self.max_headers = max_headers
        self.max_connections = max_connections
        self.heads = Heads(reactor)
        self.seconds: Callable[[], float] = reactor.seconds
        self.quiescing = False
        self._channels: set[StreamingChannel] = set()
        self._clock: IDelayedCall | None = None
        self._tick = min(1.0, patience / 4)
        self._quiet: list[Deferred[None]] = []
        self._id_prefix = os.urandom(5).hex().upper()
        self._ids = 0

    # -- connections -----------------------------------------------------------------------------
    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._channels)

    def buildProtocol(self, addr: IAddress | None) -> Any:  # noqa: ARG002
        """Called by the port for each connection."""
        count = len(self._channels)
        if self.quiescing or count >= self.max_connections + self.max_connections // 8 + 1:
            return None
        return StreamingChannel(self, surplus=count >= self.max_connections)

    def channel_made(self, channel: StreamingChannel) -> None:
        """Called by a channel at its begin, which one whose TLS cannot be set up never has."""
        self._channels.add(channel)
        if self._clock is None:
            self._clock = self.reactor.callLater(self._tick, self._look_at_clock)

    def channel_lost(self, channel: StreamingChannel) -> None:
        """Called by a channel at its end."""
        self._channels.discard(channel)
        if not self._channels:
            if self._clock is not None:
                self._clock.cancel()
                self._clock = None
            quiet, self._quiet = self._quiet, []
            for waiting in quiet:
                waiting.callback(None)

    def _look_at_clock(self) -> None:
        self._clock = self.reactor.callLater(self._tick, self._look_at_clock)
        now = self.seconds()
        for channel in list(self._channels):
            channel.look_at_clock(now)

    def quiesce(self, timeout: float) -> Deferred[None]:
        """
        Take no more connections, close those that wait for a request, let requests that
        run have `timeout` seconds, then abort them.  Fires when no connection is left.
        """
        self.quiescing = True
        quiet: Deferred[None] = Deferred(lambda d: self._quiet.remove(d))
        self._quiet.append(quiet)
        for channel in list(self._channels):
            channel.retire()
        if not self._channels:
            self._quiet.remove(quiet)
            quiet.callback(None)
            return quiet
        late = self.reactor.callLater(timeout, self.abort)
        soon = self.reactor.callLater(0.5, self._cut_idle)
        return quiet.addBoth(_cancel, late, soon)

    def _cut_idle(self) -> None:
        """End idle connections whose client does not close its side."""
        for channel in list(self._channels):
            if channel.idle:
                channel.abort()

    def abort(self) -> None:
        """Break all connections."""
        for channel in list(self._channels):
            channel.abort()

    # -- what the answers of the site itself look like -------------------------------------------
    def new_request_id(self) -> str:
        """Unique among all processes, but no secret."""
        self._ids += 1
        return f"{self._id_prefix}{self._ids:08X}"

    def refusal(self, refusal: Refusal, request_id: str) -> bytes:
        """The whole answer to a request that cannot be read."""
        message = sentences(refusal.code, str(refusal))
        kind, body = error_body(refusal.code, message, "", request_id, False)
        headers = [(b"Content-Type", kind)]
        if refusal.status == 503:
            headers.append((b"Retry-After", b"1"))
        return self.heads.render(refusal.status, headers, request_id, len(body), True) + body

    def error_answer(
        self, error: BaseException, target: bytes, request_id: str
    ) -> tuple[int, Headers, bytes]:
        """The answer for an error that a handler let escape."""
        status, code = answer_of(error) if isinstance(error, GodosError) else INTERNAL
        message = message_of(error, code) if isinstance(error, GodosError) else sentences(code, "")
        resource = target.decode("utf-8", "replace")
        kind, body = error_body(code, message, resource, request_id, False)
        extra = error_headers(error) if isinstance(error, GodosError) else []
        return status, [(b"Content-Type", kind), *extra], body

    # -- what twisted.web's Site would do --------------------------------------------------------
    def startFactory(self) -> None:
        """Called by the first port.  There is no access log of twisted.web's kind."""
        self.quiescing = False

    def stopFactory(self) -> None:
        """Called by the last port."""

    def log(self, request: Any) -> None:
        """Called by twisted.web at the end of a request."""

    def acceptableProtocols(self) -> list[bytes]:
        """Called by TLS: HTTP/2 has another way to its requests in twisted.web."""
        return [b"http/1.1"]


def _cancel(result: Any, *calls: IDelayedCall) -> Any:
    for call in calls:
        if call.active():
            call.cancel()
    return result
