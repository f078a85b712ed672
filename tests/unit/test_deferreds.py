"""Deferreds of this house."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from godos.deferreds import Background, deferred


class DeferredTests(SynchronousTestCase):
    def test_a_coroutine_starts_when_called(self) -> None:
        """Nobody needs to await it for it to run."""
        started = []

        @deferred
        async def work() -> None:
            started.append(True)

        work().addErrback(self.fail)
        self.assertEqual([True], started)

    def test_cancelling_reaches_what_is_awaited(self) -> None:
        """And `finally` cleans up."""
        told = []
        inner: Deferred[None] = Deferred(lambda _: told.append("cancelled"))

        @deferred
        async def work() -> None:
            try:
                await inner
            finally:
                told.append("cleaned")

        running = work()
        running.cancel()
        self.failureResultOf(running, CancelledError)
        self.assertEqual(["cancelled", "cleaned"], told)


class BackgroundTests(SynchronousTestCase):
    def test_shielded_work_survives_its_caller(self) -> None:
        """A client that leaves does not interrupt a commit."""
        background = Background()
        cancelled = []
        work: Deferred[int] = Deferred(cancelled.append)
        caller = background.shield("a commit", work)
        caller.cancel()
        self.failureResultOf(caller, CancelledError)
        self.assertEqual([], cancelled)
        idle = background.idle()
        self.assertNoResult(idle)
        work.callback(7)
        self.successResultOf(idle)

    def test_the_caller_gets_the_result(self) -> None:
        """As long as it waits, it sees what the work gives."""
        background = Background()
        work: Deferred[int] = Deferred()
        caller = background.shield("a commit", work)
        work.callback(7)
        self.assertEqual(7, self.successResultOf(caller))

    def test_the_caller_gets_the_failure(self) -> None:
        """And the log does not get it a second time."""
        background = Background()
        work: Deferred[int] = Deferred()
        caller = background.shield("a commit", work)
        work.errback(ZeroDivisionError())
        self.failureResultOf(caller, ZeroDivisionError)
        self.assertEqual([], self.flushLoggedErrors())

    def test_a_failure_nobody_waits_for_is_logged(self) -> None:
        """Nothing is swallowed."""
        background = Background()
        work: Deferred[int] = Deferred()
        background.shield("a commit", work).addErrback(lambda _: None).cancel()
        work.errback(ZeroDivisionError())
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_idle_without_work(self) -> None:
        """Nothing runs: it fires at once."""
        self.successResultOf(Background().idle())
