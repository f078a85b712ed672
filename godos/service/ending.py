"""How the process ends: on which signals, with which exit code, and what it says last."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.error import ReactorNotRunning
from twisted.logger import Logger

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Ending:
    """
    The end of this process.

    twistd ends a process that a signal stopped by sending itself that signal again, which
    makes the exit code -15 and tells a supervisor that something broke.  So the signals are
    taken here, after the reactor took them, and lead to a plain `reactor.stop`.  twistd has
    no exit code for a daemon that failed after it began, either: it is set at the very end
    of the interpreter.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        at_exit: Callable[[Callable[[], None]], object] = atexit.register,
        leave: Callable[[int], object] = os._exit,
        set_signal: Callable[[int, Any], object] = signal.signal,
    ) -> None:
        self._reactor = reactor
        self._at_exit = at_exit
        self._leave = leave
        self._set_signal = set_signal
        self._hurry: Callable[[], None] | None = None
        self._signals = 0
        self.code = 0

    def prepare(self, hurry: Callable[[], None]) -> None:
        """
        Take the signals as soon as the reactor runs, and the end of the interpreter.

        Args:
            hurry: called when a second signal shows that the first one takes too long.
        """
        self._hurry = hurry
        self._at_exit(self._at_end)
        self._reactor.callWhenRunning(self._take_signals)

    def fail(self, name: str, reason: str) -> None:
        """Stop the reactor and end with exit code 1, saying why in one line."""
        self.code = 1
        line = " ".join(f"{name}: {reason}".split())
        self._log.critical("{line}", line=line, told=True)
        print(line, file=sys.__stderr__, flush=True)
        self.stop()

    def stop(self) -> None:
        """Stop the reactor.  Idempotent."""
        with suppress(ReactorNotRunning):  # it is stopping already
            self._reactor.stop()

    def now(self) -> None:
        """Leave at once with exit code 1, whatever threads still hang in a system call."""
        self.code = 1
        self._at_end()

    def _take_signals(self) -> None:
        for number in SIGNALS:
            self._set_signal(number, self._signalled)

    def _signalled(self, number: int, _frame: object) -> None:
        self._reactor.callFromThread(self._stop_on, signal.Signals(number).name)

    def _stop_on(self, name: str) -> None:
        self._signals += 1
        if self._signals == 1:
            self._log.info("{signal}: stopping", signal=name)
            self.stop()
        elif self._hurry is not None:
            self._log.info("{signal} again: breaking off what still runs", signal=name)
            self._hurry()

    def _at_end(self) -> None:
        if self.code:
            for stream in (sys.__stdout__, sys.__stderr__):
                if stream is not None:
                    stream.flush()
            self._leave(self.code)
