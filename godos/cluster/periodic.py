"""Work that is done again and again, and that no error ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from godos.deferreds import deferred
from godos.model.errors import GodosError


class Periodic(Service):
    """
    Calls `work` every `every` seconds while it runs, one call at a time.

    What fails is tried again with the next turn: an error of ours is a warning, once
    until it goes well again; anything else is a bug, and logged as one.  Stopping cancels
    the call under way and fires when it has ended.

    Args:
        what: for the log, what is being attempted.
        at_once: whether the first call comes with the start.
    """

    _log = Logger()

    def __init__(
        self,
        what: str,
        work: Callable[[], Deferred[Any]],
        every: float,
        clock: IReactorTime,
        at_once: bool = False,
    ) -> None:
        self._what = what
        self._work = work
        self._every = every
        self._at_once = at_once
        self._loop = LoopingCall(self._turn)
        self._loop.clock = clock
        self._running: Deferred[None] | None = None
        self._ended: Deferred[None] | None = None
        self._failing = False

    def startService(self) -> None:
        super().startService()
        self._begin(self._at_once)

    def _begin(self, at_once: bool) -> None:
        self._loop.start(self._every, now=at_once).addErrback(
            lambda failure: self._log.failure("{what}: ended for good", failure, what=self._what)
        )

    def soon(self) -> None:
        """Let the next turn be now, unless one is under way or the service does not run."""
        if self.running and self._loop.running and self._running is None:
            self._loop.stop()
            self._begin(True)

    @deferred
    async def stopService(self) -> None:
        super().stopService()
        self.halt()
        if self._running is not None:
            ended: Deferred[None] = Deferred()
            self._ended = ended
            self._running.cancel()
            await ended

    def halt(self) -> None:
        """No further turns; the one under way goes on."""
        if self._loop.running:
            self._loop.stop()

    @deferred
    async def _turn(self) -> None:
        self._running = self._attempt()
        try:
            await self._running
        finally:
            self._running = None
            if self._ended is not None:
                self._ended.callback(None)

    @deferred
    async def _attempt(self) -> None:
        try:
            await self._work()
        except CancelledError:
            if self.running:  # it was not us who cancelled
                self._log.failure("{what} was cancelled", what=self._what)
        except GodosError as error:
            if not self._failing:
                self._log.warn("{what}: {error}", what=self._what, error=error)
            self._failing = True
        except Exception:
            self._log.failure("{what} failed", what=self._what)
        else:
            self._failing = False
