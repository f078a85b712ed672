"""Several reads at once."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from godos.catalog.together import together
from godos.model.errors import CatalogUnavailable


async def waiting(deferred: Deferred[Any]) -> Any:
    return await deferred


class TogetherTests(SynchronousTestCase):
    """`together`."""

    def setUp(self) -> None:
        self.deferreds: list[Deferred[Any]] = [Deferred() for _ in range(3)]
        self.all = Deferred.fromCoroutine(together(waiting(one) for one in self.deferreds))

    def test_order(self) -> None:
        """Results come in the order asked, whatever order they arrive in."""
        for number in (2, 0, 1):
            self.assertNoResult(self.all)
            self.deferreds[number].callback(number)
        self.assertEqual([0, 1, 2], self.successResultOf(self.all))

    def test_failure(self) -> None:
        """The failure comes out as it is, and what still runs is cancelled."""
        self.deferreds[0].errback(CatalogUnavailable("no answer"))
        self.failureResultOf(self.all, CatalogUnavailable)
        for one in self.deferreds[1:]:
            self.assertTrue(one.called)
        self.assertEqual([], self.flushLoggedErrors())

    def test_two_failures(self) -> None:
        """A second failure is not left in the log."""
        self.deferreds[1].errback(ValueError("second"))
        self.deferreds[0].errback(CatalogUnavailable("first"))
        self.failureResultOf(self.all, CatalogUnavailable)
        self.assertEqual([], self.flushLoggedErrors())

    def test_cancelled(self) -> None:
        """A caller who goes away cancels all of them."""
        self.all.cancel()
        self.failureResultOf(self.all, CancelledError)
        for one in self.deferreds:
            self.assertTrue(one.called)
        self.assertEqual([], self.flushLoggedErrors())


def test_nothing() -> None:
    """Nothing to wait for is at once done."""
    done: list[Any] = []
    Deferred.fromCoroutine(together([])).addCallback(done.append)
    assert done == [[]]
