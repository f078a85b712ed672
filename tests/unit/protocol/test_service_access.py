"""What parts of the store that act by themselves may do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from godos.model.versions import Bucket
from godos.protocol.acl import canned
from godos.protocol.bucket_access import Ownership, ownership_document
from godos.protocol.policies import Shelf
from godos.protocol.service_access import LOGGING, on_behalf, service_may

LOGS, SOURCE = Bucket("logs", "1", "main", 0.0), Bucket("photos", "2", "eve", 0.0)
LISTED = {"acl": canned("log-delivery-write", "main", "main").document()}


def policy(**members: Any) -> dict[str, Any]:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": LOGGING},
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::logs/of/*",
        **members,
    }
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return {"policy": {"text": text}}


def may(settings: dict[str, Any], name: str = LOGGING, action: str = "s3:PutObject") -> bool:
    facts = on_behalf(SOURCE)
    return service_may(name, action, LOGS, "of/", settings, facts, Shelf())


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [
        ({}, False),
        (policy(), True),
        (policy(Resource="arn:aws:s3:::logs/other/*"), False),
        (policy(Action="s3:GetObject"), False),
        (policy(Principal={"Service": "other.amazonaws.com"}), False),
        (policy(Condition={"StringEquals": {"aws:SourceAccount": "eve"}}), True),
        (policy(Condition={"StringEquals": {"aws:SourceAccount": "bob"}}), False),
        (policy(Condition={"ArnLike": {"aws:SourceArn": "arn:aws:s3:::photos"}}), True),
        (policy(Condition={"ArnLike": {"aws:SourceArn": "arn:aws:s3:::other*"}}), False),
        (policy(Condition={"StringEquals": {"aws:username": "${aws:username}"}}), False),
        (LISTED, True),
        (LISTED | policy(Effect="Deny"), False),
        (LISTED | policy(Action="s3:GetObject"), True),
        (LISTED | {"ownership-controls": ownership_document(Ownership.ENFORCED)}, False),
        (LISTED | {"policy": {"text": "{"}}, False),
        ({"acl": {"v": 9}}, False),
    ],
)
def test_logs_come_only_where_the_bucket_lets_them(settings: dict[str, Any], allowed: bool) -> None:
    """By its policy, or by its list."""
    assert may(settings) is allowed


def test_only_logs_are_let_in_by_a_list() -> None:
    """And only written."""
    assert not may(LISTED, name="other.amazonaws.com")
    assert not may(LISTED, action="s3:ListBucket")
