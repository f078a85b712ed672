"""Which queues a server lets its buckets notify, and where they are."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred, succeed

from godos.messaging.addresses import SqsAddress
from godos.messaging.queues import QueueUnavailable
from godos.service.notifications import ENDPOINT, QUEUES, EventQueues
from godos.service.s3_settings import s3_settings
from tests.unit.objects.stores import now

OTHER = "arn:aws:sqs:us-east-1:1:other"
OPTIONS = {
    "credentials": None,
    "region": "us-east-1",
    "domain": (),
    "website-domain": (),
    "master-key": None,
    "kms-keys": None,
    "lifecycle-day": 86400.0,
    "notifications-endpoint": None,
    "notifications-queues": ("*",),
}


class Sink:
    """Takes every message."""

    def __init__(self) -> None:
        self.arns: list[str] = []

    def send(self, arn: str, *_: str) -> Deferred[None]:
        self.arns.append(arn)
        return succeed(None)


def allowing(monkeypatch: pytest.MonkeyPatch, patterns: str) -> tuple[EventQueues, Sink]:
    sink = Sink()
    monkeypatch.setattr("godos.service.notifications._arn_queues", lambda *_: sink)
    return EventQueues(maybeDeferred, None, QUEUES.parse(patterns)), sink


@pytest.mark.parametrize(
    "patterns", ["*", "arn:aws:sqs:*:*:*", f"arn:aws:sqs:eu-west-1:*:*, {OTHER}", OTHER]
)
def test_allowed(monkeypatch: pytest.MonkeyPatch, patterns: str) -> None:
    """A queue is allowed when its ARN is like one of the patterns."""
    queues, sink = allowing(monkeypatch, patterns)
    now(queues.send(OTHER, "x", "g", "u"))
    now(queues.send(OTHER, "x", "g", "u"))
    assert sink.arns == [OTHER, OTHER]


@pytest.mark.parametrize("patterns", ["arn:aws:sqs:*:*:mine-*", "arn:aws:sqs:*:1:othe", ","])
def test_not_allowed(monkeypatch: pytest.MonkeyPatch, patterns: str) -> None:
    """Others get nothing, and the refusal names the option."""
    queues, sink = allowing(monkeypatch, patterns)
    with pytest.raises(QueueUnavailable, match="--notifications-queues"):
        now(queues.send(OTHER, "x", "g", "u"))
    assert sink.arns == []


def test_what_is_no_pattern() -> None:
    """A name or URL of a queue is no pattern of ARNs."""
    for text in ("events", "https://sqs.us-east-1.amazonaws.com/1/events"):
        with pytest.raises(ValueError, match="is no ARN"):
            QUEUES.parse(text)
    with pytest.raises(ValueError, match="is no endpoint"):
        ENDPOINT.parse("sqs.example.com")


@pytest.mark.parametrize(
    ("chosen", "queue", "expected"),
    [
        (None, None, None),
        (None, SqsAddress("q"), None),
        (None, SqsAddress("q", endpoint="http://127.0.0.1:1"), "http://127.0.0.1:1"),
        (
            "http://127.0.0.1:2",
            SqsAddress("q", endpoint="http://127.0.0.1:1"),
            "http://127.0.0.1:2",
        ),
    ],
)
def test_endpoint(chosen: str | None, queue: Any, expected: str | None) -> None:
    """Queues of events are where the middleware's are, unless the operator says otherwise."""
    options = {**OPTIONS, "notifications-endpoint": chosen}
    assert s3_settings(options, queue).notifications_endpoint == expected
