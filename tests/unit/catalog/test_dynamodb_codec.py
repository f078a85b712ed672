"""Items in DynamoDB's words."""

from __future__ import annotations

from typing import Any

import pytest

from godos.catalog.dynamodb_codec import (
    from_attributes,
    to_attributes,
    to_query,
    to_transaction,
)
from godos.catalog.items import Absent, Check, Delete, Item, Present, Put, RevIs, StateIs
from godos.catalog.rows import MAX_S, Range, to_row, to_steps

TOKEN = "0123456789abcdef" * 2


def test_an_item_is_one_json_attribute_and_what_conditions_compare() -> None:
    """The attributes are those of the documented format, and lead back to the item."""
    item = Item("O#1#0", b"\xff\0", {"k": "ä"}, "r1", "live", 17)
    attributes = to_attributes(to_row(item))
    assert attributes == {
        "p": {"S": "O#1#0"},
        "s": {"B": b"\xff\0"},
        "j": {"S": '{"k":"\\u00e4"}'},
        "rev": {"S": "r1"},
        "state": {"S": "live"},
        "expires": {"N": "17"},
    }
    assert from_attributes(attributes) == item


def test_what_is_not_set_is_left_out() -> None:
    """An item without rev, state and expiry has only its place and data."""
    item = Item("p", b"s", {})
    attributes = to_attributes(to_row(item))
    assert set(attributes) == {"p", "s", "j"}
    assert from_attributes(attributes) == item


@pytest.mark.parametrize(
    ("condition", "text", "name", "value"),
    [
        (Absent(), "attribute_not_exists(#a)", "p", None),
        (Present(), "attribute_exists(#a)", "p", None),
        (RevIs("r"), "#a = :v", "rev", "r"),
        (StateIs("live"), "#a = :v", "state", "live"),
    ],
    ids=str,
)
def test_conditions(condition: Any, text: str, name: str, value: str | None) -> None:
    """Each condition is an expression with aliased names, and asks for what stands there."""
    for action in (
        Put(Item("p", b"s", {}), condition),
        Delete("p", b"s", condition),
        Check("p", b"s", condition),
    ):
        request = to_transaction("table", to_steps([action], TOKEN), TOKEN)
        ((said,),) = (one.values() for one in request["TransactItems"])
        assert said["TableName"] == "table"
        assert said["ConditionExpression"] == text
        assert said["ExpressionAttributeNames"] == {"#a": name}
        assert said.get("ExpressionAttributeValues") == (value and {":v": {"S": value}})
        assert said["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"


def test_actions_keep_their_order_and_the_token_fits() -> None:
    """Reasons of a refusal come in the order of the actions; a token has 36 characters."""
    actions = [Check("p", b"a", Absent()), Delete("p", b"b"), Put(Item("p", b"c", {}))]
    request = to_transaction("table", to_steps(actions, TOKEN), TOKEN)
    assert [next(iter(one)) for one in request["TransactItems"]] == [
        "ConditionCheck",
        "Delete",
        "Put",
    ]
    assert request["ClientRequestToken"] == "01234567-89ab-cdef-0123-456789abcdef"
    assert to_transaction("table", to_steps(actions, TOKEN), TOKEN) == request


@pytest.mark.parametrize(
    ("start", "stop", "condition", "values"),
    [
        (b"", None, "#p = :p", {}),
        (b"a", None, "#p = :p AND #s >= :l", {":l": b"a"}),
        (b"", b"b\0", "#p = :p AND #s <= :h", {":h": b"b"}),
        (b"a", b"b\0", "#p = :p AND #s BETWEEN :l AND :h", {":l": b"a", ":h": b"b"}),
        (
            b"a",
            b"c",
            "#p = :p AND #s BETWEEN :l AND :h",
            {":l": b"a", ":h": b"b" + b"\xff" * (MAX_S - 1)},
        ),
    ],
)
def test_ranges(start: bytes, stop: bytes | None, condition: str, values: dict[str, bytes]) -> None:
    """A range is one condition on the sort key, with edges that are included."""
    request = to_query("table", Range("p", start, stop, 7, True), False)
    assert request is not None
    assert request["KeyConditionExpression"] == condition
    said = {
        name: value["B"]
        for name, value in request["ExpressionAttributeValues"].items()
        if "B" in value
    }
    assert said == values
    assert (request["Limit"], request["ScanIndexForward"], request["ConsistentRead"]) == (
        7,
        False,
        False,
    )


@pytest.mark.parametrize(
    ("start", "stop"), [(b"b", b"a"), (b"a", b"a"), (b"", b""), (b"a", b"a\0")]
)
def test_empty_ranges_ask_nobody(start: bytes, stop: bytes) -> None:
    """A range that can hold no key needs no request, which DynamoDB would refuse."""
    request = to_query("table", Range("p", start, stop, 7, False), True)
    assert (request is None) == (start >= stop)
