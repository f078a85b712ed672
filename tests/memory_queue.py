"""A queue that forgets when the process ends, with SQS's promises and no more."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from attrs import define
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock
from zope.interface import implementer

from godos.messaging.queues import BATCH, HIDDEN, IQueue, QueueUnavailable, Received


@define(eq=False)
class Kept:
    """One message in the queue."""

    body: str
    sent: float
    hidden_until: float = 0.0
    receipt: str = ""


@define(eq=False)
class Poll:
    """A receiver that waits."""

    done: Deferred[Sequence[Received]]
    timer: IDelayedCall | None = None


@implementer(IQueue)
class MemoryQueue:
    """
    Messages are in `messages`; `broken` makes every call fail, `requests` counts them.

    Several receivers may wait: a queue is shared by the servers of a test.
    """

    def __init__(self, clock: Clock, name: str = "memory") -> None:
        self.clock = clock
        self.name = name
        self.messages: list[Kept] = []
        self.broken = False
        self.closed = False
        self.requests = 0
        self._polls: list[Poll] = []
        self._numbers = count()

    def send(self, bodies: Sequence[str]) -> Deferred[None]:
        self.requests += 1
        if self.broken:
            return fail(QueueUnavailable(f"{self.name} is broken"))
        self.messages += [Kept(body, self.clock.seconds()) for body in bodies]
        self._serve()
        return succeed(None)

    def receive(self, wait: int) -> Deferred[Sequence[Received]]:
        self.requests += 1
        if self.broken:
            return fail(QueueUnavailable(f"{self.name} is broken"))
        poll = Poll(Deferred(lambda _: self._forget(poll)))
        self._polls.append(poll)
        self._serve()
        if not poll.done.called:
            if wait == 0:
                self._answer(poll, ())
            else:
                poll.timer = self.clock.callLater(wait, self._answer, poll, ())
        return poll.done

    def delete(self, receipts: Sequence[str]) -> Deferred[None]:
        self.requests += 1
        if self.broken:
            return fail(QueueUnavailable(f"{self.name} is broken"))
        gone = [kept for kept in self.messages if kept.receipt in receipts]
        self.messages = [kept for kept in self.messages if kept not in gone]
        return succeed(None)

    def close(self) -> Deferred[None]:
        self.closed = True
        return succeed(None)

    @property
    def bodies(self) -> list[str]:
        """What is in the queue, hidden or not."""
        return [kept.body for kept in self.messages]

    def choose(self, visible: list[Kept]) -> list[Kept]:
        """Which messages the next receiver gets."""
        return visible[:BATCH]

    def _serve(self) -> None:
        now = self.clock.seconds()
        for poll in list(self._polls):
            chosen = self.choose([m for m in self.messages if m.hidden_until <= now])
            if chosen:
                self.clock.callLater(HIDDEN, self._serve)  # when they can be seen again
                self._answer(poll, [self._hand_out(kept) for kept in chosen])

    def _hand_out(self, kept: Kept) -> Received:
        now = self.clock.seconds()
        kept.hidden_until = now + HIDDEN
        kept.receipt = f"receipt-{next(self._numbers)}"
        return Received(kept.body, kept.receipt, now - kept.sent)

    def _answer(self, poll: Poll, batch: Sequence[Received]) -> None:
        self._forget(poll)
        poll.done.callback(batch)

    def _forget(self, poll: Poll) -> None:
        self._polls.remove(poll)
        if poll.timer is not None and poll.timer.active():
            poll.timer.cancel()
