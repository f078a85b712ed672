"""Work that many want done at once."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from godos.cluster.joint import Joint


class JointTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rounds: list[Deferred[None]] = []
        self.joint = Joint(self.begin)

    def begin(self) -> Deferred[None]:
        self.rounds.append(Deferred())
        return self.rounds[-1]

    def test_who_comes_later_gets_later_news(self) -> None:
        """All who ask while it is being done share the next round, and none the present one."""
        first = self.joint()
        others = [self.joint() for _ in range(5)]
        self.assertEqual(1, len(self.rounds))
        self.rounds[0].callback(None)
        self.successResultOf(first)
        for other in others:
            self.assertNoResult(other)
        self.assertEqual(2, len(self.rounds))
        self.rounds[1].callback(None)
        for other in others:
            self.successResultOf(other)
        self.assertEqual(2, len(self.rounds))

    def test_all_learn_of_a_failure(self) -> None:
        """And the next who ask are not harmed by it."""
        first, second, third = self.joint(), self.joint(), self.joint()
        self.rounds[0].errback(ValueError("?"))
        self.failureResultOf(first, ValueError)
        self.rounds[1].errback(KeyError("?"))
        self.failureResultOf(second, KeyError)
        self.failureResultOf(third, KeyError)
        last = self.joint()
        self.rounds[2].callback(None)
        self.successResultOf(last)

    def test_one_who_leaves_takes_nothing_from_the_others(self) -> None:
        """The work is cancelled only when nobody waits for it any more."""
        self.joint().addErrback(lambda failure: failure.trap(CancelledError))
        one, other, leaver = self.joint(), self.joint(), self.joint()
        self.rounds[0].callback(None)
        leaver.cancel()
        self.failureResultOf(leaver, CancelledError)
        one.cancel()
        self.failureResultOf(one, CancelledError)
        self.assertNoResult(other)
        self.assertFalse(self.rounds[1].called)
        other.cancel()
        self.failureResultOf(other, CancelledError)
        self.assertTrue(self.rounds[1].called)

    def test_who_leaves_before_its_round(self) -> None:
        """There is no round for nobody."""
        first, second = self.joint(), self.joint()
        second.cancel()
        self.failureResultOf(second, CancelledError)
        self.rounds[0].callback(None)
        self.successResultOf(first)
        self.assertEqual(1, len(self.rounds))

    def test_one_whose_answer_ends_another(self) -> None:
        """Whoever is told first may cancel who would be told next."""
        first = self.joint()
        one, other = self.joint(), self.joint()
        one.addCallback(lambda _: other.cancel())
        self.rounds[0].callback(None)
        self.successResultOf(first)
        self.rounds[1].callback(None)
        self.failureResultOf(other, CancelledError)
        self.successResultOf(one)

    def test_work_that_is_done_at_once(self) -> None:
        """Whoever asks is answered at once, again and again, and from within an answer."""
        results = [succeed(None), fail(ValueError("?")), succeed(None)]
        joint = Joint(lambda: results.pop(0))
        again = joint().addCallback(lambda _: joint())
        self.failureResultOf(again, ValueError)
        self.successResultOf(joint())
