"""Receiving without end."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from godos.messaging.poller import AT_ONCE, IDLE, LONGEST_PAUSE, TO_FINISH, Poller
from godos.messaging.queues import HIDDEN, Received
from tests.memory_queue import MemoryQueue


class PollerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.queue = MemoryQueue(self.clock)
        self.taken: list[str] = []
        self.wanted = True
        self.poller = Poller(self.clock, self.queue, self.take, lambda: self.wanted)
        self.poller.startService()

    def tearDown(self) -> None:
        if self.poller.running:
            self.successResultOf(self.poller.stopService())

    def take(self, batch: Sequence[Received]) -> Deferred[None]:
        self.taken += [message.body for message in batch]
        return self.queue.delete([message.receipt for message in batch])

    def test_what_is_sent_is_taken(self) -> None:
        """A waiting poll gets a message at once, and the next poll follows."""
        self.queue.send(["1"])
        self.queue.send(["2", "3"])
        self.assertEqual(["1", "2", "3"], self.taken)
        self.assertEqual([], self.queue.bodies)

    def test_polls_follow_each_other(self) -> None:
        """An empty long poll costs one request in its whole time."""
        self.clock.pump([1.0] * 60)
        self.assertEqual(4, self.queue.requests)

    def test_an_unwanted_queue_is_looked_at_rarely(self) -> None:
        """What was left behind does not rot, though nobody expects anything."""
        self.wanted = False
        self.clock.advance(20)  # the poll that was open
        self.queue.send(["stray"])
        self.assertEqual([], self.taken)
        self.clock.advance(IDLE)
        self.assertEqual(["stray"], self.taken)

    def test_what_is_found_in_passing_is_followed_up(self) -> None:
        """One look after the other until the queue is empty, then rest again."""
        self.wanted = False
        self.clock.advance(20)
        self.queue.send([str(n) for n in range(25)])
        self.clock.advance(IDLE)
        self.assertEqual(25, len(self.taken))
        before = self.queue.requests
        self.clock.advance(IDLE - 1)
        self.assertEqual(before, self.queue.requests)

    def test_waking_starts_a_long_poll_at_once(self) -> None:
        """A question that was just opened does not wait for the next look."""
        self.wanted = False
        self.clock.advance(20)
        self.wanted = True
        self.poller.wake()
        self.queue.send(["answer"])
        self.assertEqual(["answer"], self.taken)

    def test_errors_make_it_pause_ever_longer(self) -> None:
        """A queue that is away is not hammered, and is found again when it is back."""
        self.queue.broken = True
        self.clock.advance(20)
        before = self.queue.requests
        self.clock.pump([0.1] * 3000)
        self.assertLess(self.queue.requests - before, 17)
        self.queue.broken = False
        self.queue.send(["1"])
        self.clock.advance(LONGEST_PAUSE)
        self.assertEqual(["1"], self.taken)

    def test_a_bug_in_receiving_is_logged_and_survived(self) -> None:
        """The loop goes on after an error that nobody foresaw."""
        receive = self.queue.receive
        self.queue.receive = lambda wait: 1 / 0  # type: ignore[method-assign, assignment, return-value]
        self.clock.advance(20)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.queue.receive = receive  # type: ignore[method-assign]
        self.queue.send(["1"])
        self.clock.advance(1)
        self.assertEqual(["1"], self.taken)

    def test_a_queue_that_does_not_wait_does_not_make_it_spin(self) -> None:
        """Empty answers that come at once are paced."""
        asked = []
        self.queue.receive = lambda wait: succeed(asked.append(wait) or ())  # type: ignore
        self.clock.advance(20)
        self.clock.pump([0.01] * 100)
        self.assertLess(len(asked), 20)

    def test_failed_work_is_logged_and_its_messages_come_again(self) -> None:
        """An error in one batch stops nothing."""
        take, self.poller._take = self.poller._take, lambda _: Deferred.fromCoroutine(broken())
        self.queue.send(["1"])
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.poller._take = take
        self.clock.advance(HIDDEN)
        self.assertEqual(["1"], self.taken)

    def test_only_so_much_is_worked_on_at_once(self) -> None:
        """Slow work leaves messages in the queue, where others can take them."""
        working: list[Deferred[None]] = []
        self.poller._take = lambda _: working.append(Deferred()) or working[-1]  # type: ignore
        for n in range(AT_ONCE + 5):
            self.queue.send([str(n)])
        self.assertEqual(AT_ONCE, len(working))
        working[0].callback(None)
        self.assertEqual(AT_ONCE + 1, len(working))
        for work in working[1:]:
            work.callback(None)

    def test_stopping_breaks_the_poll_off(self) -> None:
        """Nobody waits for the end of a long poll, and nothing is received afterwards."""
        self.successResultOf(self.poller.stopService())
        self.queue.send(["1"])
        self.clock.advance(100)
        self.assertEqual([], self.taken)

    def test_stopping_while_asleep_or_pausing(self) -> None:
        """No timer is left behind."""
        self.wanted = False
        self.clock.advance(20)
        self.successResultOf(self.poller.stopService())
        self.assertEqual([], self.clock.getDelayedCalls())
        self.queue.broken = True
        self.poller.startService()
        self.successResultOf(self.poller.stopService())
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_stopping_waits_a_moment_for_work_in_hand(self) -> None:
        """An answer that is almost ready is still sent; one that is not is broken off."""
        working: Deferred[None] = Deferred()
        self.poller._take = lambda _: working
        self.queue.send(["1"])
        stopping = self.poller.stopService()
        self.assertNoResult(stopping)
        self.clock.advance(TO_FINISH)
        self.successResultOf(stopping)


async def broken() -> None:
    raise ZeroDivisionError
