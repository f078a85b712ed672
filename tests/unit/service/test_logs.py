"""What a line of the log looks like."""

from __future__ import annotations

import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import Logger, LogLevel, LogPublisher
from twisted.python.failure import Failure

from godos.service.logs import log_observer, one_line


def event(text: str, **fields: Any) -> dict[str, Any]:
    """An event as Logger makes it."""
    return {
        "log_time": 1767225600.25,
        "log_level": LogLevel.warn,
        "log_namespace": "godos.web",
        "log_format": text,
        **fields,
    }


def test_line() -> None:
    """Time, level, who speaks, what happened."""
    line = one_line(event("stored {size} bytes", size=5))
    assert line == "2026-01-01T00:00:00.250Z warn godos.web stored 5 bytes\n"


def test_request_id() -> None:
    """An event of a request carries its id, once."""
    assert one_line(event("done", request_id="r1")).endswith("done request=r1\n")
    assert one_line(event("done ({request_id})", request_id="r1")).endswith("done (r1)\n")


def test_one_event_is_one_line() -> None:
    """What a client put into a name cannot forge another line."""
    line = one_line(event("{key}", key="a\n2026 info forged\x1b[2J\u2028é"))
    assert line.count("\n") == 1
    assert line.endswith("a\\n2026 info forged\\x1b[2J\\u2028é\n")


def test_failure() -> None:
    """A failure's cause stands on the same line, with where it was raised, and its own cause."""
    try:
        try:
            raise OSError("no space")
        except OSError as error:
            raise RuntimeError("cannot store") from error
    except RuntimeError:
        line = one_line(event("put failed", log_failure=Failure()))
    assert line.count("\n") == 1
    assert " | RuntimeError: cannot store (service/test_logs.py:" in line
    assert ", from OSError: no space (" in line


def logged(level: Any, twistd: dict[str, Any]) -> LogPublisher:
    """A publisher with our observer."""
    return LogPublisher(log_observer(twistd, level))


def test_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """--log-level says from which level on; Twisted's own chatter takes a level more."""
    out = StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    publisher = logged(LogLevel.info, {"nodaemon": True})
    Logger("godos.x", observer=publisher).debug("a")
    Logger("godos.x", observer=publisher).info("b")
    Logger("twisted.internet.protocol.Factory", observer=publisher).info("c")
    Logger("twisted.web", observer=publisher).warn("d")
    assert [line.split()[-1] for line in out.getvalue().splitlines()] == ["b", "d"]
    out.truncate(0)
    publisher = logged(LogLevel.error, {"nodaemon": True})
    Logger("twisted.web", observer=publisher).warn("e")
    assert "e\n" not in out.getvalue()


def test_debug_tells_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """With debug nothing is held back."""
    out = StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    Logger("twisted.web", observer=logged(LogLevel.debug, {"nodaemon": True})).debug("c")
    assert out.getvalue().endswith("c\n")


def test_told_twice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What stood on the terminal already is not logged to it, but to a file it is."""
    out = StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    Logger("godos", observer=logged(LogLevel.info, {"nodaemon": True})).info("x", told=True)
    assert out.getvalue() == ""
    file = tmp_path / "g.log"
    publisher = logged(LogLevel.info, {"nodaemon": False, "logfile": str(file)})
    Logger("godos", observer=publisher).info("x", told=True)
    assert file.read_text().endswith(" info godos x\n")


def test_background_without_a_file() -> None:
    """A daemon in the background has no terminal to log to."""
    with pytest.raises(SystemExit, match="--logfile"):
        log_observer({"nodaemon": False, "logfile": "-"}, LogLevel.info)
