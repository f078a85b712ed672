"""Gather what many callers ask while one batch runs, and run it together as the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Batches(Generic[Question, Answer]):
    """
    At most one batch runs at a time, so that `run` may own what bears one user, such as a
    database connection; a single question starts at once and waits for nobody.

    `run` takes up to `most` questions and answers a list in their order, in which an
    Exception fails the one question only.  `afterwards` is work between two batches that
    delays no answer of the first; it must not fail.
    """

    def __init__(
        self,
        run: Callable[[list[Question]], Deferred[list[Answer | Exception]]],
        most: int,
        afterwards: Callable[[], Deferred[None]] = lambda: succeed(None),
    ) -> None:
        self._run = run
        self._afterwards = afterwards
        self._most = most
        self._waiting: list[tuple[Question, Deferred[Answer]]] = []
        self._running = False
        self._idle: list[Deferred[None]] = []

    def ask(self, question: Question) -> Deferred[Answer]:
        """The answer to one question.  Cancelling forgets the answer, not the question."""
        answer: Deferred[Answer] = Deferred()
        self._waiting.append((question, answer))
        self._next()
        return answer

    def idle(self) -> Deferred[None]:
        """Fires when nothing runs and nothing waits."""
        if not self._running:
            return succeed(None)
        idle: Deferred[None] = Deferred()
        self._idle.append(idle)
        return idle

    def _next(self) -> None:
        if self._running:
            return
        if not self._waiting:
            idle, self._idle = self._idle, []
            for one in idle:
                one.callback(None)
            return
        batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        self._running = True
        self._run([question for question, _ in batch]).addBoth(self._done, batch)

    def _done(
        self,
        answers: list[Answer | Exception] | Failure,
        batch: list[tuple[Question, Deferred[Answer]]],
    ) -> None:
        # The next batch starts after all answers: who asks again at once takes part in it.
        for index, (_, answer) in enumerate(batch):
            given = answers if isinstance(answers, Failure) else answers[index]
            if isinstance(given, Failure | Exception):
                answer.errback(given)
            else:
                answer.callback(given)
        self._afterwards().addBoth(self._rested)

    def _rested(self, _result: object) -> None:
        self._running = False
        self._next()
