"""Work that no error ends."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from godos.cluster.periodic import Periodic
from godos.model.errors import CatalogUnavailable


class PeriodicTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.results: list[Any] = []
        self.calls = 0

    def work(self) -> Deferred[Any]:
        self.calls += 1
        result = self.results.pop(0) if self.results else None
        if isinstance(result, Deferred):
            return result
        return fail(result) if isinstance(result, Exception) else succeed(result)

    def periodic(self, at_once: bool = False) -> Periodic:
        made = Periodic("working", self.work, 10.0, self.clock, at_once)
        made.startService()
        return made

    def test_every_ten_seconds(self) -> None:
        """The first time after ten, or at once when that is wanted."""
        self.periodic()
        self.assertEqual(0, self.calls)
        self.clock.pump([10.0] * 3)
        self.assertEqual(3, self.calls)
        self.periodic(at_once=True)
        self.assertEqual(4, self.calls)

    def test_no_error_ends_it(self) -> None:
        """Ours, a bug, or a cancellation by somebody else."""
        self.results = [CatalogUnavailable("?"), ZeroDivisionError(), CancelledError()]
        self.periodic()
        self.clock.pump([10.0] * 5)
        self.assertEqual(5, self.calls)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.assertEqual(1, len(self.flushLoggedErrors(CancelledError)))

    def test_one_at_a_time(self) -> None:
        """Slow work is not begun a second time."""
        slow: Deferred[None] = Deferred()
        self.results = [slow]
        self.periodic()
        self.clock.pump([10.0] * 5)
        self.assertEqual(1, self.calls)
        slow.callback(None)
        self.clock.advance(10.0)
        self.assertEqual(2, self.calls)

    def test_stopping_cancels_and_waits(self) -> None:
        """It fires when the work has cleaned up."""
        cleaning: list[Deferred[None]] = []
        self.results = [Deferred(cleaning.append)]
        made = self.periodic()
        self.clock.advance(10.0)
        stopped = made.stopService()
        self.successResultOf(stopped)
        self.assertEqual(1, len(cleaning))
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertEqual([], self.flushLoggedErrors())
