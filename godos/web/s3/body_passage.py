"""A body on its way from its sender to its consumer, verified while it passes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from godos.deferreds import InThread
from godos.model.errors import GodosError
from godos.protocol.aws_chunked import Part
from godos.transfer.digests import INLINE, MORSEL
from godos.web.s3.body_readings import Reading

BACKLOG = 1 << 20  # bytes that may wait to be verified before the sender has to


@implementer(IConsumer, IPushProducer)
class Passage:
    """Between the sender of one body and its consumer; verifying may lag behind."""

    def __init__(self, consumer: Any, reading: Reading, in_thread: InThread) -> None:
        self.failure: Exception | None = None
        self._consumer = consumer
        self._reading = reading
        self._in_thread = in_thread
        self._producer: Any = None
        self._waiting: list[Part] = []  # to be verified
        self._size = 0  # bytes of it
        self._busy = False  # a thread is verifying
        self._idle: Deferred[None] | None = None
        self._asked_to_rest = False  # by the consumer
        self._resting = False

    # -- IConsumer, for the body -----------------------------------------------------------------
    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Called by the body."""
        self._producer = producer
        self._consumer.registerProducer(self, streaming)

    def unregisterProducer(self) -> None:
        """Called by the body; the consumer is told when all is verified."""
        self._producer = None

    def write(self, data: bytes) -> None:
        """Called by the body."""
        if self.failure is not None:
            return
        try:
            parts = self._reading.feed(data)
        except GodosError as error:
            self._fail(error)
            return
        for piece in _joined(parts):
            self._consumer.write(piece)
            if self.failure is not None:
                return
        self._waiting += parts
        self._size += len(data)
        self._verify()
        self._pace()

    # -- IPushProducer, for the consumer ---------------------------------------------------------
    def pauseProducing(self) -> None:
        """Called by the consumer."""
        self._asked_to_rest = True
        self._pace()

    def resumeProducing(self) -> None:
        """Called by the consumer."""
        self._asked_to_rest = False
        self._pace()

    def stopProducing(self) -> None:
        """Called by the consumer: it takes nothing more."""
        self._fail(CancelledError())

    # -- verifying -------------------------------------------------------------------------------
    async def end(self) -> None:
        """All bytes came: fails unless they are what was signed."""
        self._reading.end()
        while self._busy and self.failure is None:
            self._idle = Deferred()
            await self._idle
        if self.failure is not None:
            raise self.failure
        self._reading.verified()

    def _verify(self) -> None:
        """Verify what waits, here when it is little, unless a thread is at it."""
        if self._busy or not self._waiting or self.failure is not None:
            return
        parts, self._waiting = self._waiting, []
        size, self._size = self._size, 0
        if size <= INLINE:
            try:
                self._reading.verify(_morsels(parts))
            except GodosError as error:
                self._fail(error)
            return
        self._busy = True
        self._in_thread(self._reading.verify, parts).addCallbacks(self._verified, self._refused)

    def _verified(self, _: None) -> None:
        self._busy = False
        self._verify()
        self._pace()
        self._tell()

    def _refused(self, failure: Failure) -> None:
        self._busy = False
        assert isinstance(failure.value, Exception)
        self._fail(failure.value)

    def _fail(self, error: Exception) -> None:
        if self.failure is None:
            self.failure = error
            self._waiting.clear()
            if self._producer is not None:
                self._producer.stopProducing()
        self._tell()

    def _tell(self) -> None:
        idle = self._idle
        if idle is not None and (self.failure is not None or not self._busy):
            self._idle = None
            if not idle.called:
                idle.callback(None)

    def _pace(self) -> None:
        """Let the sender send, or rest."""
        rest = self._asked_to_rest or self._size > BACKLOG
        if self._producer is None or self.failure is not None or rest == self._resting:
            return
        self._resting = rest
        if rest:
            self._producer.pauseProducing()
        else:
            self._producer.resumeProducing()


def _joined(parts: list[Part]) -> Iterator[bytes]:
    """The bytes among `parts`; many small ones as one."""
    pieces = [part for part in parts if isinstance(part, bytes)]
    if len(pieces) > 1 and sum(map(len, pieces)) < INLINE:
        pieces = [b"".join(pieces)]
    return iter(pieces)


def _morsels(parts: list[Part]) -> Iterator[Any]:
    """The same in pieces for which hashlib keeps the interpreter's lock."""
    for part in parts:
        if isinstance(part, bytes) and len(part) > MORSEL:
            view = memoryview(part)
            for start in range(0, len(view), MORSEL):
                yield view[start : start + MORSEL]
        else:
            yield part
