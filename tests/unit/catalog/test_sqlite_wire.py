"""Frames between the processes that share a catalog file."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.catalog.items import Absent, Check, Delete, Item, Present, Put, RevIs, StateIs
from godos.catalog.sqlite_wire import (
    MAX_FRAME,
    BadFrame,
    Frames,
    pack,
    pack_action,
    pack_item,
    to_frame,
    unpack,
    unpack_action,
    unpack_item,
)

messages = st.lists(
    st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=8), max_size=5
)


@given(messages, st.lists(st.integers(1, 50)))
def test_messages_survive_any_cuts(said: list[Any], sizes: list[int]) -> None:
    """However the stream is cut into pieces, the same messages come out in order."""
    stream = b"".join(map(to_frame, said))
    frames, heard = Frames(), []
    for size in sizes:
        heard += frames.feed(stream[:size])
        stream = stream[size:]
    heard += frames.feed(stream)
    assert heard == said


def test_a_frame_in_pieces_waits_for_its_end() -> None:
    """Nothing is heard before the last byte."""
    frames, stream = Frames(), to_frame(["whole"])
    for byte in stream[:-1]:
        assert list(frames.feed(bytes([byte]))) == []
    assert list(frames.feed(stream[-1:])) == [["whole"]]


@pytest.mark.parametrize(
    "stream",
    [(MAX_FRAME + 1).to_bytes(4), b"GET / HTTP/1.1\r\n", b"\0\0\0\1{", b"\0\0\0\2\xff\xff"],
    ids=["too long", "another protocol", "half JSON", "not text"],
)
def test_nonsense_is_noticed(stream: bytes) -> None:
    """What is no frame of ours ends the conversation; no memory is set aside for it."""
    with pytest.raises(BadFrame):
        list(Frames().feed(stream))


def test_what_came_before_nonsense_was_said() -> None:
    """Messages before a bad frame are heard."""
    heard = []
    with pytest.raises(BadFrame):
        for message in Frames().feed(to_frame("good") + b"\xff\xff\xff\xff"):
            heard.append(message)
    assert heard == ["good"]


def test_a_message_has_its_limit() -> None:
    """Nothing is sent that the other side would have to refuse."""
    with pytest.raises(ValueError, match=str(MAX_FRAME)):
        to_frame("x" * MAX_FRAME)


@given(st.binary())
def test_bytes_survive(s: bytes) -> None:
    """Any bytes can be put into JSON and back."""
    assert unpack(pack(s)) == s


def test_what_was_never_packed_is_refused() -> None:
    """Text with other letters than bytes have is no key."""
    with pytest.raises(ValueError):
        unpack("ключ")


def test_items_survive() -> None:
    """An item, and that there is none, come back as they were."""
    item = Item("ä", b"\0\xff", {"n": [1, None]}, "rev", "live", 17)
    assert unpack_item(pack_item(item)) == item
    assert unpack_item(pack_item(None)) is None


@pytest.mark.parametrize("condition", [None, Absent(), Present(), RevIs("1"), StateIs("live")])
def test_actions_survive(condition: Any) -> None:
    """Each kind of action with each kind of condition comes back as it was."""
    for action in (
        Put(Item("p", b"\xff", {"a": 1}, "2"), condition),
        Delete("p", b"\xff", condition),
        Check("p", b"\xff", condition or Absent()),
    ):
        assert unpack_action(pack_action(action)) == action


@pytest.mark.parametrize(
    "packed",
    [
        [],
        ["drop", None, "p", "s"],
        ["check", None, "p", "s"],
        ["delete", ["sometimes"], "p", "s"],
        ["delete", None, "p", 5],
        ["put", None, None],
        ["put", ["rev"], ["p", "s", {}, None, None, None]],
    ],
    ids=str,
)
def test_other_actions_are_refused(packed: list[Any]) -> None:
    """What is no action is not taken for one."""
    with pytest.raises(ValueError):
        unpack_action(packed)
