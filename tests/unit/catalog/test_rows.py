"""Items as engines keep them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.catalog.items import MAX_ITEM, Absent, Check, Delete, Item, Present, Put, RevIs
from godos.catalog.rows import (
    Row,
    fingerprint,
    from_cursor,
    to_cursor,
    to_item,
    to_row,
    to_steps,
)

TOKEN = "0123456789abcdef" * 2
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
json_ = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), json_, max_size=4))
def test_data_survives(data: dict[str, object]) -> None:
    """Whatever JSON can say comes back from a row as it went in, and rows are ASCII."""
    row = to_row(Item("p", b"s", data))
    assert row.j.isascii()
    assert to_item(row).data == data


def test_an_item_has_its_limit_in_bytes() -> None:
    """The place, the data, rev and state count; one byte more than allowed is refused."""
    frame = Row("é", b"s", '{"a":""}', "rev", "live", 5)
    assert frame.size == 2 + 1 + 8 + 3 + 4
    room = MAX_ITEM - frame.size
    assert to_row(Item("é", b"s", {"a": "x" * room}, "rev", "live", 5)).size == MAX_ITEM
    with pytest.raises(ValueError, match=f"{MAX_ITEM + 1} bytes, and {MAX_ITEM}"):
        to_row(Item("é", b"s", {"a": "x" * (room + 1)}, "rev", "live", 5))


@given(st.text(min_size=1), st.binary(min_size=1))
def test_a_scans_cursor_tells_the_place(p: str, s: bytes) -> None:
    """A cursor leads back to its place, and no cursor to the very beginning."""
    assert from_cursor(to_cursor(p, s)) == (p, s)
    assert from_cursor(None) < (p, s)


def test_a_foreign_cursor_is_refused() -> None:
    """What no scan gave out is an error, not a start from somewhere."""
    with pytest.raises(ValueError):
        from_cursor("elsewhere")


def test_transactions_that_differ_have_different_fingerprints() -> None:
    """The kind of an action, its place, data, rev, state, expiry and condition all count."""
    item = Item("p", b"s", {"n": 1})
    several = [
        [Put(item)],
        [Put(item, Absent())],
        [Put(item, Present())],
        [Put(item, RevIs("1"))],
        [Put(item, RevIs("2"))],
        [Put(Item("q", b"s", {"n": 1}))],
        [Put(Item("p", b"t", {"n": 1}))],
        [Put(Item("p", b"s", {"n": 2}))],
        [Put(Item("p", b"s", {"n": 1}, "1"))],
        [Put(Item("p", b"s", {"n": 1}, None, "1"))],
        [Put(Item("p", b"s", {"n": 1}, None, None, 1))],
        [Delete("p", b"s", Present())],
        [Check("p", b"s", Present())],
        [Put(item), Delete("p", b"t")],
        [Delete("p", b"t"), Put(item)],
    ]
    prints = [fingerprint(to_steps(actions, TOKEN)) for actions in several]
    assert len(set(prints)) == len(several)
    assert prints == [fingerprint(to_steps(actions, TOKEN)) for actions in several]
