"""Deferreds for this house: the `deferred` decorator, and worker pools with a name."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

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
    cannot starve another.  `stop` waits until running work is done.
    """

    def __init__(self, reactor: Any, name: str, size: int) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(0, size, name)

    def start(self) -> None:
        """Begin to accept work.  Idempotent."""
        if not self._pool.started:
            self._pool.start()

    def stop(self) -> None:
        """Refuse new work and wait for what runs.  Blocks the caller."""
        if self._pool.started:
            self._pool.stop()

    def __call__(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Deferred[T]:
        return deferToThreadPool(self._reactor, self._pool, function, *args, **kwargs)
