"""Work that many want done at the same time, done once for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred


class Joint:
    """
    Each who asks gets the result of work that began after it asked.

    Who asks while it is being done waits for the next round, which is one for all who do.
    """

    def __init__(self, work: Callable[[], Deferred[None]]) -> None:
        self._work = work
        self._running: Deferred[None] | None = None
        self._served: list[Deferred[None]] = []  # wait for what runs
        self._waiting: list[Deferred[None]] = []  # wait for the next round

    def __call__(self) -> Deferred[None]:
        """
        Fires and fails as the work does.

        What runs is cancelled when all who wait for it are.
        """
        asker: Deferred[None] = Deferred(self._leave)
        self._waiting.append(asker)
        if self._running is None:
            self._begin()
        return asker

    def _begin(self) -> None:
        while self._waiting and self._running is None:
            self._served, self._waiting = self._waiting, []
            running = self._running = self._work()
            running.addBoth(self._end)

    def _end(self, result: Any) -> None:
        served, self._served, self._running = self._served, [], None
        for asker in served:
            if not asker.called:  # else the one before it cancelled it
                asker.callback(result)  # callback() of a Failure is errback()
        self._begin()

    def _leave(self, asker: Deferred[None]) -> None:
        if asker in self._waiting:
            self._waiting.remove(asker)
        elif asker in self._served:
            self._served.remove(asker)
            if not self._served and self._running is not None:
                self._running.cancel()
