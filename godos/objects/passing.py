"""An object that is read as the body of an upload: how bytes are copied within the store."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IConsumer, IPushProducer
from zope.interface import implementer

from godos.deferreds import deferred
from godos.model.bodies import IBody
from godos.model.errors import EntityTooLarge
from godos.model.objects import IObjectRead


@implementer(IBody, IPushProducer)
class ReadBody:
    """
    The bytes of an `IObjectRead`, which stays the caller's to close.

    One piece is read at a time, and none while the consumer rests: so a copy holds what
    its upload holds and one piece more, however large the object is.
    """

    def __init__(self, read: IObjectRead) -> None:
        self.length: int | None = read.stop - read.start
        self._read = read
        self._resumed: Deferred[None] | None = None  # waited for while the consumer rests
        self._paused = False
        self._stopped = False

    @deferred
    async def deliver_to(self, consumer: IConsumer) -> None:
        """See `IBody`.  When the consumer says `stopProducing` it fails as if cancelled."""
        consumer.registerProducer(self, True)
        await self._may_go_on()
        while data := await self._next():
            consumer.write(data)
            await self._may_go_on()
        consumer.unregisterProducer()

    async def _next(self) -> bytes:
        data: bytes = await self._read.read()
        if self._stopped:
            raise CancelledError
        return data

    async def _may_go_on(self) -> None:
        if self._paused and not self._stopped:
            self._resumed = Deferred()
            try:
                await self._resumed
            finally:
                self._resumed = None
        if self._stopped:
            raise CancelledError

    @deferred
    async def collect(self, limit: int) -> list[bytes]:
        """See `IBody`."""
        if self.length is not None and self.length > limit:
            raise EntityTooLarge(f"it has {self.length} bytes, and {limit} are taken at most")
        pieces: list[bytes] = []
        while data := await self._next():
            pieces.append(data)
        return pieces

    # -- IPushProducer, for the consumer ------------------------------------------------------
    def pauseProducing(self) -> None:
        """Called by the consumer."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Called by the consumer."""
        self._paused = False
        self._wake()

    def stopProducing(self) -> None:
        """Called by the consumer: it takes nothing more."""
        self._stopped = True
        self._wake()

    def _wake(self) -> None:
        resumed, self._resumed = self._resumed, None
        if resumed is not None:
            resumed.callback(None)
