"""Calls of DynamoDB: made in worker threads, repeated while an error may pass."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from godos.catalog.closing import Once, Running
from godos.catalog.dynamodb_errors import is_transient
from godos.deferreds import InThread, deferred
from godos.model.errors import CatalogUnavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PATIENCE = 10.0  # seconds for one call with all its repetitions
_FIRST_PAUSE, _LONGEST_PAUSE = 0.025, 1.0  # seconds

T = TypeVar("T")


class Calls:
    """
    A client, and the patience with it.

    Every repetition sends the identical request, so a transaction, which carries its
    token, is done once however often its answer was lost.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        in_thread: InThread,
        clock: IReactorTime,
        patience: float = PATIENCE,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.clock = clock
        self._client, self._in_thread = client, in_thread
        self._patience, self._chance = patience, chance
        self._running = Running()
        self.close = Once(self._close)

    @deferred
    async def __call__(
        self, operation: str, request: dict[str, Any], decode: Callable[[Any], T]
    ) -> T:
        """
        `decode` of the answer to `client.<operation>(**request)`; both run in a thread.

        Cancelling it sends no more; what is on its way arrives within the client's time-outs.

        Fails:
            CatalogUnavailable: no definite answer within the patience, or closed.
            ClientError, BotoCoreError: a definite one, of which repetition changes nothing.
        """
        if self.close.started:
            raise CatalogUnavailable("the catalog is closed")
        with self._running:
            return await self._persist(operation, request, decode)

    async def pause(self, attempt: int, deadline: float) -> None:
        """
        Wait before the next attempt: longer each time, and never as long as others do.

        Fails:
            CatalogUnavailable: the deadline (on the clock) comes first.
        """
        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempt, 10))
        pause = longest * (0.5 + self._chance() / 2)
        if self.clock.seconds() + pause >= deadline:
            raise CatalogUnavailable("DynamoDB gave no definite answer in time")
        await deferLater(self.clock, pause)

    def deadline(self) -> float:
        """When the patience of a call that starts now ends."""
        return self.clock.seconds() + self._patience

    async def _persist(
        self, operation: str, request: dict[str, Any], decode: Callable[[Any], T]
    ) -> T:
        deadline, attempt = self.deadline(), 0
        while True:
            try:
                return await self._attempt(operation, request, decode, deadline)
            except CancelledError:
                raise
            except Exception as error:
                if not is_transient(error):
                    raise
                last = error
            try:
                await self.pause(attempt, deadline)
            except CatalogUnavailable as ended:
                raise CatalogUnavailable(f"{ended}: {last}") from last
            attempt += 1

    async def _attempt(
        self, operation: str, request: dict[str, Any], decode: Callable[[Any], T], deadline: float
    ) -> T:
        wanted = True

        def call() -> T:
            if not wanted:  # nothing may be sent that was given up while it waited for a thread
                raise CancelledError
            return decode(getattr(self._client, operation)(**request))

        # The client has time-outs too; this one is for a pool whose threads are all taken.
        left = max(deadline - self.clock.seconds(), _FIRST_PAUSE)
        try:
            return await self._in_thread(call).addTimeout(left, self.clock)
        finally:
            wanted = False

    @deferred
    async def _close(self) -> None:
        await self._running.idle()
        await self._in_thread(self._client.close)
