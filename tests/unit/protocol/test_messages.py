"""What stands in the queues."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.model.locating import Holder
from godos.protocol.fields import Unreadable
from godos.protocol.messages import (
    MAX_BODY,
    AncestorQuery,
    AncestorReply,
    Query,
    Reply,
    as_json,
    decode_query,
    decode_reply,
    encode,
    reply_from_json,
    split,
)

A, B = "a" * 32, "b" * 32
QUERY = Query("u1", (A, B), "api1", "10.0.0.1:8030", 5.0, 0.4, 1, ("n3",))
REPLY = Reply(
    uid="u1",
    names=(A, B),
    to="api1",
    to_address="10.0.0.1:8030",
    holders={A: (Holder("n1", "10.0.0.2:8031", (0,)), Holder("n2", "10.0.0.3:8031", (1, 2)))},
    asked=("n1", "n2"),
    silent=("n3",),
    ttl=5.0,
    spent=0.012,
)

ids = st.text(alphabet="0123456789abcdef", min_size=32, max_size=32)
texts = st.text(
    st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20
)  # whatever a stranger calls a node
seconds = st.integers(0, 60_000).map(lambda ms: ms / 1000)
holder = st.builds(Holder, texts, texts, st.lists(st.integers(0, 999), min_size=1).map(tuple))


@given(
    st.builds(
        Query,
        texts,
        st.lists(ids, min_size=1, unique=True).map(tuple),
        texts,
        texts,
        seconds,
        seconds,
        st.integers(0, 99),
        st.lists(texts).map(tuple),
    )
)
def test_a_query_is_read_as_it_was_written(query: Query) -> None:
    """Nothing is lost on the way through a queue, whatever nodes are called."""
    assert decode_query(encode(query)) == query


@given(st.data())
def test_a_reply_is_read_as_it_was_written(data: st.DataObject) -> None:
    """Holders come out under the blob, node and address that they went in with."""
    names = tuple(data.draw(st.lists(ids, min_size=1, max_size=4, unique=True)))
    held = data.draw(
        st.dictionaries(
            st.sampled_from(names),
            st.lists(holder, min_size=1, unique_by=lambda h: (h.node, h.address)).map(tuple),
        )
    )
    reply = Reply("u", names, "api", "h:1", held, ("n1",), 5.0, ("n2",), True, 0.1, 2)
    read = decode_reply(encode(reply))
    assert isinstance(read, Reply)
    assert {n: set(h) for n, h in read.holders.items()} == {n: set(h) for n, h in held.items()}
    assert (read.names, read.asked, read.silent, read.complete, read.hop) == (
        names,
        ("n1",),
        ("n2",),
        True,
        2,
    )


def test_the_ancestors_fields_are_on_top() -> None:
    """A program that knows only `name`, `uid` and `addr` finds them in our messages."""
    query, reply = json.loads(encode(QUERY)), json.loads(encode(REPLY))
    assert (query["name"], query["uid"]) == (A, "u1")
    assert (reply["name"], reply["uid"], reply["addr"]) == (A, "u1", "10.0.0.2:8031")
    assert (reply["found"], reply["node"]) == (True, "n1")


def test_a_reply_without_holder_has_an_empty_address() -> None:
    """The three fields are there also when nobody holds the blob."""
    reply = json.loads(encode(Reply("u", (A,), "api", "h:1", {}, ("n1",), 5.0, complete=True)))
    assert (reply["addr"], reply["found"], reply["complete"]) == ("", False, True)


def test_the_ancestors_messages_are_told_by_having_no_version() -> None:
    """Its query names an object, its reply the address of a server."""
    assert decode_query('{"uid":"7","addr":"","name":"a b"}') == AncestorQuery("7", "a b")
    assert decode_reply('{"uid":"7","addr":"h:1","name":"x"}') == AncestorReply("7", "x", "h:1")
    assert json.loads(encode(AncestorReply("7", "x", "h:1"))) == {
        "uid": "7",
        "addr": "h:1",
        "name": "x",
    }


def test_a_hand_over_is_the_reply_itself() -> None:
    """What one API server gives another by HTTP reads as if it came from the queue."""
    assert reply_from_json(json.loads(json.dumps(as_json(REPLY)))) == REPLY


@pytest.mark.parametrize(
    "body",
    [
        "", "poison", "[]", "7", "null", "{", "[" * 100_000, "{}",
        '{"uid":1,"name":"x"}', '{"uid":"u"}', '{"uid":"u","name":""}',
        '{"uid":"u","name":"\\ud800"}',
        '{"uid":"u","name":"' + "x" * 2000 + '"}',
        '{"v":3,"t":"locate"}', '{"v":2,"t":"gossip"}', '{"v":2}',
    ],
)  # fmt: skip
def test_what_is_no_query_is_unreadable(body: str) -> None:
    """Bad JSON, unknown types and unknown versions are told apart from questions."""
    with pytest.raises(Unreadable):
        decode_query(body)


def changed(message: Query | Reply, **fields: Any) -> str:
    """The message with some fields replaced."""
    return json.dumps({**as_json(message), **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "../../etc"}, {"name": None}, {"more": ["x"]}, {"more": "x"}, {"from": "api"},
        {"from": {"id": "api"}}, {"ttl": -1}, {"ttl": float("nan")}, {"ttl": float("inf")},
        {"ttl": 10**400}, {"ttl": True}, {"spent": "0"}, {"hop": 1.5}, {"hop": -1},
        {"asked": [1]}, {"asked": [""]}, {"asked": ["n"] * 10_001},
    ],
)  # fmt: skip
def test_a_query_with_a_bad_field_is_unreadable(fields: dict[str, Any]) -> None:
    """No field is trusted to be what it should be."""
    with pytest.raises(Unreadable):
        decode_query(changed(QUERY, **fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"holders": [7]}, {"holders": [{"node": "n", "addr": "h:1"}]},
        {"holders": [{"node": "n", "addr": "h:1", "has": {A: []}}]},
        {"holders": [{"node": "n", "addr": "h:1", "has": {A: ["0"]}}]},
        {"holders": [{"node": "n", "addr": "h:1", "has": {A: [True]}}]},
        {"holders": [{"node": "n", "addr": "", "has": {A: [0]}}]},
        {"to": None}, {"silent": "n1"}, {"t": "locate"},
    ],
)  # fmt: skip
def test_a_reply_with_a_bad_field_is_unreadable(fields: dict[str, Any]) -> None:
    """A holder has a node, an address and indexes, or the reply is refused whole."""
    with pytest.raises(Unreadable):
        decode_reply(changed(REPLY, **fields))


def test_holders_of_blobs_that_the_reply_is_not_about_are_left_out() -> None:
    """A reply speaks of the names that it lists, and of no other."""
    held = [{"node": "n", "addr": "h:1", "has": {"c" * 32: [0], A: [1]}}]
    read = decode_reply(changed(REPLY, holders=held))
    assert isinstance(read, Reply)
    assert read.holders == {A: (Holder("n", "h:1", (1,)),)}


def test_a_large_reply_is_sent_in_parts_that_fit() -> None:
    """A thousand blobs with many holders fit the queue, and nothing is lost between parts."""
    names = tuple(f"{n:032x}" for n in range(1000))
    everywhere = tuple(Holder(f"{n:032x}", f"10.0.0.{n}:8031", (0, 1)) for n in range(20))
    reply = Reply("u", names, "api", "h:1", dict.fromkeys(names, everywhere), ("n",), 5.0)
    parts = split(reply)
    assert len(parts) > 1
    assert all(len(part) <= MAX_BODY for part in parts)
    together: dict[str, Any] = {}
    for part in parts:
        read = decode_reply(part)
        assert isinstance(read, Reply)
        assert set(read.holders) == set(read.names)
        together.update(read.holders)
    assert together == dict.fromkeys(names, everywhere)
