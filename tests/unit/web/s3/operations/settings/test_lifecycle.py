"""Lifecycle rules: kept, given back, and refused when they make no sense."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.web.s3.operations.client import Client, Refused

DAY = {"Expiration": {"Days": 1}}
ALL: dict[str, Any] = {"Status": "Enabled", "Filter": {}}
TAG = {"Key": "team", "Value": "red"}


@pytest.fixture
def client() -> Client:
    client = Client()
    client.bucket("photos")
    return client


def put(client: Client, *rules: dict[str, Any]) -> None:
    client.put_bucket_lifecycle_configuration(
        Bucket="photos", LifecycleConfiguration={"Rules": list(rules)}
    )


def kept(client: Client) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]]
    rules = client.get_bucket_lifecycle_configuration(Bucket="photos")["Rules"]
    return rules


def refusal(client: Client, *rules: dict[str, Any]) -> tuple[int, str | None]:
    with pytest.raises(Refused) as caught:
        put(client, *rules)
    return caught.value.status, caught.value.code


@pytest.mark.parametrize(
    "rule",
    [
        {**DAY, "Prefix": "logs/", "Status": "Enabled"},
        {**DAY, "Prefix": "", "Status": "Disabled"},
        {**ALL, **DAY},
        {**ALL, **DAY, "Filter": {"Prefix": "logs/"}},
        {**ALL, **DAY, "Filter": {"Tag": TAG}},
        {**ALL, **DAY, "Filter": {"ObjectSizeGreaterThan": 0}},
        {
            **ALL,
            **DAY,
            "Filter": {
                "And": {
                    "Prefix": "logs/",
                    "Tags": [TAG],
                    "ObjectSizeGreaterThan": 1,
                    "ObjectSizeLessThan": 10,
                }
            },
        },
        {**ALL, "Expiration": {"Date": datetime(2030, 1, 1, tzinfo=UTC)}},
        {**ALL, "Expiration": {"ExpiredObjectDeleteMarker": True}},
        {
            **ALL,
            "NoncurrentVersionExpiration": {"NoncurrentDays": 3, "NewerNoncurrentVersions": 5},
        },
        {**ALL, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
    ],
)
def test_rules_come_back(client: Client, rule: dict[str, Any]) -> None:
    """A rule is given back as it came."""
    put(client, {"ID": "one", **rule})
    assert kept(client) == [{"ID": "one", **rule}]


def test_rules_have_ids(client: Client) -> None:
    """A rule without one is given one, and each another."""
    put(client, {**ALL, **DAY}, {**ALL, **DAY}, {**ALL, **DAY, "ID": ""})
    ids = [rule["ID"] for rule in kept(client)]
    assert len(set(ids)) == 3 and all(ids)


def test_rules_can_be_removed(client: Client) -> None:
    """204, also when there were none; then there are none."""
    for _ in range(2):
        answer = client.delete_bucket_lifecycle(Bucket="photos")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
        with pytest.raises(Refused) as caught:
            kept(client)
        assert caught.value.code == "NoSuchLifecycleConfiguration"
        put(client, {**ALL, **DAY})


def test_the_smallest_size_of_transitions(client: Client) -> None:
    """Tools compare it with what they wrote, though nothing is moved here."""
    put(client, {**ALL, **DAY})
    member = "TransitionDefaultMinimumObjectSize"
    got = client.get_bucket_lifecycle_configuration(Bucket="photos")
    assert got[member] == "all_storage_classes_128K"
    rules = {"Bucket": "photos", "LifecycleConfiguration": {"Rules": [{**ALL, **DAY}]}}
    put_ = client.put_bucket_lifecycle_configuration(**{member: "varies_by_storage_class"}, **rules)
    got = client.get_bucket_lifecycle_configuration(Bucket="photos")
    assert put_[member] == got[member] == "varies_by_storage_class"
    with pytest.raises(Refused) as caught:
        client.put_bucket_lifecycle_configuration(**{member: "none"}, **rules)
    assert caught.value.code == "InvalidArgument"


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({**ALL, **DAY, "Status": "enabled"}, "MalformedXML"),
        ({"Filter": {}, **DAY}, "MalformedXML"),
        ({"Status": "Enabled", **DAY}, "MalformedXML"),
        ({**ALL, **DAY, "Prefix": "x"}, "MalformedXML"),
        ({**ALL, **DAY, "ID": "x" * 256}, "InvalidArgument"),
        (ALL, "InvalidRequest"),
        ({**ALL, "Expiration": {}}, "MalformedXML"),
        ({**ALL, "Expiration": {"Days": 0}}, "InvalidArgument"),
        ({**ALL, "Expiration": {"Days": -1}}, "InvalidArgument"),
        ({**ALL, "Expiration": {"Days": 1, "ExpiredObjectDeleteMarker": True}}, "MalformedXML"),
        (
            {**ALL, "Expiration": {"Date": datetime(2030, 1, 1, 12, tzinfo=UTC)}},
            "InvalidArgument",
        ),
        (
            {
                **ALL,
                "Filter": {"Tag": TAG},
                "Expiration": {"ExpiredObjectDeleteMarker": True},
            },
            "InvalidRequest",
        ),
        ({**ALL, "NoncurrentVersionExpiration": {}}, "MalformedXML"),
        ({**ALL, "NoncurrentVersionExpiration": {"NoncurrentDays": 0}}, "InvalidArgument"),
        (
            {
                **ALL,
                "NoncurrentVersionExpiration": {
                    "NoncurrentDays": 1,
                    "NewerNoncurrentVersions": 101,
                },
            },
            "InvalidArgument",
        ),
        ({**ALL, "AbortIncompleteMultipartUpload": {}}, "MalformedXML"),
        (
            {**ALL, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 0}},
            "InvalidArgument",
        ),
        (
            {
                **ALL,
                "Filter": {"And": {"ObjectSizeLessThan": 5}},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
            },
            "InvalidRequest",
        ),
        ({**ALL, **DAY, "Filter": {"And": {}}}, "MalformedXML"),
        ({**ALL, **DAY, "Filter": {"ObjectSizeGreaterThan": -1}}, "InvalidArgument"),
        ({**ALL, **DAY, "Filter": {"ObjectSizeLessThan": 0}}, "InvalidArgument"),
        (
            {
                **ALL,
                **DAY,
                "Filter": {"And": {"ObjectSizeGreaterThan": 5, "ObjectSizeLessThan": 5}},
            },
            "InvalidRequest",
        ),
        ({**ALL, **DAY, "Filter": {"And": {"Tags": [TAG, TAG]}}}, "InvalidTag"),
        (
            {
                **ALL,
                "Transitions": [
                    {"Date": datetime(2030, 1, 1, 1, tzinfo=UTC), "StorageClass": "GLACIER"}
                ],
            },
            "InvalidArgument",
        ),
        ({**ALL, "Transitions": [{"StorageClass": "GLACIER"}]}, "MalformedXML"),
        ({**ALL, "Transitions": [{"Days": 1, "StorageClass": "DUST"}]}, "MalformedXML"),
    ],
)
def test_rules_that_make_no_sense(client: Client, rule: dict[str, Any], code: str) -> None:
    """They are refused with S3's codes, and those that were there stay."""
    put(client, {"ID": "before", **ALL, **DAY})
    assert refusal(client, rule) == (400, code)
    assert [each["ID"] for each in kept(client)] == ["before"]


def test_how_many_rules(client: Client) -> None:
    """From one to a thousand, each with an ID of its own."""
    assert refusal(client) == (400, "MalformedXML")
    assert refusal(client, *[{**ALL, **DAY}] * 1001) == (400, "MalformedXML")
    assert refusal(client, *[{**ALL, **DAY, "ID": "same"}] * 2) == (400, "InvalidArgument")


def test_nothing_is_moved(client: Client) -> None:
    """There is one class of storage: a rule that would move objects is refused."""
    for move in (
        {"Transitions": [{"Days": 0, "StorageClass": "GLACIER"}]},
        {"NoncurrentVersionTransitions": [{"NoncurrentDays": 1, "StorageClass": "GLACIER"}]},
    ):
        assert refusal(client, {**ALL, **DAY, **move}) == (501, "NotImplemented")
