"""
What a bucket's notification configuration says of an event, and the message that tells it.

Source: Amazon S3 User Guide, "Amazon S3 Event Notifications", "Event message structure".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

VERSION = "2.1"  # of the message's structure
_SCHEMA = "1.0"

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
    The message of one event, as S3 writes it.

    Keys are written as in a query, with `+` for spaces.  `sequencer` orders the events of
    one key: the longer is filled up with zeros on its right, then they compare as text.

    Args:
        event: a document of the outbox.
    """
    described: dict[str, Any] = {
        "key": quote_plus(event["key"], safe="/*-._"),
        "size": event.get("size", 0),
        "eTag": event.get("etag", ""),
        "sequencer": event["sequencer"],
    }
    if event.get("version_id"):
        described["versionId"] = event["version_id"]
    if event["name"].startswith("ObjectRemoved"):
        del described["size"], described["eTag"]  # there is nothing any more that has them
    record = {
        "eventVersion": VERSION,
        "eventSource": "aws:s3",
        "awsRegion": region,
        "eventTime": _time(event["time"]),
        "eventName": event["name"],
        "userIdentity": {"principalId": event["owner"]},
        "requestParameters": {},
        "responseElements": {},
        "s3": {
            "s3SchemaVersion": _SCHEMA,
            "configurationId": configuration_id,
            "bucket": {
                "name": event["bucket"],
                "ownerIdentity": {"principalId": event["bucket_owner"]},
                "arn": f"arn:aws:s3:::{event['bucket']}",
            },
            "object": described,
        },
    }
    return json.dumps({"Records": [record]}, separators=(",", ":"), ensure_ascii=False)


def _time(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
