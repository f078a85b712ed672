"""Who wants to be told of an event, and the message that tells it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.protocol.notifications import message, trial_message, wanted

EVENT = {
    "name": "ObjectCreated:Put",
    "bucket": "photos",
    "bucket_id": "b1",
    "bucket_owner": "ann",
    "owner": "bob",
    "key": "a b/ö+.jpg",
    "size": 5,
    "etag": "e1",
    "sequencer": "0055AED6DCD90281E5",
    "time": 1_700_000_000.1239,
}


def queue(*events: str, **filters: str) -> dict[str, Any]:
    rules = [{"Name": name, "Value": value} for name, value in filters.items()]
    found = {"Id": "c", "QueueArn": "arn:aws:sqs:r:1:q", "Events": list(events)}
    return {**found, "Filter": {"Key": {"FilterRules": rules}}} if rules else found


def wants(event: str, key: str, *queues: dict[str, Any]) -> int:
    return len(wanted({"QueueConfigurations": list(queues)}, event, key))


def record(**changes: Any) -> dict[str, Any]:
    document = json.loads(message({**EVENT, **changes}, "c", "eu-west-1"))
    assert list(document) == ["Records"]
    (found,) = document["Records"]
    return dict(found)


@pytest.mark.parametrize(
    ("pattern", "event", "expected"),
    [
        ("s3:ObjectCreated:*", "ObjectCreated:Put", True),
        ("s3:ObjectCreated:*", "ObjectCreated:CompleteMultipartUpload", True),
        ("s3:ObjectCreated:Put", "ObjectCreated:Put", True),
        ("s3:ObjectCreated:Put", "ObjectCreated:Post", False),
        ("s3:ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated", False),
        ("s3:ObjectRemoved:*", "ObjectCreated:Put", False),
        ("s3:ObjectAcl:Put", "ObjectAcl:Put", True),
    ],
)
def test_names(pattern: str, event: str, expected: bool) -> None:
    """An event is wanted by its name, or by that of its group with a star."""
    assert bool(wants(event, "k", queue(pattern))) is expected


@pytest.mark.parametrize(
    ("filters", "key", "expected"),
    [
        ({"prefix": "in/"}, "in/a", True),
        ({"prefix": "in/"}, "a/in/", False),
        ({"suffix": ".jpg"}, "a.jpg", True),
        ({"suffix": ".jpg"}, "a.JPG", False),
        ({"prefix": "in/", "suffix": ".jpg"}, "in/a.jpg", True),
        ({"prefix": "in/", "suffix": ".jpg"}, "in/a.png", False),
        ({"Prefix": "in/", "Suffix": ".jpg"}, "out/a.jpg", False),
        ({"prefix": ""}, "anything", True),
    ],
)
def test_filters(filters: dict[str, str], key: str, expected: bool) -> None:
    """A key must begin and end as the filter says; its names may be capitalised."""
    assert bool(wants("ObjectCreated:Put", key, queue("s3:ObjectCreated:*", **filters))) is expected


def test_several() -> None:
    """Each configuration that covers an event is told of it; one without any tells nobody."""
    created, removed = queue("s3:ObjectCreated:*"), queue("s3:ObjectRemoved:*")
    assert wants("ObjectCreated:Put", "k", created, removed, created) == 2
    assert wants("ObjectCreated:Put", "k", queue("s3:ObjectRemoved:*", "s3:ObjectCreated:*")) == 1
    assert list(wanted({}, "ObjectCreated:Put", "k")) == []
    assert list(wanted({"QueueConfigurations": None}, "ObjectCreated:Put", "k")) == []


def test_message() -> None:
    """A message is what S3 sends, member by member."""
    told = {"by": "cid", "address": "192.0.2.7", "request_id": "R1", "version_id": "v1"}
    assert record(**told) == {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-west-1",
        "eventTime": "2023-11-14T22:13:20.123Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "cid"},
        "requestParameters": {"sourceIPAddress": "192.0.2.7"},
        "responseElements": {"x-amz-request-id": "R1"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "c",
            "bucket": {
                "name": "photos",
                "ownerIdentity": {"principalId": "ann"},
                "arn": "arn:aws:s3:::photos",
            },
            "object": {
                "key": "a+b/%C3%B6%2B.jpg",
                "size": 5,
                "eTag": "e1",
                "versionId": "v1",
                "sequencer": "0055AED6DCD90281E5",
            },
        },
    }


def test_nobody_did_it() -> None:
    """What the server itself did is told as the owner's doing; there is no version to name."""
    told = record()
    assert told["userIdentity"] == {"principalId": "bob"}
    assert "versionId" not in told["s3"]["object"]


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("ObjectRemoved:Delete", "2.1"),
        ("ObjectRemoved:DeleteMarkerCreated", "2.1"),
        ("LifecycleExpiration:Delete", "2.3"),
    ],
)
def test_removals(name: str, version: str) -> None:
    """What is removed has neither size nor ETag."""
    told = record(name=name)
    assert told["eventVersion"] == version
    assert set(told["s3"]["object"]) == {"key", "sequencer"}


def test_later_events() -> None:
    """Events that S3 got later have a later version of the structure."""
    assert record(name="ObjectTagging:Put")["eventVersion"] == "2.3"
    assert record(name="ObjectAcl:Put")["eventVersion"] == "2.3"


@given(st.text(min_size=1, max_size=40), st.text(max_size=20))
def test_any_key(key: str, configuration: str) -> None:
    """Every key comes back from its message, which SQS takes whatever the key is."""
    try:
        key.encode()
    except UnicodeEncodeError:
        return  # no key of ours
    text = message({**EVENT, "key": key}, configuration, "us-east-1")
    assert text.isascii()
    assert text.isprintable()
    (found,) = json.loads(text)["Records"]
    assert unquote_plus(found["s3"]["object"]["key"]) == key
    assert found["s3"]["configurationId"] == configuration


def test_trial() -> None:
    """The message that says that a queue was configured is S3's, too."""
    assert json.loads(trial_message("photos", 1_700_000_000.0, "R1")) == {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": "2023-11-14T22:13:20.000Z",
        "Bucket": "photos",
        "RequestId": "R1",
        "HostId": "R1",
    }
