"""Lanes that run at once, of which those that come first count."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.python.failure import Failure

from godos.objects.lanes import Lane
from godos.objects.reach import PATIENCE, Reach

_AT_ONCE = -1.0  # nobody waited


class Race:
    """
    Lanes that a reader waits for.

    Each gives up after `PATIENCE`.  Before that, one that is slower than usual becomes
    `late` when another can take its place, so that who hangs costs a reader little time.
    """

    def __init__(self, reach: Reach) -> None:
        self._clock = reach.clock
        self._hedging = reach.hedging
        self._background = reach.background
        self._running: dict[Lane, Deferred[Any]] = {}
        self._ended: deque[tuple[Lane, Any]] = deque()
        self._waiter: Deferred[None] | None = None
        self.closed = False

    @property
    def lanes(self) -> Iterable[Lane]:
        """Those whose bytes have not come yet, or were not looked at yet."""
        return [*self._running, *(lane for lane, _ in self._ended)]

    @property
    def over(self) -> bool:
        """Whether there is nobody to wait for."""
        return not self._running and not self._ended

    def enter(self, lane: Lane, work: Deferred[Any], since: float | None = None) -> None:
        """
        Wait for `work`, the next bytes of `lane`, too.

        Args:
            since: when they were asked for, if that was earlier.
        """
        lane.since = _AT_ONCE
        self._running[lane] = work
        work.addBoth(self._end, lane)
        if lane in self._running:
            lane.since = self._clock.seconds() if since is None else since
            lane.kind = type(lane.store), lane.began
            lane.due = lane.since + self._hedging.delay(lane.kind)

    def _end(self, result: Any, lane: Lane) -> None:
        if self._running.pop(lane, None) is None:
            return  # it was left, and nobody wants to know
        if lane.since != _AT_ONCE and not isinstance(result, Failure):
            self._hedging.took(lane.kind, self._clock.seconds() - lane.since)
        self._ended.append((lane, result))
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.callback(None)

    def ended(self) -> tuple[Lane, Any] | None:
        """
        The next lane with its bytes or its Failure, if one is there.

        Raises:
            CancelledError: `close` was called.
        """
        if self.closed:
            raise CancelledError("the read was closed")
        return self._ended.popleft() if self._ended else None

    async def wait(self, spare: Callable[[Lane], int]) -> None:
        """
        Until a lane ended, or has become late.

        Args:
            spare: how many other fragments must be asked for to do without one lane; 0 when
                it cannot be done without.
        """
        while self._running and not self._ended:
            await self._sleep()
            if not self._ended and self._overdue(spare):
                return

    async def _sleep(self) -> None:
        """Until a lane ends, or is due."""
        waiter: Deferred[None] = Deferred()
        self._waiter = waiter
        running = self._running
        until = min([lane.due for lane in running])
        timer = self._clock.callLater(max(0.0, until - self._clock.seconds()), self._wake)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer.active():
                timer.cancel()

    def _overdue(self, spare: Callable[[Lane], int]) -> bool:
        """Decide about those that are due; tells whether one is late now."""
        now = self._clock.seconds()
        any_late = False
        for lane in [lane for lane in self._running if lane.due <= now]:
            waited = now - lane.since
            if waited >= PATIENCE:
                self._give_up(lane)
            elif not lane.late and self._replaceable(lane, waited, spare):
                lane.late = any_late = True
                lane.due = lane.since + PATIENCE
        return any_late

    def _replaceable(self, lane: Lane, waited: float, spare: Callable[[Lane], int]) -> bool:
        """Whether others may be asked in its place now; if not, when to look again."""
        number, stalled = spare(lane), self._hedging.stalled(lane.kind)
        if number and (waited >= stalled or self._hedging.grant(number)):
            return True
        lane.due = lane.since + (stalled if waited < stalled else PATIENCE)
        return False

    def _give_up(self, lane: Lane) -> None:
        work = self._running.pop(lane)
        work.cancel()
        self._ended.append((lane, Failure(TimeoutError(f"it gave nothing for {PATIENCE:g} s"))))

    def leave(self) -> None:
        """Let go of all lanes; those that are late were overtaken."""
        running, self._running = self._running, {}
        ended, self._ended = self._ended, deque()
        for lane, work in running.items():
            if lane.late:
                self._hedging.shun(lane.placed.node)
            work.cancel()
            self.drop(lane)
        for lane, _ in ended:
            self.drop(lane)

    def close(self) -> None:
        """Let go of all lanes for good; whoever waits for one is cancelled."""
        self.closed = True
        self.leave()
        self._wake()

    def drop(self, lane: Lane) -> None:
        """Close a lane that is not wanted any more."""
        closing = lane.close()
        if closing is not None and not closing.called:
            self._background.run("letting go of a fragment", closing)
