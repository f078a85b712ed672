"""Bodies of requests to other servers: one that is there, and one that is on its way."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IConsumer, IReactorTime
from twisted.python.failure import Failure
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer
from zope.interface import implementer

from godos.cluster.patience import within
from godos.deferreds import deferred
from godos.model.fragments import Pieces


@implementer(IBodyProducer)
class WholeBody:
    """A body of at most a few MiB, written at once: the transport holds it from then on."""

    def __init__(self, *pieces: bytes | bytearray | memoryview) -> None:
        self._pieces = pieces
        self.length: Any = sum(map(len, pieces))

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Called by the agent when the head was written."""
        consumer.write(b"".join(self._pieces))
        return succeed(None)

    def pauseProducing(self) -> None:
        """All is written already."""

    def resumeProducing(self) -> None:
        """All is written already."""

    def stopProducing(self) -> None:
        """All is written already."""


@implementer(IBodyProducer)
class StreamedBody:
    """
    A body that is written bit by bit, at the pace of the connection.

    Besides what its writer holds, it holds what one `write` gave to the transport.

    Args:
        length: in bytes, when known; exactly as many must be written before `end`.
        patience: seconds for the receiver to take something, once its window is full.
    """

    def __init__(self, length: int | None, clock: IReactorTime, patience: float) -> None:
        self.length: Any = UNKNOWN_LENGTH if length is None else length
        self._clock = clock
        self._patience = patience
        self._consumer: IConsumer | None = None
        self._flowing = False
        self._waiting: Deferred[None] | None = None
        self._failure: Failure | None = None
        # Cancelled by the agent when the request is: it then breaks the connection.
        self._produced: Deferred[None] = Deferred()

    # -- the writer's side ------------------------------------------------------------------
    @deferred
    async def write(self, pieces: Pieces) -> None:
        """
        Send `pieces`; fires when there is room for more.

        Fails:
            NodeUnreachable: the receiver took nothing for too long.
            anything that `fail` was told.
        """
        await self._room()  # the connection may still be opening
        for piece in pieces:
            assert self._consumer is not None
            if piece:  # an empty chunk would be the last
                # The transport keeps what it gets; a buffer may be used again by its owner.
                self._consumer.write(piece if isinstance(piece, bytes) else bytes(piece))
        await self._room()

    def _room(self) -> Deferred[None]:
        if self._failure is not None:
            return fail(self._failure)
        if self._flowing:
            return succeed(None)
        self._waiting = Deferred()
        return within(self._patience, self._clock, self._waiting, "the node took no bytes")

    def end(self) -> None:
        """The last byte was written."""
        if not self._produced.called:
            self._produced.callback(None)

    def fail(self, failure: Failure) -> None:
        """Nothing more can be sent: fail the `write` that waits, and all that follow."""
        self._failure = failure
        self._wake()

    def check(self) -> None:
        """Raise what `fail` was told, if anything."""
        if self._failure is not None:
            self._failure.raiseException()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.called:
            if self._failure is not None:
                waiting.errback(self._failure)
            else:
                waiting.callback(None)

    # -- the connection's side --------------------------------------------------------------
    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """Called by the agent when the head was written."""
        self._consumer = consumer
        self.resumeProducing()
        return self._produced

    def resumeProducing(self) -> None:
        """Called by the transport when it has room."""
        self._flowing = True
        self._wake()

    def pauseProducing(self) -> None:
        """Called by the transport when its buffer is full."""
        self._flowing = False

    def stopProducing(self) -> None:
        """Called when the connection is gone; the request itself fails, and tells why."""
        self._flowing = False
