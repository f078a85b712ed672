"""
How processes of one machine speak about items: frames of JSON over a stream.

A frame is its length in 4 bytes, most significant first, and that much JSON in ASCII.  Each
side begins with a greeting.  A request is ``[number, verb, argument…]``, its answer
``[number, outcome, value]``; answers come in any order.  Bytes are written as text of the
code points 0 to 255.  The whole of it is specified in ``docs/catalog-format.rst``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from godos.catalog.items import (
    Absent,
    Action,
    Check,
    Condition,
    Delete,
    Item,
    Present,
    Put,
    RevIs,
    StateIs,
)

VERSION = 1
GREETING = ["godos items", VERSION]
# The largest answer: a hundred items of 380 KB that all stood in the way.
MAX_FRAME = 48 << 20
_HEAD = 4  # bytes of a frame's length


class BadFrame(Exception):
    """What came is no frame of ours; the connection is of no more use."""


def to_frame(message: object) -> bytes:
    """
    Raises:
        ValueError: the message is not JSON, or longer than any frame may be.
    """
    text = json.dumps(message, separators=(",", ":"), allow_nan=False).encode("ascii")
    if len(text) > MAX_FRAME:
        raise ValueError(f"a message of {len(text)} bytes, and {MAX_FRAME} are allowed")
    return len(text).to_bytes(_HEAD) + text


class Frames:
    """Messages out of a stream that arrives in pieces."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        """
        The messages that `data` completes.

        Raises:
            BadFrame: too long, or not JSON.
        """
        self._waiting += data
        start = 0
        try:
            while len(self._waiting) - start >= _HEAD:
                length = int.from_bytes(self._waiting[start : start + _HEAD])
                if length > MAX_FRAME:
                    raise BadFrame(f"a frame of {length} bytes")
                end = start + _HEAD + length
                if len(self._waiting) < end:
                    return
                text = bytes(self._waiting[start + _HEAD : end])
                start = end
                yield _parsed(text)
        finally:
            del self._waiting[:start]


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadFrame(f"not JSON: {error}") from error


def pack(s: bytes) -> str:
    """Bytes as JSON can hold them."""
    return s.decode("latin-1")


def unpack(text: str) -> bytes:
    """
    Raises:
        ValueError: not from `pack`.
    """
    return text.encode("latin-1")


def pack_item(item: Item | None) -> list[Any] | None:
    """An item as JSON."""
    if item is None:
        return None
    return [item.p, pack(item.s), item.data, item.rev, item.state, item.expires]


def unpack_item(packed: list[Any] | None) -> Item | None:
    """What `pack_item` packed."""
    return None if packed is None else _item(packed)


def unpack_items(packed: Sequence[list[Any]]) -> tuple[Item, ...]:
    """Items of a page."""
    return tuple(map(_item, packed))


def _item(packed: list[Any]) -> Item:
    p, s, *rest = packed
    return Item(p, unpack(s), *rest)


def pack_action(action: Action) -> list[Any]:
    """An action as JSON."""
    condition = None if action.condition is None else _pack_condition(action.condition)
    match action:
        case Put(item):
            return ["put", condition, pack_item(item)]
        case Delete(p, s):
            return ["delete", condition, p, pack(s)]
    return ["check", condition, action.p, pack(action.s)]


def unpack_action(packed: list[Any]) -> Action:
    """
    What `pack_action` packed.

    Raises:
        ValueError: something else.
    """
    match packed:
        case ["put", condition, list(item)]:
            return Put(_item(item), _unpack_condition(condition))
        case ["delete", condition, str(p), str(s)]:
            return Delete(p, unpack(s), _unpack_condition(condition))
        case ["check", list(condition), str(p), str(s)]:
            checked = _unpack_condition(condition)
            if checked is not None:
                return Check(p, unpack(s), checked)
    raise ValueError("not an action")


def _pack_condition(condition: Condition) -> list[str]:
    match condition:
        case Absent():
            return ["absent"]
        case Present():
            return ["present"]
        case RevIs(rev):
            return ["rev", rev]
    return ["state", condition.state]


def _unpack_condition(packed: list[Any] | None) -> Condition | None:
    match packed:
        case None:
            return None
        case ["absent"]:
            return Absent()
        case ["present"]:
            return Present()
        case ["rev", str(rev)]:
            return RevIs(rev)
        case ["state", str(state)]:
            return StateIs(state)
    raise ValueError("not a condition")
