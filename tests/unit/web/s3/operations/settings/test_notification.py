"""A queue is tried before a bucket is configured to notify it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from godos.messaging.queues import QueueUnavailable
from godos.model.errors import NoSuchBucket
from godos.model.users import OPEN, Principal
from godos.web.errors import S3Error
from godos.web.s3.operations.settings.notification import BucketNotification
from tests.unit.objects.stores import Store, now

ARN = "arn:aws:sqs:us-east-1:1:"
ANN = Principal("ann", "Ann")


class Trials:
    """Remembers which queues were tried; `down` says why one did not work."""

    def __init__(self) -> None:
        self.tried: list[tuple[str, list[str], str]] = []
        self.down = ""

    def send(self, bucket: str, arns: list[str], request_id: str) -> Deferred[None]:
        self.tried.append((bucket, arns, request_id))
        return fail(QueueUnavailable(self.down)) if self.down else succeed(None)


class Place:
    """A store with the bucket `objects`, and its operations on notifications."""

    def __init__(self) -> None:
        self.trials = Trials()
        self.operations = BucketNotification(Store().objects, self.trials)  # type: ignore

    def do(self, name: str, request: Any, who: Principal = OPEN, bucket: str = "objects") -> Any:
        call: Any = SimpleNamespace(
            target=SimpleNamespace(bucket=bucket),
            exchange=SimpleNamespace(request_id="r1"),
            principal=who,
        )
        operation = getattr(self.operations, name)
        return now(Deferred.fromCoroutine(operation(call, request)))

    def put(self, *names: str, skip: bool = False, **more: Any) -> None:
        queues = [{"QueueArn": ARN + name, "Events": ["s3:ObjectCreated:*"]} for name in names]
        configuration = {"QueueConfigurations": queues} if queues else {}
        request = {
            "NotificationConfiguration": configuration,
            "SkipDestinationValidation": skip,
        }
        self.do("put", request, **more)

    def arns(self) -> list[str]:
        """The queues of the configuration that is kept."""
        found = self.do("get", {}).get("QueueConfigurations", ())
        return [queue["QueueArn"] for queue in found]


@pytest.fixture
def place() -> Place:
    return Place()


def test_tried_and_kept(place: Place) -> None:
    """All queues are tried, and then the configuration is kept."""
    place.put("a", "b")
    assert place.trials.tried == [("objects", [ARN + "a", ARN + "b"], "r1")]
    assert place.arns() == [ARN + "a", ARN + "b"]


def test_refused(place: Place) -> None:
    """A queue that does not work is refused, and what was configured stays."""
    place.put("a")
    place.trials.down = f"cannot send to {ARN}b: AccessDenied: not for arn:aws:iam::1:user/godos"
    with pytest.raises(S3Error, match="AccessDenied") as refused:
        place.put("b")
    assert refused.value.code == "InvalidArgument"
    assert place.arns() == [ARN + "a"]


def test_what_an_ordinary_user_learns(place: Place) -> None:
    """Who the server is at AWS is not told to its users."""
    place.trials.down = "cannot send: AccessDenied: not for arn:aws:iam::1:user/godos"
    with pytest.raises(S3Error, match="Unable to validate") as refused:
        place.put("b", who=ANN)
    assert "iam" not in str(refused.value)


def test_not_tried(place: Place) -> None:
    """Nothing is sent when the request says so, or when nobody is told any more."""
    place.trials.down = "down"
    place.put("a", skip=True)
    assert place.arns() == [ARN + "a"]
    place.put()
    assert place.arns() == []
    assert place.trials.tried == []


def test_no_such_bucket(place: Place) -> None:
    """No queue hears of a bucket that does not exist."""
    with pytest.raises(NoSuchBucket):
        place.put("a", bucket="nowhere")
    assert place.trials.tried == []
