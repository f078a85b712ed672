"""Ending well: what runs is finished first, and the end happens once."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure


class Running:
    """Counts what runs, each inside a `with`."""

    def __init__(self) -> None:
        self._count = 0
        self._waiting: list[Deferred[None]] = []

    def __enter__(self) -> None:
        self._count += 1

    def __exit__(self, *_error: object) -> None:
        self._count -= 1
        if not self._count:
            waiting, self._waiting = self._waiting, []
            for one in waiting:
                one.callback(None)

    def idle(self) -> Deferred[None]:
        """Fires when nothing runs."""
        if not self._count:
            return succeed(None)
        idle: Deferred[None] = Deferred()
        self._waiting.append(idle)
        return idle


class Once:
    """
    The first call starts `work`, and every call's Deferred fires with its end.

    Cancelling one caller's Deferred does not stop the work, on which others wait.
    """

    def __init__(self, work: Callable[[], Deferred[None]]) -> None:
        self._work = work
        self._waiting: list[Deferred[None]] = []
        self._ended: Failure | None = None
        self.started = False
        self.done = False

    def __call__(self) -> Deferred[None]:
        waiting: Deferred[None] = Deferred()
        if self.done:
            waiting.callback(self._ended)
            return waiting
        self._waiting.append(waiting)
        if not self.started:
            self.started = True
            self._work().addBoth(self._end)
        return waiting

    def _end(self, result: Failure | None) -> None:
        self.done, self._ended = True, result
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(result)
