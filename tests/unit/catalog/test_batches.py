"""Gathering questions into batches."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from godos.catalog.batches import Batches


class BatchesTests(SynchronousTestCase):
    """With a run that ends when the test says so."""

    def setUp(self) -> None:
        self.runs: list[tuple[list[Any], Deferred[Any]]] = []
        self.rests: list[Deferred[None]] = []
        self.batches: Batches[int, str] = Batches(self.run_batch, 3)

    def run_batch(self, questions: list[int]) -> Deferred[Any]:
        self.runs.append((questions, Deferred()))
        return self.runs[-1][1]

    def rest(self) -> Deferred[None]:
        self.rests.append(Deferred())
        return self.rests[-1]

    def questions(self) -> list[list[int]]:
        return [questions for questions, _ in self.runs]

    def test_a_single_question_waits_for_nobody(self) -> None:
        """The first question starts a batch at once, and is answered when that ends."""
        answer = self.batches.ask(1)
        self.assertEqual([[1]], self.questions())
        self.assertNoResult(answer)
        self.runs[0][1].callback(["one"])
        self.assertEqual("one", self.successResultOf(answer))

    def test_what_comes_meanwhile_goes_together(self) -> None:
        """Questions that come while a batch runs are the next batch, up to its size."""
        answers = [self.batches.ask(n) for n in range(6)]
        self.assertEqual([[0]], self.questions())
        self.runs[0][1].callback(["0"])
        self.assertEqual([[0], [1, 2, 3]], self.questions())
        self.runs[1][1].callback(["1", "2", "3"])
        self.assertEqual([[0], [1, 2, 3], [4, 5]], self.questions())
        self.runs[2][1].callback(["4", "5"])
        self.assertEqual(list("012345"), [self.successResultOf(answer) for answer in answers])

    def test_one_question_may_fail_alone(self) -> None:
        """An exception among the answers fails its question and no other."""
        first, second, third = [self.batches.ask(n) for n in range(3)]
        self.runs[0][1].callback(["0"])
        self.runs[1][1].callback([ValueError("no"), "2"])
        self.successResultOf(first)
        self.failureResultOf(second, ValueError)
        self.assertEqual("2", self.successResultOf(third))

    def test_a_batch_may_fail_whole(self) -> None:
        """When the run fails all its questions do, and the next batch runs nevertheless."""
        first, second, third = [self.batches.ask(n) for n in range(3)]
        self.runs[0][1].errback(OSError("disk"))
        self.failureResultOf(first, OSError)
        self.runs[1][1].callback(["1", "2"])
        self.assertEqual("1", self.successResultOf(second))
        self.assertEqual("2", self.successResultOf(third))

    def test_who_asks_again_at_once_is_in_the_next_batch(self) -> None:
        """All answers are given before the next batch starts, so it gathers the askers."""
        again: list[Deferred[str]] = []
        for n in range(3):
            asked = self.batches.ask(n)
            asked.addCallback(lambda _, n=n: again.append(self.batches.ask(10 + n)))
        self.runs[0][1].callback(["0"])
        self.runs[1][1].callback(["1", "2", "10"])
        self.assertEqual([[0], [1, 2, 10], [11, 12]], self.questions())

    def test_a_forgotten_answer_harms_nobody(self) -> None:
        """Cancelling one question leaves those beside it alone."""
        first, second, third = [self.batches.ask(n) for n in range(3)]
        self.runs[0][1].callback(["0"])
        second.cancel()
        self.failureResultOf(second, CancelledError)
        self.runs[1][1].callback(["1", "2"])
        self.assertEqual("2", self.successResultOf(third))
        self.successResultOf(first)

    def test_work_between_batches_delays_no_answer(self) -> None:
        """The work afterwards comes after the answers, and before the next batch."""
        batches: Batches[int, str] = Batches(self.run_batch, 3, self.rest)
        first, second = batches.ask(1), batches.ask(2)
        self.runs[0][1].callback(["one"])
        self.assertEqual("one", self.successResultOf(first))
        self.assertEqual([[1]], self.questions())
        self.rests[0].callback(None)
        self.assertEqual([[1], [2]], self.questions())
        self.assertNoResult(second)

    def test_idle_is_when_nothing_runs_or_waits(self) -> None:
        """`idle` fires at once when nothing was asked, else after the last answer."""
        self.successResultOf(self.batches.idle())
        self.batches.ask(1)
        self.batches.ask(2)
        idle = self.batches.idle()
        self.runs[0][1].callback(["one"])
        self.assertNoResult(idle)
        self.runs[1][1].callback(["two"])
        self.successResultOf(idle)
