"""A daemon from the reactor's first turn to its last."""

from __future__ import annotations

import sys
from collections.abc import Callable
from io import StringIO
from typing import Any

from twisted.application.service import Application, IService
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogLevel
from twisted.trial.unittest import SynchronousTestCase

from godos.model.errors import CannotStart
from godos.service.daemon import Assembly, Daemon
from godos.service.ending import Ending
from godos.service.lifecycle import GRACE, Step
from godos.service.logs import log_observer


class Reactor(Clock):
    """A clock that can also run and stop."""

    def __init__(self) -> None:
        super().__init__()
        self.first_turn: list[Callable[[], object]] = []
        self.afterwards: list[Callable[[], object]] = []
        self.stops = 0

    def callWhenRunning(self, function: Callable[[], object]) -> None:
        self.first_turn.append(function)

    def addSystemEventTrigger(self, phase: str, event: str, function: Any) -> None:
        assert (phase, event) == ("after", "shutdown")
        self.afterwards.append(function)

    def stop(self) -> None:
        self.stops += 1


class DaemonTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = Reactor()
        self.said: list[str] = []
        self.left: list[int] = []
        self.err = StringIO()
        self.patch(sys, "__stderr__", self.err)

    def daemon(self, start: Deferred[None], stop: Deferred[None]) -> Daemon:
        """With one step, whose ends are ours."""
        step = Step("opening the catalog", lambda: start, lambda: stop)
        assembly = Assembly("godos", [step], lambda: ["it runs"], stop_timeout=5)
        ending = Ending(
            self.reactor, lambda _: None, self.left.append, lambda _number, _handler: None
        )
        return Daemon(assembly, self.reactor, ending, say=self.said.append)

    def begin(self, daemon: Daemon) -> None:
        """As twistd does: start the services, then run the reactor."""
        daemon.startService()
        for function in self.reactor.first_turn:
            function()

    def test_welcome(self) -> None:
        """A person is told when everything runs, and not before."""
        started: Deferred[None] = Deferred()
        daemon = self.daemon(started, succeed(None))
        self.begin(daemon)
        self.assertEqual(self.said, [])
        started.callback(None)
        self.assertEqual(self.said, ["it runs"])
        self.successResultOf(daemon.stopService())
        self.assertEqual(self.err.getvalue(), "")

    def test_nothing_starts_before_the_reactor(self) -> None:
        """A refusal must be able to stop the reactor, so nothing starts before it runs."""
        daemon = self.daemon(fail(CannotStart("no")), succeed(None))
        daemon.startService()
        self.assertEqual(self.reactor.stops, 0)
        self.begin(daemon)
        self.assertEqual(self.reactor.stops, 1)

    def test_refusal(self) -> None:
        """A daemon that cannot start says why in one line, and stops."""
        daemon = self.daemon(fail(CannotStart("the folder is of a newer format")), succeed(None))
        self.begin(daemon)
        self.assertEqual(self.err.getvalue(), "godos: the folder is of a newer format\n")
        self.assertEqual(self.said, [])
        self.successResultOf(daemon.stopService())

    def test_stopped_while_starting(self) -> None:
        """Told to stop before it runs, it stops in silence."""
        daemon = self.daemon(Deferred(), succeed(None))
        self.begin(daemon)
        self.successResultOf(daemon.stopService())
        self.assertEqual(self.err.getvalue(), "")
        self.assertEqual(self.said, [])

    def test_hanging_step(self) -> None:
        """A step that hangs is named, and the process leaves with exit code 1 all the same."""
        daemon = self.daemon(succeed(None), Deferred())
        self.begin(daemon)
        stopped = daemon.stopService()
        self.reactor.pump([5, GRACE])
        self.successResultOf(stopped)
        self.assertEqual(
            self.err.getvalue(), "godos: gave up waiting for the end of opening the catalog\n"
        )
        for function in self.reactor.afterwards:
            function()
        self.assertEqual(self.left, [1])

    def test_log(self) -> None:
        """twistd logs through our observer when it runs the daemon."""
        observer = log_observer({"nodaemon": True}, LogLevel.info)
        assembly = Assembly("godos", [], list)
        daemon = Daemon(assembly, self.reactor, Ending(self.reactor), observer)
        application = Application("godos")
        daemon.setServiceParent(application)
        self.assertIs(application.getComponent(ILogObserver), observer)
        self.assertEqual(list(IService(application)), [daemon])
