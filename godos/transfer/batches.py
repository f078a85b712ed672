"""From a push producer's small writes to batches, at the pace of a slow sink."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from godos.deferreds import deferred
from godos.model.bodies import IBody
from godos.model.fragments import CHUNK

CRUMB = 4096  # bytes: smaller pieces are joined, each would take as much again to keep

Sink = Callable[[list[bytes]], "Deferred[None]"]


@implementer(IConsumer)
class Batches:
    """
    Gather a body into batches of at least `size` bytes and give them to `sink` in order.

    One batch is in the sink while the next one fills; the producer rests when that is
    full too.  So an upload holds two batches and one read, however large it is.
    """

    def __init__(self, sink: Sink, size: int = CHUNK) -> None:
        self.total = 0  # bytes that arrived
        self.failure: Failure | None = None  # the sink's first
        self._sink = sink
        self._size = size
        self._waiting: list[bytes] = []
        self._held = 0
        self._running: Deferred[None] | None = None
        self._paused = False
        self._producer: Any = None  # an IPushProducer
        self._flushing = False
        self._settling: list[Deferred[None]] = []

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Called by the body before its first write."""
        assert streaming, "bodies are push producers"
        self._producer = producer

    def unregisterProducer(self) -> None:
        """Called by the body after its last write."""
        self._producer = None

    def write(self, data: bytes) -> None:
        """Called by the body.  After the sink failed, what still comes is dropped."""
        if self.failure is not None:
            return
        self.total += len(data)
        self._held += len(data)
        if len(data) < CRUMB and self._waiting and len(self._waiting[-1]) < CRUMB:
            self._waiting[-1] += data
        else:
            self._waiting.append(data)
        self._step()

    def _step(self) -> None:
        """Feed the sink if it is idle, and set the producer's pace."""
        enough = 1 if self._flushing else self._size
        if self._running is None and self._held >= enough and self.failure is None:
            self._feed()
        full = self._held >= self._size
        if self._producer is not None and full != self._paused:
            self._paused = full
            (self._producer.pauseProducing if full else self._producer.resumeProducing)()

    def _feed(self) -> None:
        batch, self._waiting, self._held = self._waiting, [], 0
        self._running = running = self._sink(batch)
        running.addCallbacks(self._sunk, self._failed)

    def _sunk(self, _: None) -> None:
        self._running = None
        self._step()
        self._tell()

    def _failed(self, failure: Failure) -> None:
        self._running, self.failure, self._waiting, self._held = None, failure, [], 0
        if self._producer is not None:
            self._producer.stopProducing()
        self._tell()

    def take_rest(self) -> list[bytes]:
        """What arrived since the last batch; it will not reach the sink any more."""
        rest, self._waiting, self._held = self._waiting, [], 0
        return rest

    def flush(self) -> Deferred[None]:
        """After the body's end: give the sink what waits; fires when it has taken all."""
        self._flushing = True
        self._step()
        return self.settled()

    def settled(self) -> Deferred[None]:
        """
        Fires when nothing is in the sink, after `flush` only when nothing waits either.

        Fails with the sink's first error.  Cancelling leaves the sink alone: its work
        ends by itself, and cleaning up must wait for that.
        """
        done: Deferred[None] = Deferred(lambda d: self._settling.remove(d))
        self._settling.append(done)
        self._tell()
        return done

    def _tell(self) -> None:
        if self._running is None:
            settling, self._settling = self._settling, []
            for done in settling:
                done.callback(None) if self.failure is None else done.errback(self.failure)


@deferred
async def receive(body: IBody, batches: Batches) -> int:
    """
    Let all of `body` arrive in `batches`; what is less than a batch still waits there.

    Answers the length in bytes.  Fails as the body, or as the sink when that was first;
    in either case nothing runs in the sink any more.
    """
    try:
        await body.deliver_to(batches)
    except BaseException:
        sink_stopped_it = batches.failure is not None
        try:
            await batches.settled()
        except Exception:
            if sink_stopped_it:  # the body's own complaint is only an echo
                raise
        raise
    return batches.total


@deferred
async def deliver(body: IBody, batches: Batches) -> int:
    """Let all of `body` go through `batches`.  As `receive`, with nothing left waiting."""
    size = await receive(body, batches)
    await batches.flush()
    return size
