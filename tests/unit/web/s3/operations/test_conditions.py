"""Preconditions and ranges, as headers write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.model.errors import GodosError, InvalidRequest, PreconditionFailed
from godos.model.objects import ByteRange, ReadCondition
from godos.model.versions import UNCONDITIONAL, ObjectVersion, WriteCondition
from godos.web.errors import InvalidArgument, UnsupportedFeature
from godos.web.s3.operations.conditions import (
    delete_condition,
    if_range_holds,
    parse_etags,
    read_condition,
    write_condition,
)
from godos.web.s3.operations.ranges import parse_copied_range, parse_range

THEN = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT


# -- entity tags -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "strong", "any_strength"),
    [
        ('"a"', ("a",), ("a",)),
        ("a", ("a",), ("a",)),
        ("*", ("*",), ("*",)),
        ('"*"', (), ()),
        ('"a", "b"', ("a", "b"), ("a", "b")),
        ('"a","b" , c', ("a", "b", "c"), ("a", "b", "c")),
        ('W/"a"', (), ("a",)),
        ('W/"a", "b"', ("b",), ("a", "b")),
        ('"a,b"', ("a,b",), ("a,b",)),
        ('"a", ,, "b",', ("a", "b"), ("a", "b")),
        ("", (), ()),
    ],
)
def test_lists_of_tags(text: str, strong: tuple[str, ...], any_strength: tuple[str, ...]) -> None:
    """Tags lose their quotes; weak ones count only where weak ones may match."""
    assert parse_etags(text, weak=False) == strong
    assert parse_etags(text, weak=True) == any_strength


@pytest.mark.parametrize("text", ['"a', '"a" "b"', 'a"b"', '"a"b'])
def test_what_is_no_list_of_tags(text: str) -> None:
    """A precondition that cannot be read is refused, never ignored."""
    with pytest.raises(InvalidArgument):
        parse_etags(text, weak=True)


@given(st.text())
def test_any_text_as_a_list_of_tags(text: str) -> None:
    """Whatever is sent is a list of tags, or refused."""
    try:
        tags = parse_etags(text, weak=True)
    except GodosError:
        return
    assert all(isinstance(tag, str) for tag in tags)


# -- conditions ------------------------------------------------------------------------------
def test_conditions_of_reads() -> None:
    """The four preconditions of a read, or of the source of a copy."""
    told = {
        "IfMatch": '"a"',
        "IfNoneMatch": 'W/"b", "c"',
        "IfModifiedSince": THEN,
        "IfUnmodifiedSince": THEN,
    }
    expected = ReadCondition(("a",), ("b", "c"), THEN, THEN)
    assert read_condition(told) == expected
    of_copy = {f"CopySource{name}": value for name, value in told.items()}
    assert read_condition(of_copy, "CopySource") == expected
    assert read_condition(of_copy) == ReadCondition()


def test_conditions_of_writes() -> None:
    """A write may ask for the version it knows, for any, for none, or for another."""
    assert write_condition({}) is UNCONDITIONAL
    assert write_condition({"IfMatch": '"abc"'}) == WriteCondition(if_match="abc")
    assert write_condition({"IfMatch": "*"}) == WriteCondition(if_match="*")
    assert write_condition({"IfNoneMatch": "*"}) == WriteCondition(if_none_match_any=True)
    assert write_condition({"IfNoneMatch": '"abc"'}) == WriteCondition(if_none_match="abc")


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"IfMatch": 'W/"abc"'}, PreconditionFailed),
        ({"IfMatch": '"a", "b"'}, UnsupportedFeature),
        ({"IfNoneMatch": '"a", "b"'}, UnsupportedFeature),
        ({"IfMatch": "*", "IfNoneMatch": "*"}, InvalidRequest),
        ({"IfMatch": '"abc'}, InvalidArgument),
    ],
)
def test_conditions_that_cannot_be_kept(request_: dict[str, str], error: type[GodosError]) -> None:
    """A condition that would not be kept is refused."""
    with pytest.raises(error):
        write_condition(request_)


def test_conditions_of_deletes() -> None:
    """A delete may ask for ETag, time and size of the version that it finds."""
    assert delete_condition(None, None, None) is UNCONDITIONAL
    assert delete_condition('"a"', THEN, 0) == WriteCondition("a", modified=THEN, size=0)


@pytest.mark.parametrize(
    ("raw", "holds"),
    [
        (b'"abc"', True),
        (b'"abd"', False),
        (b'W/"abc"', False),
        (b"Sun, 06 Nov 1994 08:49:37 GMT", True),
        (b"Sun, 06 Nov 1994 08:49:38 GMT", False),
    ],
)
def test_if_range(raw: bytes, holds: bool) -> None:
    """A part is of use only to who has another part of this very version."""
    version = ObjectVersion("b", "k", "v", 1, "abc", 3, THEN + 0.75, None, "r", "r")
    assert if_range_holds(raw, version) is holds


# -- ranges ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-4", ByteRange(0, 4)),
        ("bytes=5-", ByteRange(5, None)),
        ("bytes=-3", ByteRange(None, 3)),
        ("bytes=-0", ByteRange(None, 0)),
        ("Bytes= 0-4 ", ByteRange(0, 4)),
        ("bytes=0-" + "9" * 5000, ByteRange(0, 1 << 62)),
        ("bytes=" + "9" * 5000 + "-", ByteRange(1 << 62, None)),
    ],
)
def test_ranges(text: str, expected: ByteRange) -> None:
    """One range is understood: from here to there, from here on, or the last bytes."""
    assert parse_range(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "bytes=4-0",
        "bytes=0-1,5-6",
        "bytes=-",
        "bytes=",
        "bytes",
        "items=0-4",
        "bytes=a-b",
        "bytes=0--4",
        "bytes=--4",
        "bytes=+1-2",
        "bytes=1.5-2",
        "bytes=\xb2-3",
        "bytes=\u0663-4",
        "",
    ],
)
def test_senseless_ranges(text: str) -> None:
    """Several ranges, other units and nonsense get the whole object, as from S3."""
    assert parse_range(text) is None
    with pytest.raises(InvalidArgument):
        parse_copied_range(text)


def test_the_range_of_a_source() -> None:
    """A part of a source is told from its first to its last byte."""
    assert parse_copied_range("bytes=0-4") == ByteRange(0, 4)
    for text in ("bytes=5-", "bytes=-3", "bytes=0-" + "9" * 19):
        with pytest.raises(InvalidArgument):
            parse_copied_range(text)
