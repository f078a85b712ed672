"""
The messages of locate, as they stand in queues and in hand-overs between API servers.

The ancestor's three fields `name`, `uid` and `addr` come first, so that its messages are
ours without the rest; `docs/locate.rst` specifies every field.  Whatever is read here was
written by anybody who may send to the queue: it is checked, and never more than a hint.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import evolve, frozen

from godos.model.locating import Holder
from godos.model.names import is_id
from godos.protocol.fields import (
    Unreadable,
    count,
    indexes,
    json_object,
    listed,
    part,
    seconds,
    text,
    texts,
)

VERSION = 2
MAX_BODY = 200 << 10  # bytes of one message.  SQS took 256 KiB for long, 1 MiB since 2025
MAX_NAMES = 1000  # of one query
MAX_TTL = 60.0  # seconds
_MAX_NAME = 1024  # characters of the ancestor's object name


@frozen
class Query:
    """
    Who holds these blobs?

    `names` are incarnations.  `asker` is the API server that wants to know, `asked` lists
    nodes that have answered already.  `ttl` is how many seconds the question lives, and
    `spent` how many of them had passed when this message was sent.  `hop` counts how often
    it was sent before.
    """

    uid: str
    names: tuple[str, ...]
    asker: str
    asker_address: str
    ttl: float
    spent: float = 0.0
    hop: int = 0
    asked: tuple[str, ...] = ()


@frozen
class Reply:
    """
    What some nodes say about the blobs `names` of question `uid`.

    `asked` lists the nodes that answered, `silent` those that the writer knows and that
    did not.  `complete`: the writer knows of no other node.  `hop` counts how often the
    reply was put back into the queue for want of its asker, `to`.
    """

    uid: str
    names: tuple[str, ...]
    to: str
    to_address: str
    holders: Mapping[str, tuple[Holder, ...]]
    asked: tuple[str, ...]
    ttl: float
    silent: tuple[str, ...] = ()
    complete: bool = False
    spent: float = 0.0
    hop: int = 0


@frozen
class AncestorQuery:
    """The ancestor asks for an object by the name its client gave."""

    uid: str
    name: str


@frozen
class AncestorReply:
    """The server at `address` serves the object `name`; there is no other answer."""

    uid: str
    name: str
    address: str


# -- writing ---------------------------------------------------------------------------
def encode(message: Query | Reply | AncestorReply) -> str:
    """The body of a queue message: JSON in ASCII, without spaces."""
    return json.dumps(as_json(message), separators=(",", ":"))


def as_json(message: Query | Reply | AncestorReply) -> dict[str, Any]:
    """The message as JSON values, which is also the body of a hand-over."""
    if isinstance(message, Query):
        return _query_as_json(message)
    if isinstance(message, Reply):
        return _reply_as_json(message)
    return {"uid": message.uid, "addr": message.address, "name": message.name}


def _query_as_json(query: Query) -> dict[str, Any]:
    return {
        "name": query.names[0],
        "uid": query.uid,
        "v": VERSION,
        "t": "locate",
        "ttl": query.ttl,
        "spent": round(query.spent, 3),
        "hop": query.hop,
        "from": {"id": query.asker, "addr": query.asker_address},
        "asked": list(query.asked),
        "more": list(query.names[1:]),
    }


def _reply_as_json(reply: Reply) -> dict[str, Any]:
    holders = _by_node(reply.holders)
    first = next(iter(reply.holders.get(reply.names[0], ())), None)
    return {
        "uid": reply.uid,
        "addr": "" if first is None else first.address,
        "name": reply.names[0],
        "v": VERSION,
        "t": "located",
        "found": bool(holders),
        "node": "" if first is None else first.node,
        "holders": holders,
        "asked": list(reply.asked),
        "silent": list(reply.silent),
        "complete": reply.complete,
        "to": {"id": reply.to, "addr": reply.to_address},
        "more": list(reply.names[1:]),
        "ttl": reply.ttl,
        "spent": round(reply.spent, 3),
        "hop": reply.hop,
    }


def _by_node(holders: Mapping[str, Iterable[Holder]]) -> list[dict[str, Any]]:
    """One entry for each node, as a node that holds one blob often holds more."""
    nodes: dict[tuple[str, str], dict[str, list[int]]] = {}
    for name, of_name in holders.items():
        for holder in of_name:
            nodes.setdefault((holder.node, holder.address), {})[name] = list(holder.indexes)
    return [{"node": node, "addr": addr, "has": has} for (node, addr), has in nodes.items()]


def split(reply: Reply, limit: int = MAX_BODY) -> list[str]:
    """
    The bodies that together say what `reply` says, each of at most `limit` bytes.

    Each has some of the names, and all that is known about these.
    """
    body = encode(reply)
    if len(body) <= limit or len(reply.names) == 1:
        return [body]
    half = len(reply.names) // 2
    return [
        part
        for names in (reply.names[:half], reply.names[half:])
        for part in split(_about(reply, names), limit)
    ]


def _about(reply: Reply, names: tuple[str, ...]) -> Reply:
    kept = {name: reply.holders[name] for name in names if name in reply.holders}
    return evolve(reply, names=names, holders=kept)


# -- reading ---------------------------------------------------------------------------
def decode_query(body: str) -> Query | AncestorQuery:
    """
    Read what arrived on a query queue.

    Raises:
        Unreadable: it is no query of ours, and none of the ancestor's.
    """
    fields = json_object(body)
    if "v" not in fields:
        return AncestorQuery(text(fields, "uid"), text(fields, "name", _MAX_NAME))
    _expect(fields, "locate")
    asker = part(fields, "from")
    return Query(
        uid=text(fields, "uid"),
        names=_names(fields),
        asker=text(asker, "id"),
        asker_address=text(asker, "addr"),
        ttl=seconds(fields, "ttl", MAX_TTL),
        spent=seconds(fields, "spent"),
        hop=count(fields, "hop"),
        asked=texts(fields, "asked"),
    )


def decode_reply(body: str) -> Reply | AncestorReply:
    """
    Read what arrived on a reply queue.

    Raises:
        Unreadable: it is no reply of ours, and none of the ancestor's.
    """
    fields = json_object(body)
    if "v" not in fields:
        return AncestorReply(
            text(fields, "uid"), text(fields, "name", _MAX_NAME), text(fields, "addr")
        )
    return reply_from_json(fields)


def reply_from_json(fields: Any) -> Reply:
    """
    Read a reply that was handed over, as the JSON values of the request's body.

    Raises:
        Unreadable: it is none.
    """
    if not isinstance(fields, dict):
        raise Unreadable("a message is a JSON object")
    _expect(fields, "located")
    to, names = part(fields, "to"), _names(fields)
    return Reply(
        uid=text(fields, "uid"),
        names=names,
        to=text(to, "id"),
        to_address=text(to, "addr"),
        holders=_holders(fields, frozenset(names)),
        asked=texts(fields, "asked"),
        silent=texts(fields, "silent"),
        complete=fields.get("complete") is True,
        ttl=seconds(fields, "ttl", MAX_TTL),
        spent=seconds(fields, "spent"),
        hop=count(fields, "hop"),
    )


def _expect(fields: Mapping[str, Any], kind: str) -> None:
    if fields.get("v") != VERSION or fields.get("t") != kind:
        raise Unreadable(f"expected a message of type {kind}, version {VERSION}")


def _names(fields: Mapping[str, Any]) -> tuple[str, ...]:
    names = [fields.get("name"), *listed(fields, "more")]
    if not all(isinstance(name, str) and is_id(name) for name in names):
        raise Unreadable("names are incarnations")
    return tuple(dict.fromkeys(names))


def _holders(fields: Mapping[str, Any], names: frozenset[str]) -> dict[str, tuple[Holder, ...]]:
    holders: dict[str, list[Holder]] = {}
    for entry in listed(fields, "holders"):
        if not isinstance(entry, dict):
            raise Unreadable("holders is a list of objects")
        node, address = text(entry, "node"), text(entry, "addr")
        for name, listed_indexes in part(entry, "has").items():
            if name in names:
                holder = Holder(node, address, indexes(listed_indexes))
                holders.setdefault(name, []).append(holder)
    return {name: tuple(of_name) for name, of_name in holders.items()}
