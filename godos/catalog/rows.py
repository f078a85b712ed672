"""
Items as engines keep them, and the limits that hold in every engine alike.

A caller that breaks a limit has a bug, and should meet it in its first test on memory
or SQLite and not in production on DynamoDB: so the strictest engine sets the limits.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from godos.catalog.items import (
    MAX_ACTIONS,
    MAX_ITEM,
    Absent,
    Action,
    Condition,
    Delete,
    Item,
    Present,
    Put,
    RevIs,
    StateIs,
)

MAX_P = 2048  # bytes of UTF-8.  Source: DynamoDB, partition key length
MAX_S = 1024  # bytes.  Source: DynamoDB, sort key length
MAX_TRANSACTION = 4_000_000  # bytes of all its items.  Source: DynamoDB, TransactWriteItems
MAX_PLACES = 100  # of one get_many.  Source: DynamoDB, BatchGetItem
PAGE_BYTES = 1 << 20  # after which a page ends, as DynamoDB's do

_new = tuple.__new__  # what a NamedTuple's own constructor calls, at half its price
_TOKEN_DIGITS = 32
# One encoder for all: `json.dumps` with options makes one at each call.
_to_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
# `json.loads` looks for space around the text, for half as long again as it reads the rest.
_of_json = json.JSONDecoder().raw_decode


class Row(NamedTuple):
    """
    An item as it is kept: `j` is its data as JSON, in ASCII so that any text survives.

    A plain tuple, because engines make millions of them.
    """

    p: str
    s: bytes
    j: str
    rev: str | None
    state: str | None
    expires: int | None

    @property
    def size(self) -> int:
        """Bytes that count against MAX_ITEM."""
        texts = len(self.j) + len(self.rev or "") + len(self.state or "")
        return len(self.p.encode()) + len(self.s) + texts


class Range(NamedTuple):
    """The question of a `query`."""

    p: str
    start: bytes
    stop: bytes | None
    limit: int
    reverse: bool


class Step(NamedTuple):
    """One action of a transaction, checked: write `row`, or with None remove or only look."""

    p: str
    s: bytes
    condition: Condition | None
    row: Row | None
    removes: bool


def to_row(item: Item) -> Row:
    """
    Encode an item.

    Raises:
        ValueError: its place is none, its data is not JSON, or it is over MAX_ITEM.
    """
    check_place(item.p, item.s)
    text = _to_json(item.data)
    row = Row(item.p, item.s, text, item.rev, item.state, item.expires)
    if row.size > MAX_ITEM:
        raise ValueError(
            f"the item at {item.p!r}, {item.s!r} has {row.size} bytes, and {MAX_ITEM} are allowed"
        )
    return row


def to_item(row: Row) -> Item:
    """Decode what `to_row` made."""
    p, s, j, rev, state, expires = row
    return _new(Item, (p, s, _of_json(j)[0], rev, state, expires))


def to_items(rows: Sequence[Row]) -> tuple[Item, ...]:
    """Decode many rows; their data is read as one text, which takes two thirds of the time."""
    data = _of_json(f"[{','.join([row[2] for row in rows])}]")[0]
    return tuple(
        [
            _new(Item, (p, s, each, rev, state, expires))
            for (p, s, _, rev, state, expires), each in zip(rows, data, strict=True)
        ]
    )


def to_steps(actions: Sequence[Action], token: str) -> tuple[Step, ...]:
    """
    Encode a transaction.

    Raises:
        ValueError: it breaks a limit; the message says which.
    """
    if not 1 <= len(actions) <= MAX_ACTIONS:
        raise ValueError(f"a transaction has 1 to {MAX_ACTIONS} actions, not {len(actions)}")
    if len(token) != _TOKEN_DIGITS or not set(token) <= set("0123456789abcdef"):
        raise ValueError(f"a token has {_TOKEN_DIGITS} hex digits in lower case, unlike {token!r}")
    steps = tuple(_to_step(action) for action in actions)
    if len({step[:2] for step in steps}) < len(steps):
        raise ValueError("each action of a transaction needs a place of its own")
    size = sum(step.row.size for step in steps if step.row is not None)
    if size > MAX_TRANSACTION:
        raise ValueError(f"a transaction of {size} bytes; {MAX_TRANSACTION} are allowed")
    return steps


def _to_step(action: Action) -> Step:
    if isinstance(action, Put):
        row = to_row(action.item)
        return Step(row.p, row.s, action.condition, row, False)
    check_place(action.p, action.s)
    return Step(action.p, action.s, action.condition, None, isinstance(action, Delete))


def holds(condition: Condition | None, standing: tuple[str | None, str | None] | None) -> bool:
    """Whether the condition allows what stands at the place: its rev and state, None: nothing."""
    match condition:
        case None:
            return True
        case Absent():
            return standing is None
        case Present():
            return standing is not None
        case RevIs(rev):
            return standing is not None and standing[0] == rev
        case StateIs(state):
            return standing is not None and standing[1] == state


def fingerprint(steps: Sequence[Step]) -> bytes:
    """8 bytes that tell one transaction from another that was given the same token."""
    parts: list[object] = []
    for p, s, condition, row, removes in steps:
        # `row` repeats the place; repr() of the whole costs three times as much.
        parts += (p, s, condition, removes, *(row[2:] if row is not None else ()))
    return blake2b(repr(parts).encode(), digest_size=8).digest()


def check_place(p: str, s: bytes) -> None:
    """
    Raises:
        ValueError: no item can stand at (`p`, `s`).
    """
    if not 1 <= len(p.encode()) <= MAX_P:
        raise ValueError(f"a partition has 1 to {MAX_P} bytes of UTF-8, unlike {p!r}")
    if not 1 <= len(s) <= MAX_S:
        raise ValueError(f"a sort key has 1 to {MAX_S} bytes, unlike {s!r} in {p!r}")


def check_places(places: Sequence[tuple[str, bytes]]) -> None:
    """
    Raises:
        ValueError: too many places for one `get_many`, or one is none.
    """
    if len(places) > MAX_PLACES:
        raise ValueError(f"at most {MAX_PLACES} items at once, not {len(places)}")
    for p, s in places:
        check_place(p, s)


def to_cursor(p: str, s: bytes) -> str:
    """A scan's cursor that goes on after the item at (`p`, `s`)."""
    return f"{s.hex()}:{p}"


def from_cursor(cursor: str | None) -> tuple[str, bytes]:
    """
    The place after which a scan goes on; before all places when None.

    Raises:
        ValueError: no scan of ours gave out this cursor.
    """
    if cursor is None:
        return "", b""
    s, _, p = cursor.partition(":")
    return p, bytes.fromhex(s)


def check_limit(limit: int) -> None:
    """
    Raises:
        ValueError: no page can hold so few items.
    """
    if limit < 1:
        raise ValueError(f"a page has at least one item, not {limit}")
