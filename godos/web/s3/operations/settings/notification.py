"""Who is told of what happens to a bucket's objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from twisted.logger import Logger

from godos.messaging.queues import QueueUnavailable
from godos.model.names import new_id
from godos.model.objects import IBuckets
from godos.objects.trials import Trials
from godos.web.access import Action
from godos.web.errors import S3Error, UnsupportedFeature
from godos.web.s3.call import Call, Request, Result, Route, Table
from godos.web.s3.operations.settings.documents import (
    Document,
    Documents,
    check_unique,
    malformed,
    payload,
    wrong_argument,
)

MOST_CONFIGURATIONS = 100
LONGEST_ID = 255  # characters
LONGEST_FILTER = 1024
# Those of S3; some happen in stores with more classes of storage than one.
# Source: Amazon S3 User Guide, "Supported event types for SQS, SNS, and Lambda".
EVENTS = frozenset(
    f"s3:{group}:{kind}" if kind else f"s3:{group}"
    for group, kinds in {
        "ObjectCreated": "* Put Post Copy CompleteMultipartUpload",
        "ObjectRemoved": "* Delete DeleteMarkerCreated",
        "ObjectRestore": "* Post Completed Delete",
        "ObjectTagging": "* Put Delete",
        "ObjectAcl": "Put",
        "LifecycleExpiration": "* Delete DeleteMarkerCreated",
        "LifecycleTransition": "",
        "IntelligentTiering": "",
        "ReducedRedundancyLostObject": "",
        "Replication": "* OperationFailedReplication OperationMissedThreshold "
        "OperationReplicatedAfterThreshold OperationNotTracked",
    }.items()
    for kind in kinds.split() or [""]
)
_QUEUE = re.compile(r"arn:[a-z0-9-]+:sqs:[a-z0-9-]*:[0-9A-Za-z_-]*:[A-Za-z0-9_-]{1,80}(\.fifo)?")
_ELSEWHERE = ("TopicConfigurations", "LambdaFunctionConfigurations", "EventBridgeConfiguration")


class BucketNotification:
    """
    Get- and PutBucketNotificationConfiguration; an empty one tells nobody.

    Args:
        trials: of its queues, before a configuration is kept; None takes any queue.
    """

    _log = Logger()

    def __init__(self, objects: IBuckets, trials: Trials | None = None) -> None:
        self._trials = trials
        self._documents = Documents(objects, "notification")

    def table(self) -> Table:
        """The routes."""
        return {
            "GetBucketNotificationConfiguration": Route(self.get, Action.GET_NOTIFICATION),
            "PutBucketNotificationConfiguration": Route(self.put, Action.PUT_NOTIFICATION),
        }

    async def get(self, call: Call, _: Request) -> Result:
        """Who is told what."""
        return dict(await self._documents.find(call.target.bucket) or {})

    async def put(self, call: Call, request: Request) -> Result:
        """Replace all, once every queue has taken a message, unless the request skips that."""
        document = configuration_of(payload(request, "NotificationConfiguration"))
        await self._documents.find(call.target.bucket)  # no message of buckets that are none
        if document is not None and not request.get("SkipDestinationValidation"):
            await self._try(call, document)
        await self._documents.put(call.target.bucket, document)
        return None

    async def _try(self, call: Call, document: Document) -> None:
        if self._trials is None:
            return
        bucket, request_id = call.target.bucket, call.exchange.request_id
        arns = [queue["QueueArn"] for queue in document["QueueConfigurations"]]
        try:
            await self._trials.send(bucket, arns, request_id)
        except QueueUnavailable as error:
            self._log.info("a queue of {bucket} is refused: {error}", bucket=bucket, error=error)
            # How the server is known to SQS is for those who run it.
            known = call.principal.unrestricted
            reason = str(error) if known else "a queue took no message; the server's log says why"
            raise S3Error(
                "InvalidArgument",
                f"Unable to validate the following destination configurations: {reason}",
                ArgumentName="QueueArn",
            ) from error


def configuration_of(document: Document) -> Mapping[str, Any] | None:
    """
    What is kept: every configuration with an Id; None when nobody is told.

    Raises:
        S3Error: MalformedXML, InvalidArgument.
        UnsupportedFeature: it names something else than queues.
    """
    for member in _ELSEWHERE:
        if document.get(member) is not None and document[member] != []:
            raise UnsupportedFeature(
                f"{member}: events go to SQS queues, and to nothing else; "
                "write a QueueConfiguration"
            )
    configurations = document.get("QueueConfigurations") or ()
    if len(configurations) > MOST_CONFIGURATIONS:
        raise malformed(f"there are at most {MOST_CONFIGURATIONS} QueueConfigurations")
    queues = [{**queue, "Id": queue.get("Id") or new_id()} for queue in configurations]
    for queue in queues:
        _check(queue)
    check_unique([queue["Id"] for queue in queues], "Id")
    return {"QueueConfigurations": queues} if queues else None


def _check(queue: Document) -> None:
    if len(queue["Id"]) > LONGEST_ID:
        raise wrong_argument(f"an Id has at most {LONGEST_ID} characters", "Id", queue["Id"])
    arn = queue.get("QueueArn")
    if not arn:
        raise malformed("a QueueConfiguration has a Queue")
    if _QUEUE.fullmatch(arn) is None:
        raise wrong_argument(
            "a queue is named as arn:aws:sqs:<region>:<account>:<name>", "QueueArn", arn
        )
    if not queue.get("Events"):
        raise malformed("a QueueConfiguration has at least one Event")
    for event in queue["Events"]:
        if event not in EVENTS:
            raise wrong_argument(f"there is no event {event[:80]!r}", "Event", event)
    _check_filter(((queue.get("Filter") or {}).get("Key") or {}).get("FilterRules") or ())


def _check_filter(rules: Any) -> None:
    names = []
    for rule in rules:
        name = rule.get("Name", "").lower()
        if name not in ("prefix", "suffix"):
            raise wrong_argument("the Name of a FilterRule is prefix or suffix", "Name", name)
        if len(rule.get("Value", "")) > LONGEST_FILTER:
            raise wrong_argument(
                f"the Value of a FilterRule has at most {LONGEST_FILTER} characters", "Value", ""
            )
        names.append(name)
    if len(names) != len(set(names)):
        raise S3Error("InvalidArgument", "a Filter has each of prefix and suffix once at most")
