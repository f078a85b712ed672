"""Values as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.web.s3.scalars import read_boolean, read_timestamp, write_http_date, write_iso


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1994-11-06T08:49:37Z", 784111777.0),
        ("1994-11-06T08:49:37.000Z", 784111777.0),
        (" 1994-11-06T08:49:37.25+00:00\n", 784111777.25),
        ("1994-11-06T09:49:37+01:00", 784111777.0),
        ("1994-11-06T05:19:37-0330", 784111777.0),
        ("1994-11-06T08:49:37", 784111777.0),
        ("1994-11-06", 784080000.0),
        ("1994-11-06T00:00z", 784080000.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784111777.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777.0),
        ("1969-12-31T23:59:59Z", -1.0),
    ],
)
def test_times(text: str, seconds: float) -> None:
    """All forms in which clients write a time."""
    assert read_timestamp(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "20300101",
        "784111777",
        "9999-12-31T23:59:59-01:00",
        "2030-13-01",
        "2030-02-30T00:00:00Z",
        "2030-01-01T24:00:00Z",
        "2030-01-01T00:00:00+99:00",
        "0001-01-01T00:00:00+10:00",
        "0000-01-01",
        "2030-W01-1",
    ],
)
def test_times_that_are_none(text: str) -> None:
    """They are refused, and not guessed."""
    with pytest.raises(ValueError, match="is a date"):
        read_timestamp(text)


@given(st.text())
def test_any_text_for_a_time(text: str) -> None:
    """It is a time, or it is refused with a reason."""
    try:
        assert isinstance(read_timestamp(text), float)
    except ValueError as error:
        assert str(error).startswith("is a date")


@given(st.integers(0, 4_102_444_800_000))
def test_times_come_back(millis: int) -> None:
    """What is written is read as the same time."""
    seconds = millis / 1000
    assert read_timestamp(write_iso(seconds)) == seconds
    assert read_timestamp(write_http_date(seconds)) == seconds // 1


def test_booleans() -> None:
    """SDKs write them in several ways."""
    assert [read_boolean(text) for text in ("true", "TRUE", " False ", "false")] == [
        True,
        True,
        False,
        False,
    ]
    with pytest.raises(ValueError, match="true or false"):
        read_boolean("1")
