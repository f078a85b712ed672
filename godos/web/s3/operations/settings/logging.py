"""
Where the log of a bucket's requests is to go.

The configuration is kept for the tools that ask for it; who answers requests here is the
server's own access log.
"""

from __future__ import annotations

from typing import Any

from godos.model.errors import NoSuchBucket
from godos.model.objects import IBuckets
from godos.web.access import Action
from godos.web.errors import S3Error
from godos.web.s3.call import Call, Request, Result, Route, Table
from godos.web.s3.operations.settings.documents import (
    Document,
    Documents,
    malformed,
    one_of,
    payload,
)

DATES = ("EventTime", "DeliveryTime")
_SIMPLE: Document = {"SimplePrefix": {}}


class BucketLogging:
    """Get- and PutBucketLogging; an empty one logs nothing."""

    def __init__(self, objects: IBuckets) -> None:
        self._objects = objects
        self._documents = Documents(objects, "logging")

    def table(self) -> Table:
        """The routes."""
        return {
            "GetBucketLogging": Route(self.get, Action.GET_LOGGING),
            "PutBucketLogging": Route(self.put, Action.PUT_LOGGING),
        }

    async def get(self, call: Call, _: Request) -> Result:
        """Where it was said to go."""
        return dict(await self._documents.find(call.target.bucket) or {})

    async def put(self, call: Call, request: Request) -> Result:
        """Keep where it is to go: a bucket of the same owner."""
        name = call.target.bucket
        enabled = payload(request, "BucketLoggingStatus").get("LoggingEnabled")
        if enabled is None:
            await self._documents.delete(name)
            return None
        document = logging_of(enabled)
        await self._check_target(name, document["TargetBucket"])
        await self._documents.put(name, {"LoggingEnabled": document})
        return None

    async def _check_target(self, name: str, target: str) -> None:
        source = await self._objects.bucket(name)
        try:
            owner = (await self._objects.bucket(target)).owner
        except NoSuchBucket as error:
            raise _wrong_target(target, "there is no such bucket") from error
        if owner != source.owner:
            raise _wrong_target(target, "it belongs to somebody else")


def _wrong_target(target: str, why: str) -> S3Error:
    message = f"the log cannot go to {target[:80]!r}: {why}"
    return S3Error("InvalidTargetBucketForLogging", message, TargetBucket=target[:80])


def logging_of(enabled: Document) -> dict[str, Any]:
    """
    What is kept: with the form of the names, where none was given the simple one.

    Raises:
        S3Error: MalformedXML.
    """
    if not enabled.get("TargetBucket"):
        raise malformed("LoggingEnabled has a TargetBucket")
    form = enabled.get("TargetObjectKeyFormat")
    if form is not None and len(form) != 1:
        raise malformed("TargetObjectKeyFormat is SimplePrefix or PartitionedPrefix")
    if form and "PartitionedPrefix" in form:
        one_of(form["PartitionedPrefix"] or {}, "PartitionDateSource", DATES)
    return {"TargetPrefix": "", **enabled, "TargetObjectKeyFormat": form or _SIMPLE}
