"""Dates of HTTP and of listings."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from time import gmtime

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NUMBER = {month: number for number, month in enumerate(_MONTHS, 1)}
_DAY, _LONG_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)", "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_MONTH, _TIME = f"(?P<month>{'|'.join(_MONTHS)})", r"(?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})"
_FORMS = tuple(
    re.compile(form)
    for form in (
        rf"{_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT",
        rf"{_LONG_DAY}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT",
        rf"{_DAY} {_MONTH} (?P<day>[ 0-9][0-9]) {_TIME} (?P<year>[0-9]{{4}})",
    )
)


@lru_cache(maxsize=4096)
def http_date(seconds: int) -> bytes:
    """Seconds since the epoch as `Sun, 06 Nov 1994 08:49:37 GMT`."""
    year, month, day, hour, minute, second, weekday, _, _ = gmtime(seconds)
    return b"%s, %02d %s %04d %02d:%02d:%02d GMT" % (
        _DAYS[weekday].encode(),
        day,
        _MONTHS[month - 1].encode(),
        year,
        hour,
        minute,
        second,
    )


def listing_date(seconds: float) -> str:
    """Seconds since the epoch as `1994-11-06T08:49:37.000Z`, the form of S3's listings."""
    year, month, day, hour, minute, second, _, _, _ = gmtime(seconds)
    millis = int(seconds * 1000) % 1000
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"


def parse_http_date(raw: bytes, now: float) -> float | None:
    """
    Read any of the three forms of an HTTP date; None when it is none of them.

    Args:
        now: seconds since the epoch, to tell the century of a two-digit year.

    Source: RFC 9110, section 5.6.7.
    """
    text = raw.decode("latin-1")
    for form in _FORMS:
        match = form.fullmatch(text)
        if match is not None:
            return _seconds(match, now)
    return None


def _seconds(match: re.Match[str], now: float) -> float | None:
    hour, minute, second = (int(part) for part in match["time"].split(":"))
    month, day, year = _NUMBER[match["month"]], int(match["day"]), int(match["year"])
    this_year = datetime.fromtimestamp(now, UTC).year
    if len(match["year"]) == 2:  # more than 50 years ahead means the past
        year += this_year - this_year % 100
        year -= 100 if year > this_year + 50 else 0
    try:  # a leap second is the one before it
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC).timestamp()
    except ValueError:
        return None
