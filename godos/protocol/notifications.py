"""
What a bucket's notification configuration says of an event, and the message that tells it.

Source: Amazon S3 User Guide, "Amazon S3 Event Notifications": "Event message structure",
"Supported event types", "Configuring event notifications using object key name filtering".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

_VERSION = "2.1"  # of the message's structure
_LATER = "2.3"  # of what was added to S3 since
_ADDED = ("LifecycleExpiration:", "ObjectAcl:", "ObjectTagging:")
_REMOVALS = ("LifecycleExpiration:", "ObjectRemoved:")
_SCHEMA = "1.0"
_PLAIN = "/*-._"  # beside letters and digits, what a key shows as it is

Document = Mapping[str, Any]


def wanted(configuration: Document, event: str, key: str) -> Sequence[Document]:
    """
    The queue configurations of a bucket that want to be told.

    Args:
        configuration: in S3's member names.
        event: without `s3:`, such as `ObjectCreated:Put`.
    """
    queues = configuration.get("QueueConfigurations") or ()
    return [queue for queue in queues if _wants(queue, "s3:" + event, key)]


def _wants(queue: Document, event: str, key: str) -> bool:
    if not any(_covers(pattern, event) for pattern in queue.get("Events") or ()):
        return False
    rules = ((queue.get("Filter") or {}).get("Key") or {}).get("FilterRules") or ()
    return all(_passes(rule, key) for rule in rules)


def _covers(pattern: str, event: str) -> bool:
    return event.startswith(pattern[:-1]) if pattern.endswith("*") else event == pattern


def _passes(rule: Document, key: str) -> bool:
    value = rule.get("Value") or ""
    is_prefix = str(rule.get("Name", "")).lower() == "prefix"
    return key.startswith(value) if is_prefix else key.endswith(value)


def message(event: Document, configuration_id: str, region: str) -> str:
    """
    The message of one event, as S3 writes it; ASCII.

    Args:
        event: a document of the outbox.
    """
    name: str = event["name"]
    record = {
        "eventVersion": _LATER if name.startswith(_ADDED) else _VERSION,
        "eventSource": "aws:s3",
        "awsRegion": region,
        "eventTime": _time(event["time"]),
        "eventName": name,
        "userIdentity": {"principalId": event.get("by") or event["owner"]},
        "requestParameters": {"sourceIPAddress": event.get("address", "")},
        "responseElements": {"x-amz-request-id": event.get("request_id", "")},
        "s3": {
            "s3SchemaVersion": _SCHEMA,
            "configurationId": configuration_id,
            "bucket": {
                "name": event["bucket"],
                "ownerIdentity": {"principalId": event["bucket_owner"]},
                "arn": f"arn:aws:s3:::{event['bucket']}",
            },
            "object": _object(event),
        },
    }
    return _json({"Records": [record]})


def _object(event: Document) -> dict[str, Any]:
    """
    What the message says of the object.

    The key is written as in a form, with `+` for spaces, but its slashes are left.
    `sequencer` orders the events of one key: the shorter is filled up with zeros on its
    right, then they compare as text.
    """
    described: dict[str, Any] = {"key": quote_plus(event["key"], safe=_PLAIN)}
    if not event["name"].startswith(_REMOVALS):  # else there is nothing any more that has them
        described |= {"size": event.get("size", 0), "eTag": event.get("etag", "")}
    if event.get("version_id"):
        described["versionId"] = event["version_id"]
    return {**described, "sequencer": event["sequencer"]}


def trial_message(bucket: str, seconds: float, request_id: str) -> str:
    """
    The message that says that a queue was configured, and can be reached.

    Args:
        seconds: now, since the epoch.
    """
    told = {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": _time(seconds),
        "Bucket": bucket,
        "RequestId": request_id,
        "HostId": request_id,
    }
    return _json(told)


def _json(document: Document) -> str:
    """In ASCII: SQS refuses some characters of Unicode."""
    return json.dumps(document, separators=(",", ":"))


def _time(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
