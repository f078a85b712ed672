"""Ending well."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from godos.catalog.closing import Once, Running


class OnceTests(SynchronousTestCase):
    """With work that ends when the test says so."""

    def setUp(self) -> None:
        self.works: list[Deferred[None]] = []

    def work(self) -> Deferred[None]:
        self.works.append(Deferred())
        return self.works[-1]

    def test_all_callers_wait_for_the_one_end(self) -> None:
        """The work is started once; callers during it and after it learn of its end."""
        once = Once(self.work)
        first, second = once(), once()
        self.assertNoResult(first)
        self.assertNoResult(second)
        self.works[0].callback(None)
        for caller in (first, second, once()):
            self.assertIsNone(self.successResultOf(caller))
        self.assertEqual(1, len(self.works))

    def test_a_failure_is_everybodys(self) -> None:
        """When the work fails, all callers hear of it."""
        once = Once(self.work)
        first, second = once(), once()
        self.works[0].errback(OSError("disk"))
        for caller in (first, second, once()):
            self.failureResultOf(caller, OSError)

    def test_a_caller_that_gives_up_does_not_stop_it(self) -> None:
        """Cancelling one caller ends its wait only."""
        once = Once(self.work)
        first, second = once(), once()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.works[0].callback(None)
        self.successResultOf(second)


class RunningTests(SynchronousTestCase):
    """Counting what runs."""

    def test_idle_is_when_the_last_one_ended(self) -> None:
        """`idle` fires at once when nothing runs, else when all have left, with errors too."""
        running = Running()
        self.successResultOf(running.idle())
        with running:
            idle = running.idle()
            with self.assertRaises(ValueError), running:
                raise ValueError
            self.assertNoResult(idle)
        self.successResultOf(idle)
