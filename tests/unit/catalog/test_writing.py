"""Writes with a definite end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf
from random import Random

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from godos.catalog.items import Check, ConditionFailed, Item, Present
from godos.catalog.writing import (
    LONGEST_PAUSE,
    PATIENCE,
    TURNS,
    Backoff,
    Refusal,
    Turns,
    Writer,
)
from godos.model.errors import CatalogUnavailable, CommitUnknown, Conflict
from godos.model.names import new_id
from tests.unit.catalog.scripted_items import ScriptedItems

ACTIONS = [Check("shelf", b"book", Present())]
STANDING = Item("shelf", b"book", {}, rev="r1")


class WriterTests(SynchronousTestCase):
    """`Writer.write`."""

    def setUp(self) -> None:
        self.clock, self.items = Clock(), ScriptedItems()
        backoff = Backoff(self.clock, Random(1))
        self.writer = Writer(self.items, backoff, self.clock, self.clock.seconds, new_id)

    def write(self, leave: Callable[[], Awaitable[float]] | None = None) -> Deferred[object]:
        how = () if leave is None else (leave,)
        return Deferred.fromCoroutine(self.writer.write(ACTIONS, *how))

    def test_done(self) -> None:
        """A write that is answered is done."""
        writing = self.write()
        self.assertNoResult(writing)
        self.items.answers[0].callback(None)
        self.assertIsNone(self.successResultOf(writing))

    def test_refused(self) -> None:
        """Conditions that do not hold are told, with what stands there, and nothing is resent."""
        writing = self.write()
        self.items.answers[0].errback(ConditionFailed({0: STANDING}))
        refusal = self.successResultOf(writing)
        self.assertEqual(Refusal({0: STANDING}), refusal)
        self.assertTrue(refusal.is_own("r1"))
        self.assertFalse(refusal.is_own("r2"))
        self.assertEqual(1, len(self.items.sent))

    def test_no_answer(self) -> None:
        """A write without answer is sent again, unchanged and under the same token."""
        writing = self.write()
        for turn in range(3):
            self.items.answers[turn].errback(CatalogUnavailable("no answer"))
            self.clock.advance(LONGEST_PAUSE)
        self.items.answers[3].errback(ConditionFailed({0: None}))
        refusal = self.successResultOf(writing)
        self.assertEqual(Refusal({0: None}, resent=True), refusal)
        self.assertEqual([(ACTIONS, self.items.sent[0][1])] * 4, self.items.sent)

    def test_never_an_answer(self) -> None:
        """After its patience the write is given up as unknown."""
        writing = self.write()
        while not writing.called:
            self.items.answers[-1].errback(CatalogUnavailable("no answer"))
            self.clock.advance(LONGEST_PAUSE)
        self.assertGreaterEqual(self.clock.seconds(), PATIENCE)
        self.assertLess(self.clock.seconds(), PATIENCE + 2 * LONGEST_PAUSE)
        refusal = self.successResultOf(writing)
        self.assertEqual((True, False), (refusal.resent, refusal.settled))
        self.assertRaises(CommitUnknown, refusal.or_unknown)

    def test_no_leave(self) -> None:
        """Without leave nothing is sent, and so nothing is unknown."""
        writing = self.write(leaves(0.0))
        self.assertEqual(Refusal(), self.successResultOf(writing))
        self.assertEqual([], self.items.sent)

    def test_leave_ends(self) -> None:
        """When the leave ends, the engine is told to stop, and the outcome is unknown."""
        writing = self.write(leaves(2.0, 0.0))
        self.clock.advance(1.9)
        self.assertNoResult(writing)
        self.clock.advance(0.1)
        self.assertTrue(self.items.answers[0].called)  # cancelled
        self.clock.advance(LONGEST_PAUSE)
        refusal = self.successResultOf(writing)
        self.assertEqual((1, True, False), (len(self.items.sent), refusal.resent, refusal.settled))

    def test_leave_is_given_again(self) -> None:
        """A leave that is renewed lets the same be sent again."""
        writing = self.write(leaves(2.0, inf))
        self.clock.advance(2)
        self.clock.advance(LONGEST_PAUSE)
        self.items.answers[1].callback(None)
        self.assertIsNone(self.successResultOf(writing))

    def test_answered_in_time(self) -> None:
        """An answer leaves no timer behind."""
        writing = self.write(leaves(2.0))
        self.items.answers[0].callback(None)
        self.assertIsNone(self.successResultOf(writing))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_cancelled(self) -> None:
        """A caller that goes away ends the sending, also in a pause."""
        writing = self.write()
        writing.cancel()
        self.failureResultOf(writing, CancelledError)
        writing = self.write()
        self.items.answers[1].errback(CatalogUnavailable("no answer"))
        writing.cancel()
        self.failureResultOf(writing, CancelledError)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_bugs_come_out(self) -> None:
        """An error that is none of the engine's is not taken for a missing answer."""
        writing = self.write()
        self.items.answers[0].errback(ValueError("a bug"))
        self.failureResultOf(writing, ValueError)


class TurnsTests(SynchronousTestCase):
    """`Turns`."""

    def test_an_end(self) -> None:
        """A writer that always loses gives up, after pauses that stay short."""
        clock = Clock()
        turns = Turns(Backoff(clock, Random(1)), "the key 'k'")
        for _ in range(TURNS):
            turn = Deferred.fromCoroutine(turns.next())
            while not turn.called:
                (call,) = clock.getDelayedCalls()
                self.assertLessEqual(call.getTime() - clock.seconds(), LONGEST_PAUSE)
                clock.advance(LONGEST_PAUSE)
            self.assertTrue(self.successResultOf(turn))
        failure = self.failureResultOf(Deferred.fromCoroutine(turns.next()), Conflict)
        self.assertIn("the key 'k'", str(failure.value))

    def test_first_turn_is_at_once(self) -> None:
        """Who has no rival waits for nothing."""
        turns = Turns(Backoff(Clock(), Random(1)), "a key")
        self.assertTrue(self.successResultOf(Deferred.fromCoroutine(turns.next())))


def leaves(*seconds: float) -> Callable[[], Awaitable[float]]:
    """Leave for so many seconds, and then for the next so many."""
    left = list(seconds)

    async def leave() -> float:
        return left.pop(0) if len(left) > 1 else left[0]

    return leave
