"""The body of a request as a push producer, with nothing read before it is wanted."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.interfaces import IConsumer, IProducer, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from godos.model.bodies import IBody
from godos.model.errors import EntityTooLarge, IncompleteBody
from godos.transfer.batches import CRUMB


class BodySource(Protocol):
    """The connection, as a body sees it."""

    def read_body(self) -> None:
        """Let the client send: `100 Continue` if it waits for that, and read."""

    def rest_body(self) -> None:
        """Stop reading, so that the client's TCP window closes."""


@implementer(IBody, IPushProducer)
class RequestBody:
    """
    One request's body, between the connection that feeds it and its consumer.

    Paused, it holds what the connection had already read: at most one receive buffer.
    A body that fails stays registered with its consumer: `unregisterProducer` is called
    after the last byte and never otherwise, because many consumers take it for the end.
    """

    def __init__(self, source: BodySource, length: int | None) -> None:
        self.length = length
        self.received = 0  # bytes that the connection delivered
        self.complete = False  # whether the connection delivered all of it
        self.failure: Exception | None = None  # why it can never be complete
        self._source = source
        self._held: deque[bytes] = deque()
        self._consumer: Any = None
        self._done: Deferred[None] | None = None
        self._taken = False  # deliver_to or collect was called, or nobody will
        self._paused = True

    # -- for those who want it -------------------------------------------------------------------
    def deliver_to(self, consumer: IConsumer) -> Deferred[None]:
        """See `IBody`.  When the consumer says `stopProducing` it fails as if cancelled."""
        if self._taken:
            raise RuntimeError("a body is delivered once")
        self._taken = True
        if self.failure is not None:
            return fail(self.failure)
        done: Deferred[None] = Deferred(self._cancelled)
        self._done = done
        self._consumer = consumer
        self._paused = False
        consumer.registerProducer(self, True)
        if not self._paused:
            self.resumeProducing()
        return done

    def collect(self, limit: int) -> Deferred[list[bytes]]:
        """See `IBody`."""
        pieces = _Pieces(limit)
        if self.length is not None and self.length > limit:
            self._taken = True
            return fail(pieces.too_large())
        return self.deliver_to(pieces).addCallback(lambda _: pieces.pieces)

    # -- IPushProducer, for the consumer ---------------------------------------------------------
    def pauseProducing(self) -> None:
        """Called by the consumer."""
        if not self._paused:
            self._paused = True
            if self._reading:
                self._source.rest_body()

    def resumeProducing(self) -> None:
        """Called by the consumer."""
        self._paused = False
        while self._held and not self._paused and self._done is not None:
            self._give(self._held.popleft())
        if self._done is None or self._held:
            return
        if self.complete:
            self._end()
        elif not self._paused and self._reading:
            self._source.read_body()

    def stopProducing(self) -> None:
        """Called by the consumer: it takes nothing more."""
        self._settle(Failure(self.failure or CancelledError()))

    @property
    def _reading(self) -> bool:
        return not self.complete and self.failure is None

    def _cancelled(self, _: Deferred[None]) -> None:
        self.stopProducing()

    # -- for the connection ----------------------------------------------------------------------
    @property
    def wanted(self) -> bool:
        """Whether somebody takes bytes just now."""
        return self._done is not None and not self._paused

    @property
    def consumed(self) -> bool:
        """Whether somebody is reading it, if perhaps at rest."""
        return self._done is not None

    def data_arrived(self, data: bytes) -> None:
        """The connection read more of it."""
        self.received += len(data)
        if self._done is None:
            if not self._taken:
                self._held.append(data)
        elif self._paused or self._held:
            self._held.append(data)
        else:
            self._give(data)

    def all_arrived(self) -> None:
        """The connection read the last byte."""
        self.complete = True
        if self._done is not None and not self._held:
            self._end()

    def discard(self) -> None:
        """Nobody will take the rest: the request has been answered."""
        self._taken = True
        self._held.clear()
        if self._done is not None:
            self.stopProducing()

    def lose(self, error: Exception) -> None:
        """
        It can never be complete.  Whoever cancels the delivery now is told why.

        `tell` fails the delivery; they are two so that a request can be cancelled in
        between, and its coroutine sees this error and not its cancellation.
        """
        if self._reading:
            self.failure = error
            self._held.clear()

    def tell(self) -> None:
        """Fail the delivery with what `lose` was given, unless it has ended."""
        if self.failure is not None:
            self._settle(Failure(self.failure))

    # -- inside ----------------------------------------------------------------------------------
    def _give(self, data: bytes) -> None:
        try:
            self._consumer.write(data)
        except Exception:
            self._settle(Failure())

    def _end(self) -> None:
        self._consumer.unregisterProducer()
        self._settle(None)

    def _settle(self, result: Failure | None) -> None:
        done, self._done = self._done, None
        if done is None:
            return
        self._held.clear()
        self._consumer = None
        if self._reading and not self._paused:
            self._paused = True
            self._source.rest_body()
        if result is None:
            done.callback(None)
        else:
            done.errback(result)


@implementer(IBody)
class EmptyBody:
    """The body of a request that has none."""

    length = 0
    complete = True

    def deliver_to(self, consumer: IConsumer) -> Deferred[None]:
        """See `IBody`."""
        consumer.registerProducer(_Nothing(), True)
        consumer.unregisterProducer()
        return succeed(None)

    def collect(self, limit: int) -> Deferred[list[bytes]]:  # noqa: ARG002
        """See `IBody`."""
        return succeed([])

    def discard(self) -> None:
        """There is nothing."""

    def lose(self, error: Exception) -> None:
        """It arrived whole."""

    def tell(self) -> None:
        """It arrived whole."""


@implementer(IPushProducer)
class _Nothing:
    """The producer of no bytes."""

    def pauseProducing(self) -> None:
        """It rests already."""

    def resumeProducing(self) -> None:
        """It has nothing to give."""

    def stopProducing(self) -> None:
        """It stopped already."""


@implementer(IConsumer)
class _Pieces:
    """Keeps a small body."""

    def __init__(self, limit: int) -> None:
        self.pieces: list[bytes] = []
        self._limit = limit
        self._size = 0

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """It takes all there is at once."""

    def unregisterProducer(self) -> None:
        """`deliver_to` tells of the end."""

    def write(self, data: bytes) -> None:
        """What is raised here becomes the failure of `deliver_to`."""
        self._size += len(data)
        if self._size > self._limit:
            raise self.too_large()
        if len(data) < CRUMB and self.pieces and len(self.pieces[-1]) < CRUMB:
            self.pieces[-1] += data
        else:
            self.pieces.append(data)

    def too_large(self) -> EntityTooLarge:
        return EntityTooLarge(f"the body has more than {self._limit} bytes")


def incomplete(body: RequestBody | EmptyBody) -> IncompleteBody:
    """What to say of a body whose sender went away."""
    if isinstance(body, EmptyBody) or body.length is None:
        return IncompleteBody("the client went away")
    return IncompleteBody(
        f"the client went away after {body.received} of {body.length} bytes of the body"
    )
