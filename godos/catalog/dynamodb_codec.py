"""Rows and conditions in DynamoDB's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from godos.catalog.bounds import inclusive
from godos.catalog.items import Absent, Condition, Item, Present, RevIs
from godos.catalog.rows import Range, Row, Step, to_item

Attributes = Mapping[str, Mapping[str, Any]]

HASH, RANGE = "p", "s"


def to_attributes(row: Row) -> dict[str, dict[str, Any]]:
    """The attributes of an item; what is None is left out."""
    attributes: dict[str, dict[str, Any]] = {**to_key(row.p, row.s), "j": {"S": row.j}}
    if row.rev is not None:
        attributes["rev"] = {"S": row.rev}
    if row.state is not None:
        attributes["state"] = {"S": row.state}
    if row.expires is not None:
        attributes["expires"] = {"N": str(row.expires)}
    return attributes


def from_attributes(attributes: Attributes) -> Item:
    """The item that `to_attributes` spelt."""
    expires = attributes.get("expires")
    row = Row(
        attributes[HASH]["S"],
        bytes(attributes[RANGE]["B"]),
        attributes["j"]["S"],
        attributes.get("rev", {}).get("S"),
        attributes.get("state", {}).get("S"),
        None if expires is None else int(expires["N"]),
    )
    return to_item(row)


def to_key(p: str, s: bytes) -> dict[str, dict[str, Any]]:
    """The key of a place."""
    return {HASH: {"S": p}, RANGE: {"B": s}}


def to_transaction(table: str, steps: Sequence[Step], token: str) -> dict[str, Any]:
    """The arguments of TransactWriteItems."""
    return {
        "TransactItems": [_to_action(table, step) for step in steps],
        # 36 characters are the most it takes, and what the token is: a UUID.
        "ClientRequestToken": str(UUID(hex=token)),
    }


def _to_action(table: str, step: Step) -> dict[str, Any]:
    action: dict[str, Any] = {"TableName": table}
    if step.condition is not None:
        action |= _to_expression(step.condition)
        action["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    if step.row is not None:
        return {"Put": action | {"Item": to_attributes(step.row)}}
    action["Key"] = to_key(step.p, step.s)
    return {"Delete" if step.removes else "ConditionCheck": action}


def _to_expression(condition: Condition) -> dict[str, Any]:
    match condition:
        case Absent():
            return _expression("attribute_not_exists(#a)", HASH)
        case Present():
            return _expression("attribute_exists(#a)", HASH)
        case RevIs(rev):
            return _expression("#a = :v", "rev", rev)
    return _expression("#a = :v", "state", condition.state)


def _expression(text: str, name: str, value: str | None = None) -> dict[str, Any]:
    """Names are aliased: `state` is one of DynamoDB's reserved words, others may become."""
    expression: dict[str, Any] = {
        "ConditionExpression": text,
        "ExpressionAttributeNames": {"#a": name},
    }
    if value is not None:
        expression["ExpressionAttributeValues"] = {":v": {"S": value}}
    return expression


def to_query(table: str, wanted: Range, strong: bool) -> dict[str, Any] | None:
    """The arguments of Query; None for a range that holds no key."""
    edges = inclusive(wanted.start, wanted.stop)
    if edges is None:
        return None
    condition, values = _to_key_condition(*edges)
    return {
        "TableName": table,
        "KeyConditionExpression": f"#p = :p{condition}",
        "ExpressionAttributeNames": {"#p": HASH} | ({"#s": RANGE} if condition else {}),
        "ExpressionAttributeValues": {":p": {"S": wanted.p}} | values,
        "ScanIndexForward": not wanted.reverse,
        "Limit": wanted.limit,
        "ConsistentRead": strong,
    }


def _to_key_condition(low: bytes | None, high: bytes | None) -> tuple[str, dict[str, Any]]:
    if low is not None and high is not None:
        return " AND #s BETWEEN :l AND :h", {":l": {"B": low}, ":h": {"B": high}}
    if low is not None:
        return " AND #s >= :l", {":l": {"B": low}}
    if high is not None:
        return " AND #s <= :h", {":h": {"B": high}}
    return "", {}
