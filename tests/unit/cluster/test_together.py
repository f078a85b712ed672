"""Waiting for several things at once."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from godos.cluster.together import together


class TogetherTests(SynchronousTestCase):
    def test_results_keep_their_order(self) -> None:
        """Whatever comes first."""
        first: Deferred[int] = Deferred()
        done = together([first, succeed(2)])
        self.assertNoResult(done)
        first.callback(1)
        self.assertEqual([1, 2], self.successResultOf(done))
        self.assertEqual([], self.successResultOf(together([])))

    def test_a_failure_comes_out_as_it_is(self) -> None:
        """So that callers can tell errors apart."""
        first: Deferred[int] = Deferred()
        done = together([first, succeed(2)])
        first.errback(KeyError("x"))
        self.failureResultOf(done, KeyError)

    def test_cancelling_cancels_all(self) -> None:
        """And is told as what it is."""
        cancelled: list[int] = []
        waiting = [Deferred(lambda _, n=n: cancelled.append(n)) for n in range(3)]
        done = together(waiting)
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.assertEqual([0, 1, 2], cancelled)
