"""The log: one line for each event, with its level, its subject and its request."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogFilterPredicate,
    ILogObserver,
    LegacyLogObserverWrapper,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    PredicateResult,
    formatEvent,
)
from twisted.python import syslog
from twisted.python.failure import Failure
from twisted.python.logfile import LogFile
from zope.interface import provider

# Twisted tells of every port and factory at `info`; of ours we tell ourselves.
QUIET = ("twisted", "log_legacy", "-")


def one_line(event: LogEvent) -> str:
    """
    `2026-03-01T12:00:00.123Z info godos.web.streaming message request=… | cause`.

    Whatever a client managed to get into a message stays on that line.
    """
    when = datetime.fromtimestamp(event.get("log_time", 0.0), UTC)
    stamp = when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    level = getattr(event.get("log_level"), "name", "info")
    message = formatEvent(event)
    request = event.get("request_id")
    if request and str(request) not in message:
        message += f" request={request}"
    failure = event.get("log_failure")
    if isinstance(failure, Failure):
        message += f" | {cause(failure)}"
    return f"{stamp} {level} {event.get('log_namespace', '-')} {_printable(message)}\n"


def cause(failure: Failure) -> str:
    """A failure as `Type: text (file:line function < caller < …)`, with what caused it."""
    parts: list[str] = []
    error: BaseException | None = failure.value
    while error is not None and len(parts) < 4:
        frames = traceback.extract_tb(error.__traceback__)
        where = " < ".join(
            f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in reversed(frames)
        )
        parts.append(f"{type(error).__name__}: {error}" + (f" ({where})" if where else ""))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return ", from ".join(parts)


def log_observer(twistd: Mapping[str, Any] | None, level: Any) -> ILogObserver:
    """
    Where twistd would log to with its own options, one line an event, from `level` on.

    Args:
        twistd: twistd's options; None stands for none.
    """
    predicate = LogLevelFilterPredicate(defaultLogLevel=level)
    if level is not LogLevel.debug:
        for namespace in QUIET:
            predicate.setLogLevelForNamespace(namespace, max(level, LogLevel.warn))
    return FilteringLogObserver(_target(twistd or {"nodaemon": True}), [predicate])


def _target(twistd: Mapping[str, Any]) -> ILogObserver:
    if twistd.get("syslog"):
        return LegacyLogObserverWrapper(cast(Any, syslog.SyslogObserver(twistd["prefix"]).emit))
    name = twistd.get("logfile") or ("-" if twistd.get("nodaemon") else "twistd.log")
    if name != "-":
        file = LogFile.fromFullPath(name)
        _rotate_on_demand(file.rotate)
        return FileLogObserver(file, one_line)
    if not twistd.get("nodaemon"):
        raise SystemExit("a daemon in the background has no standard output: give it a --logfile")
    # what was told on standard error need not stand on the same terminal twice
    return FilteringLogObserver(
        FileLogObserver(sys.stdout, one_line), [cast(ILogFilterPredicate, _untold)]
    )


@provider(ILogFilterPredicate)
def _untold(event: LogEvent) -> Any:
    return PredicateResult.no if event.get("told") else PredicateResult.maybe


def _rotate_on_demand(rotate: Callable[[], None]) -> None:
    """As twistd does: SIGUSR1 starts a new log file."""
    if not signal.getsignal(signal.SIGUSR1):

        def rotate_soon(_number: int, _frame: object) -> None:
            from twisted.internet import reactor

            reactor.callFromThread(rotate)  # type: ignore[attr-defined]

        signal.signal(signal.SIGUSR1, rotate_soon)


def _printable(text: str) -> str:
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def _short(filename: str) -> str:
    """The last two parts of a path: enough to find it, without whose machine it is."""
    return os.sep.join(filename.split(os.sep)[-2:])
