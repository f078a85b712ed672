"""Deferreds of this house."""

from __future__ import annotations

from queue import SimpleQueue
from threading import Event, current_thread
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from godos.deferreds import Background, PoolStopped, WorkerPool, deferred


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


class HandReactor:
    """Runs what threads ask for when the test says so."""

    def __init__(self) -> None:
        self.asked: SimpleQueue[Any] = SimpleQueue()

    def callFromThread(self, function: Any) -> None:
        self.asked.put(function)

    def turn(self, timeout: float = 10.0) -> None:
        self.asked.get(timeout=timeout)()


class WorkerPoolTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = HandReactor()
        self.pool = WorkerPool(self.reactor, "test", 2)
        self.pool.start()
        self.addCleanup(self.pool.stop)

    def test_work_is_done_elsewhere(self) -> None:
        """In a thread with the pool's name; the answer comes on the reactor's turn."""
        answer = self.pool(lambda: current_thread().name)
        self.assertNoResult(answer)
        self.reactor.turn()
        self.assertEqual("test-0", self.successResultOf(answer))

    def test_errors_come_back(self) -> None:
        """As failures of the Deferred, and the thread lives on."""
        answer = self.pool(int, "no number")
        self.reactor.turn()
        self.failureResultOf(answer, ValueError)
        again = self.pool(int, "7")
        self.reactor.turn()
        self.assertEqual(7, self.successResultOf(again))

    def test_what_is_done_meanwhile_is_told_in_one_turn(self) -> None:
        """A busy reactor is woken once for many answers."""
        answers = [self.pool(int, str(n)) for n in range(50)]
        self.pool.stop()
        while not self.reactor.asked.empty():
            self.reactor.turn()
        self.assertEqual(list(range(50)), [self.successResultOf(answer) for answer in answers])

    def test_at_most_its_size(self) -> None:
        """Two threads at a time, however much work waits."""
        gate, names = Event(), set()

        def work() -> None:
            names.add(current_thread().name)
            gate.wait(10)

        answers = [self.pool(work) for _ in range(6)]
        gate.set()
        self.pool.stop()
        while not self.reactor.asked.empty():
            self.reactor.turn()
        for answer in answers:
            self.successResultOf(answer)
        self.assertLessEqual(names, {"test-0", "test-1"})

    def test_work_that_hangs_delays_no_other(self) -> None:
        """While a thread may still be started, nobody waits behind a disk that hangs."""
        gate, begun = Event(), Event()

        def hang() -> None:
            begun.set()
            gate.wait(10)

        self.addCleanup(gate.set)
        hanging = self.pool(hang)
        self.assertTrue(begun.wait(10))
        quick = self.pool(int, "7")
        self.reactor.turn(timeout=2)
        self.assertEqual(7, self.successResultOf(quick))
        self.assertNoResult(hanging)

    def test_one_thread_does_what_comes_one_by_one(self) -> None:
        """Threads are started when work would wait, not before."""
        names = set()
        for _ in range(5):
            answer = self.pool(lambda: current_thread().name)
            self.reactor.turn()
            names.add(self.successResultOf(answer))
        self.assertEqual({"test-0"}, names)

    def test_cancelled_work_is_forgotten(self) -> None:
        """Its result, when it comes, goes nowhere."""
        answer = self.pool(int, "7")
        answer.cancel()
        self.failureResultOf(answer, CancelledError)
        self.reactor.turn()

    def test_a_stopped_pool_refuses(self) -> None:
        """What was accepted is done; what comes later fails at once."""
        answer = self.pool(int, "7")
        self.pool.stop()
        self.reactor.turn()
        self.assertEqual(7, self.successResultOf(answer))
        self.failureResultOf(self.pool(int, "8"), PoolStopped)
