"""Deferreds for this house: the `deferred` decorator, and worker pools with a name."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from functools import wraps
from queue import SimpleQueue
from threading import Thread
from typing import Any, ParamSpec, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

P = ParamSpec("P")
T = TypeVar("T")


def deferred(function: Callable[P, Coroutine[Deferred[Any], Any, T]]) -> Callable[P, Deferred[T]]:
    """
    Let a coroutine function return a `Deferred`.

    It starts when called, and cancelling the Deferred cancels what it awaits.
    """

    @wraps(function)
    def start(*args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        return Deferred.fromCoroutine(function(*args, **kwargs))

    return start


def within(seconds: float, work: Deferred[T], clock: IReactorTime) -> Deferred[T]:
    """
    `work`, which fails with `twisted.internet.defer.TimeoutError` when it takes longer.

    What has an answer already is not timed: that is half of the cost of reading a small
    object.
    """
    return work if work.called else work.addTimeout(seconds, clock)


class Background:
    """
    Work that goes on when nobody waits for it any more.

    Its failures are logged, and `idle` fires when none runs, so that a service can stop
    quietly.
    """

    _log = Logger()

    def __init__(self) -> None:
        self._running: set[Deferred[Any]] = set()
        self._waiting: list[Deferred[None]] = []

    def run(self, what: str, work: Deferred[Any]) -> None:
        """Look after `work`; `what` says in the log what was being attempted."""
        self._running.add(work)
        work.addErrback(self._failed, what)
        work.addBoth(self._ended, work)

    def shield(self, what: str, work: Deferred[T]) -> Deferred[T]:
        """
        Fires as `work` does, but cancelling it leaves `work` running in the background.
        """
        caller: Deferred[T] = Deferred()

        def tell(result: Any) -> Any:
            if caller.called:
                return result  # cancelled: a failure is for the log
            caller.callback(result)  # callback() of a Failure is errback()
            return None

        self.run(what, work.addBoth(tell))
        return caller

    def _failed(self, failure: Failure, what: str) -> None:
        if failure.check(CancelledError) is None:
            self._log.failure("{what} failed in the background", failure, what=what)

    def _ended(self, _: Any, work: Deferred[Any]) -> None:
        self._running.discard(work)
        if not self._running:
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                waiter.callback(None)

    def idle(self) -> Deferred[None]:
        """Fires when nothing runs."""
        waiter: Deferred[None] = Deferred(lambda d: self._waiting.remove(d))
        self._waiting.append(waiter)
        if not self._running:
            self._ended(None, waiter)
        return waiter

    def cancel(self) -> None:
        """Cancel all that runs."""
        for work in list(self._running):
            work.cancel()


class PoolStopped(Exception):
    """Work came to a pool after it was stopped: somebody stops things in a wrong order."""


_Job = tuple["Deferred[Any]", Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class InThread(Protocol):
    """
    Run a blocking function away from the reactor: `in_thread(f, *args) -> Deferred`.

    What runs takes values, returns values and touches nothing of Twisted.  Tests
    pass `maybeDeferred`, which runs it at once, or a hand-cranked one.
    """

    def __call__(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Deferred[T]: ...


class WorkerPool:
    """
    A bounded pool of named threads; the instance itself is an `InThread`.

    Each concern (disk, digests, catalog, sends) has its own, so that a slow one
    cannot starve another.  Work that is done while the reactor is busy is told to it in
    one go: with Twisted's own pool a hop costs three times as much CPU.
    """

    def __init__(self, reactor: Any, name: str, size: int) -> None:
        self._reactor = reactor
        self._name = name
        self._size = size
        self._work: SimpleQueue[_Job | None] = SimpleQueue()
        self._done: deque[tuple[Deferred[Any], Any]] = deque()
        self._open = 0  # jobs that were accepted and whose end was not told yet
        self._telling = False
        self._threads: list[Thread] = []
        self._stopped = False

    def start(self) -> None:
        """Accept work, also again after `stop`.  Idempotent."""
        self._stopped = False

    def stop(self) -> None:
        """Refuse new work, and wait for what was accepted.  Blocks the caller.  Idempotent."""
        self._stopped = True
        threads, self._threads = self._threads, []
        for _ in threads:
            self._work.put(None)
        for thread in threads:
            thread.join()

    def __call__(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Deferred[T]:
        if self._stopped:
            return fail(PoolStopped(f"the {self._name} threads have stopped"))
        answer: Deferred[T] = Deferred()
        if len(self._threads) <= self._open and len(self._threads) < self._size:
            self._add_thread()  # all may be busy, and one may be so for long
        self._open += 1
        self._work.put((answer, function, args, kwargs))
        return answer

    def _add_thread(self) -> None:
        """Daemon threads: a disk or a peer that hangs must not keep a dying process alive."""
        name = f"{self._name}-{len(self._threads)}"
        thread = Thread(target=self._labour, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _labour(self) -> None:
        """The life of a thread."""
        while (job := self._work.get()) is not None:
            answer, function, args, kwargs = job
            try:
                result = function(*args, **kwargs)
            except BaseException:  # it is told to whoever waits
                result = Failure()
            self._done.append((answer, result))
            del job, answer, function, args, kwargs, result  # hold no body while waiting
            if not self._telling:  # else whoever set it has not yet looked into `_done`
                self._telling = True
                self._reactor.callFromThread(self._tell)

    def _tell(self) -> None:
        self._telling = False
        while self._done:
            answer, result = self._done.popleft()
            self._open -= 1
            answer.callback(result)  # callback() of a Failure is errback()
