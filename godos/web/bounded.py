"""A body of unknown length that must be neither larger nor smaller than it may be."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IConsumer
from zope.interface import implementer

from godos.deferreds import deferred
from godos.model.bodies import IBody
from godos.model.errors import EntityTooLarge, EntityTooSmall


@implementer(IConsumer)
class _Counting:
    """Hands a body on until it exceeds `limit` bytes; then it stops the producer."""

    def __init__(self, consumer: IConsumer, limit: int) -> None:
        self.size = 0  # bytes so far
        self._consumer = consumer
        self._limit = limit
        self._producer: Any = None

    @property
    def exceeded(self) -> bool:
        return self.size > self._limit

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._producer = producer
        self._consumer.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self._producer = None
        self._consumer.unregisterProducer()

    def write(self, data: bytes) -> None:
        if self.exceeded:
            return
        self.size += len(data)
        if not self.exceeded:
            self._consumer.write(data)
        elif self._producer is not None:
            self._producer.stopProducing()


@implementer(IBody)
class BoundedBody:
    """
    `body`, which fails with EntityTooLarge once more than `limit` bytes came, and with
    EntityTooSmall when it ends with fewer than `least`.
    """

    def __init__(self, body: IBody, limit: int, least: int = 0) -> None:
        self._body = body
        self._limit = limit
        self._least = least
        self.length = body.length

    @deferred
    async def deliver_to(self, consumer: IConsumer) -> None:
        """See `IBody.deliver_to`."""
        counting = _Counting(consumer, self._limit)
        try:
            await self._body.deliver_to(counting)
        except Exception as error:  # when it was stopped, the body says that it was cancelled
            if counting.exceeded:
                raise self._too_large() from error
            raise
        if counting.exceeded:
            raise self._too_large()
        if counting.size < self._least:
            raise self._too_small(counting.size)

    @deferred
    async def collect(self, limit: int) -> list[bytes]:
        """See `IBody.collect`."""
        pieces = await self._body.collect(min(limit, self._limit))
        size = sum(map(len, pieces))
        if size < self._least:
            raise self._too_small(size)
        return pieces

    def _too_small(self, size: int) -> EntityTooSmall:
        return EntityTooSmall(f"the body has {size} bytes, and {self._least} are the least")

    def _too_large(self) -> EntityTooLarge:
        return EntityTooLarge(f"one PUT takes at most {self._limit} bytes")
