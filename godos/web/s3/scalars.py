"""
Values on the wire: text that becomes a value, and values that become text.

Timestamps are seconds since the epoch.  Readers raise ValueError, with a reason, for text
that is no such value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from time import gmtime
from typing import Any

from godos.web.dates import http_date, parse_http_date

Read = Callable[[str], Any]
Write = Callable[[Any], str]

_INT = re.compile(r"[+-]?[0-9]{1,20}")
_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:T([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?",
    re.IGNORECASE,
)
_PIVOT = 946684800.0  # a year of two digits is within fifty years of 2000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# -- from text -----------------------------------------------------------------------------
def read_text(text: str) -> str:
    """Text as it is; enumerations too, for S3 has a code of its own for most of them."""
    return text


def read_boolean(text: str) -> bool:
    """`true` or `false`, in any case of letters, as SDKs write them."""
    match text.strip().lower():
        case "true":
            return True
        case "false":
            return False
    raise ValueError("is true or false")


def _read_integer(bits: int) -> Read:
    largest = (1 << (bits - 1)) - 1

    def read(text: str) -> int:
        text = text.strip()
        if _INT.fullmatch(text):
            number = int(text)
            if -largest <= number <= largest:
                return number
        raise ValueError(f"is a whole number of at most {bits} bits")

    return read


def read_timestamp(text: str) -> float:
    """Any of the forms in which S3's clients write a time: of ISO 8601, or of HTTP."""
    text = text.strip()
    match = _ISO.fullmatch(text)
    if match is not None:
        return _iso_seconds(match)
    seconds = parse_http_date(text.encode("utf-8"), _PIVOT)
    if seconds is None:
        raise ValueError("is a date such as 2030-12-31T00:00:00Z")
    return seconds


def _iso_seconds(match: re.Match[str]) -> float:
    year, month, day, hour, minute, second, fraction, zone = match.groups(default="")
    try:
        when = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            tzinfo=_zone(zone),
        )
        whole = (when.astimezone(UTC) - _EPOCH) // timedelta(seconds=1)
    except (ValueError, OverflowError) as error:
        raise ValueError("is a date that exists") from error
    return float(f"{whole}.{fraction}") if fraction and whole >= 0 else float(whole)


def _zone(text: str) -> timezone:
    if text in ("", "Z", "z"):
        return UTC
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[-2:])))


READERS: Mapping[str, Read] = {
    "string": read_text,
    "boolean": read_boolean,
    "integer": _read_integer(32),
    "long": _read_integer(64),
    "timestamp": read_timestamp,
}


# -- to text -------------------------------------------------------------------------------
def write_boolean(value: bool) -> str:
    """`true` or `false`."""
    return "true" if value else "false"


# Listings write a thousand times, and formatting numbers is half of that.
_SECONDS = tuple(f"{second:02}" for second in range(60))
_MILLIS = tuple(f".{millis:03}Z" for millis in range(1000))


@lru_cache(maxsize=4096)
def _minute(minutes: int) -> str:
    year, month, day, hour, minute, _, _, _, _ = gmtime(minutes * 60)
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:"


def write_iso(seconds: float) -> str:
    """
    `1994-11-06T08:49:37.000Z`, the form of S3's documents.

    Never later than the time itself, but for what a float cannot tell.
    """
    whole, millis = divmod(int(seconds * 1000 + 0.001), 1000)
    minutes, second = divmod(whole, 60)
    return _minute(minutes) + _SECONDS[second] + _MILLIS[millis]


def write_http_date(seconds: float) -> str:
    """`Sun, 06 Nov 1994 08:49:37 GMT`, the form of headers."""
    return http_date(int(seconds // 1)).decode()


def _write_string(value: str) -> str:
    return value


WRITERS: Mapping[str, Write] = {
    "string": _write_string,
    "boolean": write_boolean,
    "integer": str,
    "long": str,
}
DATES: Mapping[str, Write] = {"iso8601": write_iso, "rfc822": write_http_date}
