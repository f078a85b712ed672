"""Deferreds for this house: the `deferred` decorator, and worker pools with a name."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
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
