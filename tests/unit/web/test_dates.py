"""Dates of HTTP and of listings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.web.dates import http_date, listing_date, parse_http_date

NOW = 1_700_000_000.0  # 14 November 2023
THEN = 784_111_777  # the date in RFC 9110


@pytest.mark.parametrize(
    "text",
    [
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov  6 08:49:37 1994",
    ],
)
def test_the_three_forms_of_a_date(text: bytes) -> None:
    """A date may come in any form that HTTP ever had."""
    assert parse_http_date(text, NOW) == THEN


@pytest.mark.parametrize(
    ("text", "year"), [(b"26", 2026), (b"73", 2073), (b"74", 1974), (b"99", 1999), (b"00", 2000)]
)
def test_two_digits_of_a_year(text: bytes, year: int) -> None:
    """A year of two digits is at most 50 years ahead."""
    seconds = parse_http_date(b"Friday, 01-Jan-%s 00:00:00 GMT" % text, NOW)
    assert seconds is not None
    assert listing_date(seconds).startswith(f"{year}-01-01T00:00:00")


def test_a_leap_second_is_a_date() -> None:
    """The second 60 counts as the one before it."""
    leap = parse_http_date(b"Sat, 31 Dec 2016 23:59:60 GMT", NOW)
    assert leap == parse_http_date(b"Sat, 31 Dec 2016 23:59:59 GMT", NOW)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"yesterday",
        b"Sun, 06 Nov 1994 08:49:37",
        b"Sun, 06 Nov 1994 08:49:37 CET",
        b"Sun, 31 Feb 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 25:49:37 GMT",
        b"Sun, 6 Nov 1994 08:49:37 GMT",
        b"sun, 06 nov 1994 08:49:37 gmt",
        b"784111777",
        b"Sun, 06 Nov 0000 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:37 GMT\xff",
    ],
)
def test_what_is_no_date(text: bytes) -> None:
    """Anything else is no date."""
    assert parse_http_date(text, NOW) is None


@given(st.integers(0, 4_000_000_000))
def test_dates_come_back(seconds: int) -> None:
    """The date that is sent is read as the same second."""
    assert parse_http_date(http_date(seconds), NOW) == seconds


def test_dates_of_listings() -> None:
    """Listings tell the time to a millisecond."""
    assert listing_date(THEN + 0.25) == "1994-11-06T08:49:37.250Z"
