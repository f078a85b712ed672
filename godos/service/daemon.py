"""The service that twistd runs: a life of steps, tied to the reactor, the log and the exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen
from twisted.application.service import IServiceCollection, Service
from twisted.internet.defer import CancelledError
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized

from godos.deferreds import deferred
from godos.model.errors import CannotStart
from godos.service.ending import Ending
from godos.service.lifecycle import Lifecycle, StartFailed, Step, StopTimedOut

Say = Callable[[str], object]


@frozen
class Assembly:
    """
    A daemon put together, and not yet started.

    `welcome` gives the lines for the terminal once all steps run.
    """

    name: str
    steps: Sequence[Step]
    welcome: Callable[[], Sequence[str]]
    stop_timeout: float = 10.0  # seconds


@frozen
class Tuning:
    """What is done to the process as a whole: nothing, unless it is really a daemon's."""

    starting: Callable[[], object] = bool
    running: Callable[[], object] = bool


def say(line: str) -> None:
    """A line to whoever started the daemon; twistd has turned sys.stdout into its log."""
    if sys.__stdout__ is not None:
        print(line, file=sys.__stdout__, flush=True)


class Daemon(Service):
    """
    Runs an assembly.

    When a step cannot start, the process says why in one line and ends with exit code 1.
    When it is told to stop, it ends with exit code 0, or with 1 when a step hangs.
    """

    _log = Logger()

    def __init__(
        self,
        assembly: Assembly,
        reactor: Any,
        ending: Ending,
        observer: ILogObserver | None = None,
        say: Say = say,
        tuning: Tuning = Tuning(),
    ) -> None:
        self._assembly = assembly
        self._tuning = tuning
        self._reactor = reactor
        self._ending = ending
        self._observer = observer
        self._say = say
        self.life = Lifecycle(assembly.steps, reactor)

    def setServiceParent(self, parent: IServiceCollection) -> None:
        super().setServiceParent(parent)
        if self._observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._observer)  # twistd asks for it next

    def startService(self) -> None:
        super().startService()
        self._tuning.starting()
        self._ending.prepare(self.life.hurry)
        # not now: a refusal stops the reactor, which does not run yet
        self._reactor.callWhenRunning(self._begin)

    @deferred
    async def _begin(self) -> None:
        try:
            await self.life.start()
        except CancelledError:
            self._log.info("told to stop before everything ran")
        except (CannotStart, StartFailed, StopTimedOut) as error:
            self._ending.fail(self._assembly.name, str(error))
        except Exception:
            self._log.failure("starting {name} failed", name=self._assembly.name)
            self._ending.fail(self._assembly.name, "failed to start; the log says why")
        else:
            self._tuning.running()
            for line in self._assembly.welcome():
                self._say(line)
                self._log.info("{line}", line=line.strip(), told=True)

    @deferred
    async def stopService(self) -> None:
        super().stopService()
        try:
            await self.life.stop(self._assembly.stop_timeout)
        except StopTimedOut as error:
            self._ending.fail(self._assembly.name, str(error))
            self._reactor.addSystemEventTrigger("after", "shutdown", self._ending.now)
