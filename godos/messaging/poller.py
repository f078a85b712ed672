"""Receive from a queue for as long as the service runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from godos.deferreds import Background, deferred
from godos.messaging.queues import LONGEST_WAIT, QueueUnavailable, Received

IDLE = 15.0  # seconds between two looks at a queue from which nothing is expected
AT_ONCE = 16  # batches that are worked on at a time
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds after an error of the queue
TOO_QUICK = 0.1  # seconds that an empty answer takes at least
TO_FINISH = 0.5  # seconds that work in hand has when the service stops


def always() -> bool:
    """For queues that are always listened to."""
    return True


class Poller(Service):
    """
    Hands every batch to `take`, and goes on receiving meanwhile.

    While `wanted()` it waits in long polls; else it only looks every `idle` seconds for
    what was left behind, until `wake` is called.  Errors of the queue make it pause, ever
    longer; the queue itself logs them.

    Args:
        take: works on a batch and deletes what is done; what it does not delete comes
            again.  Its failures are logged.
        wait: seconds of a long poll.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        queue: Any,
        take: Callable[[Sequence[Received]], Deferred[None]],
        wanted: Callable[[], bool] = always,
        wait: int = LONGEST_WAIT,
        idle: float = IDLE,
    ) -> None:
        self._clock = clock
        self._queue = queue
        self._take = take
        self._wanted = wanted
        self._wait = wait
        self._idle = idle
        self._room = DeferredSemaphore(AT_ONCE)
        self._work = Background()
        self._pause = FIRST_PAUSE
        self._asleep: Deferred[None] | None = None
        self._loop: Deferred[None] | None = None

    def startService(self) -> None:
        super().startService()
        self._loop = self._run().addErrback(self._ended)

    @deferred
    async def stopService(self) -> None:
        """Break the poll off, give work in hand a moment, and close the queue."""
        super().stopService()
        if self._loop is not None:
            self._loop.cancel()
        too_long = self._clock.callLater(TO_FINISH, self._work.cancel)
        await self._work.idle()
        if too_long.active():
            too_long.cancel()
        await self._queue.close()

    def wake(self) -> None:
        """Something is expected now."""
        asleep, self._asleep = self._asleep, None
        if asleep is not None:
            asleep.callback(None)

    def _ended(self, failure: Any) -> None:
        failure.trap(CancelledError)

    @deferred
    async def _run(self) -> None:
        more = True
        while True:
            if not more and not self._wanted():
                await self._sleep()
            more = await self._look()

    @deferred
    async def _look(self) -> bool:
        """Receive once; tells whether something came."""
        await self._room.acquire()
        batch: Sequence[Received] = ()
        try:
            batch = await self._receive()
        finally:
            if not batch:
                self._room.release()
        if batch:
            self._work.run("to work on messages", self._take(batch).addBoth(self._taken))
        return bool(batch)

    def _taken(self, result: Any) -> Any:
        self._room.release()
        return result

    @deferred
    async def _receive(self) -> Sequence[Received]:
        wait, started = self._wait if self._wanted() else 0, self._clock.seconds()
        try:
            batch: Sequence[Received] = await self._queue.receive(wait)
        except CancelledError:
            raise
        except Exception as error:
            if not isinstance(error, QueueUnavailable):
                self._log.failure("to receive from {queue}", queue=self._queue.name)
            await self._for(self._pause)
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            return ()
        self._pause = FIRST_PAUSE
        if wait and not batch and self._clock.seconds() - started < TOO_QUICK:
            await self._for(TOO_QUICK)  # a queue that does not wait must not make us spin
        return batch

    @deferred
    async def _sleep(self) -> None:
        """Until `wake`, but no longer than `idle` seconds."""
        self._asleep = Deferred()
        timer = self._clock.callLater(self._idle, self.wake)
        try:
            await self._asleep
        finally:
            self._asleep = None
            if timer.active():
                timer.cancel()

    @deferred
    async def _for(self, delay: float) -> None:
        rested: Deferred[None] = Deferred(lambda _: timer.cancel())
        timer = self._clock.callLater(delay, rested.callback, None)
        await rested
