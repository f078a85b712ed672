"""Whether the versions of a bucket can be locked, and for how long they are by default."""

from __future__ import annotations

from typing import Any

from godos.model.objects import IBuckets
from godos.model.versions import LockMode
from godos.web.access import Action
from godos.web.errors import S3Error
from godos.web.s3.call import Call, Request, Result, Route, Table
from godos.web.s3.operations.settings.documents import (
    Document,
    Documents,
    absence,
    malformed,
    one_of,
    payload,
)

ENABLED = "Enabled"
MODES = (LockMode.GOVERNANCE.value, LockMode.COMPLIANCE.value)
LONGEST = {"Days": 36_500, "Years": 100}
_NONE = absence("ObjectLockConfigurationNotFoundError", "object lock")


class ObjectLockConfiguration:
    """Get- and PutObjectLockConfiguration; a lock on a bucket stays."""

    def __init__(self, objects: IBuckets) -> None:
        self._objects = objects
        self._documents = Documents(objects, "object-lock")

    def table(self) -> Table:
        """The routes."""
        return {
            "GetObjectLockConfiguration": Route(self.get, Action.GET_OBJECT_LOCK),
            "PutObjectLockConfiguration": Route(self.put, Action.PUT_OBJECT_LOCK),
        }

    async def get(self, call: Call, _: Request) -> Result:
        """What was configured; a bucket made with object lock has no rule at first."""
        name = call.target.bucket
        if not (await self._objects.bucket(name)).object_lock:
            raise _NONE(name)
        document = await self._documents.find(name)
        return {"ObjectLockConfiguration": document or {"ObjectLockEnabled": ENABLED}}

    async def put(self, call: Call, request: Request) -> Result:
        """Let versions be locked, and replace the rule for those to come."""
        name = call.target.bucket
        document = payload(request, "ObjectLockConfiguration")
        check_configuration(document)
        await self._objects.enable_object_lock(name)
        await self._documents.put(name, document)
        return None


def check_configuration(document: Document) -> None:
    """
    Raises:
        S3Error: MalformedXML, InvalidRetentionPeriod.
    """
    one_of(document, "ObjectLockEnabled", (ENABLED,))
    rule = document.get("Rule")
    if rule is None:
        return
    retention = rule.get("DefaultRetention")
    if retention is None:
        raise malformed("a Rule has a DefaultRetention")
    one_of(retention, "Mode", MODES)
    _check_period(retention)


def _check_period(retention: Document) -> None:
    periods: list[tuple[str, Any]] = [
        (unit, retention[unit]) for unit in LONGEST if retention.get(unit) is not None
    ]
    if len(periods) != 1:
        raise malformed("a DefaultRetention has either Days or Years")
    [(unit, length)] = periods
    if not 1 <= length <= LONGEST[unit]:
        raise S3Error("InvalidRetentionPeriod", f"{unit} of a retention are 1 to {LONGEST[unit]}")
