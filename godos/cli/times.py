"""Moments and spans of time, for people."""

from __future__ import annotations

from datetime import UTC, datetime

_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def moment(seconds: float) -> str:
    """A time in seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def span(seconds: float) -> str:
    """A length of time in its greatest unit, rounded down: `3 hours`."""
    for name, length in _UNITS:
        number = int(seconds // length)
        if number:
            return f"{number} {name}{'' if number == 1 else 's'}"
    return "a moment"


def ago(seconds: float, now: float) -> str:
    """How long ago; `never` for 0.0."""
    return f"{span(max(0.0, now - seconds))} ago" if seconds else "never"
