"""Run something asynchronous to its end, from a command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import click
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from godos.model.errors import GodosError

T = TypeVar("T")


def run(begin: Callable[[Any], Deferred[T]], reactor: Any = None) -> T:
    """
    Run the reactor until `begin(reactor)` fires; once in the life of a process.

    Raises:
        ClickException: it failed as foreseen: one line, and exit code 1.
        Abort: the person pressed Ctrl-C.
        what else it failed with: a bug.
    """
    if reactor is None:
        from twisted.internet import reactor
    outcome: list[T | Failure] = []

    def ended(result: T | Failure) -> None:
        outcome.append(result)
        if len(outcome) == 1 and not stopping:
            reactor.stop()

    def start() -> None:
        working = begin(reactor)
        reactor.addSystemEventTrigger("before", "shutdown", interrupt, working)
        working.addBoth(ended)

    stopping: list[bool] = []

    def interrupt(working: Deferred[T]) -> None:
        stopping.append(True)
        working.cancel()

    reactor.callWhenRunning(start)
    reactor.run()
    if not outcome:
        raise click.Abort
    result = outcome[0]
    if isinstance(result, Failure):
        _raise(result)
    return result


def _raise(failure: Failure) -> NoReturn:
    error: BaseException = failure.value  # type: ignore[assignment]
    if failure.check(CancelledError):
        raise click.Abort
    if failure.check(GodosError):
        raise click.ClickException(str(error)) from error
    raise error
