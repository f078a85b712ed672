"""What stands in a catalog, read past the servers that use it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import parse_qs

import apsw
import boto3

from godos.catalog.items import Item
from godos.catalog.places import ONLY


def rows(state: str, kind: str = "") -> list[Item]:
    """All rows whose partition begins so, of the catalog that `--state` names."""
    engine, _, where = state.partition(":")
    found = _of_sqlite(where) if engine == "sqlite" else _of_dynamodb(where)
    return [row for row in found if row.p.startswith(kind)]


def _of_sqlite(path: str) -> Iterator[Item]:
    with apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY) as connection:
        for p, s, j, *more in connection.execute("SELECT p, s, j, rev, state FROM items"):
            yield Item(p, s, json.loads(j), *more)


def _of_dynamodb(where: str) -> Iterator[Item]:
    table, _, parameters = where.partition("?")
    endpoint = parse_qs(parameters)["endpoint"][0]
    pages = boto3.client("dynamodb", endpoint_url=endpoint).get_paginator("scan")
    for page in pages.paginate(TableName=table, ConsistentRead=True):
        for item in page["Items"]:
            more = [item.get(name, {}).get("S") for name in ("rev", "state")]
            yield Item(item["p"]["S"], item["s"]["B"], json.loads(item["j"]["S"]), *more)


def head(state: str, key: str) -> Item:
    """The row of an object's latest version."""
    (found,) = [row for row in rows(state, "O#") if row.s == key.encode()]
    return found


def layout(state: str, key: str) -> set[str]:
    """The ids of the nodes that the catalog believes to have an object's bytes."""
    return set(holders(state, key))


def holders(state: str, key: str) -> list[str]:
    """The same, in the order in which a reader asks them."""
    found = rows(state, f"B#{incarnation(state, key)}")
    (blob,) = [row for row in found if row.s == ONLY]
    return [node for _, node in blob.data["layout"]]


def incarnation(state: str, key: str) -> str:
    """The incarnation of an object's blob."""
    name: str = head(state, key).data["inc"]
    return name


def waits_for_repair(state: str, key: str) -> bool:
    """Whether an object's blob has a repair row."""
    return any(row.s.hex() == incarnation(state, key) for row in rows(state, "F#"))
