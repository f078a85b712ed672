"""Starting in order, stopping in reverse: the life of a daemon as a list of steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from attrs import frozen
from twisted.application.service import IService
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from godos.deferreds import deferred
from godos.model.errors import CannotStart, GodosError

GRACE = 3.0  # seconds that steps get to end after `hurry`


def _nothing() -> None:
    """A step that has nothing to break off."""


@frozen
class Step:
    """
    One thing that must run before the next one can.

    `name` completes "still …" and "failed while …", as in "opening the catalog".  `start`
    fires when it runs; when it fails or is cancelled it leaves nothing behind and is not
    stopped.  `stop` fires when it is really quiet.  `hurry` makes a `stop` that waits for
    requests break them off; it may come before `stop`, or never.
    """

    name: str
    start: Callable[[], Deferred[None]]
    stop: Callable[[], Deferred[None]]
    hurry: Callable[[], None] = _nothing


def service_step(name: str, make: Callable[[], Deferred[IService]]) -> Step:
    """A service of Twisted's, made when its turn comes, as a step."""
    made: list[IService] = []

    @deferred
    async def start() -> None:
        service = await make()
        await maybeDeferred(service.startService)
        made.append(service)

    @deferred
    async def stop() -> None:
        await maybeDeferred(made[0].stopService)

    return Step(name, start, stop)


class StartFailed(GodosError):
    """A step failed in a way that nobody foresaw; `__cause__` is the failure."""

    def __init__(self, step: str, cause: BaseException) -> None:
        super().__init__(f"failed while {step}: {type(cause).__name__}: {cause}")


class StopTimedOut(GodosError):
    """A step was not quiet in time."""

    def __init__(self, step: str) -> None:
        super().__init__(f"gave up waiting for the end of {step}")


class Stage(StrEnum):
    """Where a life stands."""

    NEW = "not started"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Lifecycle:
    """
    Runs steps one after the other, and stops those that ran in reverse order.

    A life is lived once: `start`, then `stop`, which may come at any time.
    """

    _log = Logger()

    def __init__(self, steps: Sequence[Step], clock: IReactorTime) -> None:
        self._steps = steps
        self._clock = clock
        self._running: list[Step] = []
        self._starting: Deferred[None] | None = None
        self._settled: Deferred[None] = Deferred()  # fires when `start` is through
        self._step = ""  # what is being started or stopped
        self._hurried = False
        self.stage = Stage.NEW

    @property
    def unready(self) -> list[str]:
        """Why the daemon cannot serve now; empty when it can."""
        if self.stage is Stage.RUNNING:
            return []
        return [f"{self.stage}: {self._step}" if self._step else str(self.stage)]

    @deferred
    async def start(self) -> None:
        """
        Start all steps; when one fails, stop those before it.

        Fails:
            CannotStart: a step refused.
            StartFailed: a step failed otherwise.
            CancelledError: `stop` came first.
        """
        if self.stage is not Stage.NEW:
            raise CancelledError
        self.stage = Stage.STARTING
        self._starting = self._start_all()
        try:
            await self._starting
        except BaseException:
            self.hurry()  # nobody was served yet
            await self._stop_all(GRACE)
            raise
        finally:
            self._settled.callback(None)
        self.stage, self._step = Stage.RUNNING, ""

    @deferred
    async def stop(self, patience: float) -> None:
        """
        Stop all that runs.

        Args:
            patience: seconds until what still runs is hurried; it gets `GRACE` more.

        Fails:
            StopTimedOut: a step did not end; those below it were not stopped.
        """
        if self.stage in (Stage.STOPPING, Stage.STOPPED):
            return
        if self._starting is not None and not self._settled.called:
            self.stage = Stage.STOPPING
            self._starting.cancel()
            await self._settled  # `start` stops what it had started
            return
        self.stage = Stage.STOPPING
        hurrying = self._clock.callLater(patience, self.hurry)
        try:
            await self._stop_all(patience + GRACE)
        finally:
            if hurrying.active():
                hurrying.cancel()

    def hurry(self) -> None:
        """Break off what the steps still wait for.  Idempotent."""
        if self._hurried:
            return
        self._hurried = True
        for step in reversed(self._running):
            try:
                step.hurry()
            except Exception:
                self._log.failure("hurrying the end of {step} failed", step=step.name)

    @deferred
    async def _start_all(self) -> None:
        for step in self._steps:
            self._step = step.name
            try:
                await step.start()
            except (CannotStart, CancelledError):
                raise
            except Exception as error:
                self._log.failure("{step} failed", step=step.name)
                raise StartFailed(step.name, error) from error
            self._running.append(step)
            self._log.debug("{step}: done", step=step.name)
            if self.stage is not Stage.STARTING:  # the step did not heed its cancellation
                raise CancelledError

    @deferred
    async def _stop_all(self, patience: float) -> None:
        try:
            await self._stop_each().addTimeout(patience, self._clock)
        except DeferredTimeout as error:
            raise StopTimedOut(self._step) from error
        finally:
            self.stage = Stage.STOPPED

    @deferred
    async def _stop_each(self) -> None:
        while self._running:
            step = self._running[-1]
            self._step = step.name
            try:
                await step.stop()
            except CancelledError:
                raise
            except Exception:
                self._log.failure("ending {step} failed", step=step.name)
            self._running.pop()
            self._log.debug("{step}: ended", step=step.name)
        self._step = ""
