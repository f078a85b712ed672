"""Signals, exit codes and last words."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from twisted.internet.error import ReactorNotRunning

from godos.service.ending import Ending


class Reactor:
    """As much of a reactor as an ending needs."""

    def __init__(self) -> None:
        self.running: list[Callable[[], None]] = []
        self.stops = 0

    def callWhenRunning(self, function: Callable[[], None]) -> None:
        self.running.append(function)

    def callFromThread(self, function: Callable[..., None], *args: Any) -> None:
        function(*args)

    def stop(self) -> None:
        if self.stops:
            raise ReactorNotRunning
        self.stops += 1


class World:
    """An ending whose signals and interpreter are ours."""

    def __init__(self) -> None:
        self.reactor = Reactor()
        self.at_exit: list[Callable[[], None]] = []
        self.signals: dict[int, Any] = {}
        self.left: list[int] = []
        self.hurried = 0
        self.ending = Ending(
            self.reactor, self.at_exit.append, self.left.append, self.signals.__setitem__
        )
        self.ending.prepare(self.hurry)
        for function in self.reactor.running:
            function()

    def hurry(self) -> None:
        """Counts."""
        self.hurried += 1

    def finish(self) -> list[int]:
        """The interpreter ends; the codes it was made to leave with."""
        for function in self.at_exit:
            function()
        return self.left


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_well(number: int) -> None:
    """SIGTERM and Ctrl-C stop the reactor, and the exit code is 0."""
    world = World()
    world.signals[number](number, None)
    assert world.reactor.stops == 1
    assert world.hurried == 0
    assert world.finish() == []


def test_second_signal_hurries() -> None:
    """Who asks twice does not want to wait for requests."""
    world = World()
    world.signals[signal.SIGINT](signal.SIGINT, None)
    world.signals[signal.SIGINT](signal.SIGINT, None)
    assert world.hurried == 1
    assert world.finish() == []


def test_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that cannot go on says why in one line and ends with exit code 1."""
    err = StringIO()
    monkeypatch.setattr(sys, "__stderr__", err)
    world = World()
    world.ending.fail("godos", "the folder\nis full")
    assert err.getvalue() == "godos: the folder is full\n"
    assert world.reactor.stops == 1
    assert world.finish() == [1]


def test_failure_while_stopping() -> None:
    """A failure during the stop still makes the exit code 1."""
    world = World()
    world.ending.stop()
    world.ending.fail("godos", "a step hangs")
    assert world.finish() == [1]
