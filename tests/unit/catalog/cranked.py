"""Worker threads that work when a test says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred


class Cranked:
    """An `InThread` whose work waits for `turn`."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Deferred[Any], Callable[[], Any]]] = []

    def __call__(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.waiting.append((done, lambda: function(*args, **kwargs)))
        return done

    def turn(self) -> None:
        """Do the work that has waited longest."""
        done, work = self.waiting.pop(0)
        maybeDeferred(work).chainDeferred(done)

    def turn_all(self) -> None:
        """Work until nothing waits."""
        while self.waiting:
            self.turn()
