"""Conditional reads and ranges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.model.errors import InvalidRange, NotModified, PreconditionFailed
from godos.model.objects import ByteRange, ReadCondition
from godos.model.versions import ObjectVersion
from godos.protocol.preconditions import check_read, resolve

VERSION = ObjectVersion("b", "k", "v", 1, "tag", 5, 1000.7, None, "r", "rev")


@pytest.mark.parametrize(
    "condition",
    [
        ReadCondition(),
        ReadCondition(if_match=("other", "tag")),
        ReadCondition(if_match=("*",)),
        ReadCondition(if_none_match=("other",)),
        ReadCondition(if_modified_since=999.0),
        ReadCondition(if_unmodified_since=1000.0),
        ReadCondition(if_match=("tag",), if_unmodified_since=1.0),
        ReadCondition(if_none_match=("other",), if_modified_since=2000.0),
    ],
)
def test_conditions_that_hold(condition: ReadCondition) -> None:
    """The read goes on; a date is ignored beside a tag of its kind."""
    check_read(condition, VERSION)


@pytest.mark.parametrize(
    "condition",
    [ReadCondition(if_match=("other",)), ReadCondition(if_unmodified_since=999.0)],
)
def test_conditions_that_fail(condition: ReadCondition) -> None:
    """412: the client's idea of the object is out of date."""
    with pytest.raises(PreconditionFailed):
        check_read(condition, VERSION)


@pytest.mark.parametrize(
    "condition",
    [
        ReadCondition(if_none_match=("tag",)),
        ReadCondition(if_none_match=("*",)),
        ReadCondition(if_modified_since=1000.0),
        ReadCondition(if_match=("tag",), if_none_match=("tag",)),
    ],
)
def test_what_the_client_has_already(condition: ReadCondition) -> None:
    """304, and the error carries the version whose ETag the answer needs."""
    with pytest.raises(NotModified) as caught:
        check_read(condition, VERSION)
    assert caught.value.version is VERSION


sizes = st.integers(0, 50)
edges = st.one_of(st.none(), st.integers(0, 60))


@given(sizes, edges, edges)
def test_a_range_means_what_slicing_means(size: int, first: int | None, last: int | None) -> None:
    """Whatever the numbers, the answer is the slice of RFC 9110, or 416 when it is empty."""
    body = bytes(range(size))
    if first is None:
        expected = body[size - min(last or 0, size) :]
    elif last is not None and last < first:
        expected = b""
    else:
        expected = body[first:] if last is None else body[first : last + 1]
    if expected:
        start, stop = resolve(ByteRange(first, last), size)
        assert body[start:stop] == expected
    else:
        with pytest.raises(InvalidRange):
            resolve(ByteRange(first, last), size)


def test_no_range_is_everything() -> None:
    """Also of an empty object."""
    assert resolve(None, 0) == (0, 0)
