"""The operations on retention and legal hold of objects."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from godos.model.errors import InvalidRequest, NoSuchKey, NoSuchVersion
from godos.model.objects import IObjects
from godos.model.versions import Lock, LockMode, ObjectVersion
from godos.web.access import Action
from godos.web.errors import S3Error
from godos.web.s3.call import Call, Request, Result, Route, Table
from godos.web.s3.operations.leave import may_bypass
from godos.web.s3.operations.lock_members import document_hold, document_retention
from godos.web.s3.operations.naming import attributes_request, version_id_of


class LockOperations:
    """
    Args:
        now: seconds since the epoch.
    """

    def __init__(self, objects: IObjects, now: Callable[[], float]) -> None:
        self._objects = objects
        self._now = now

    def table(self) -> Table:
        """The operations by their names."""
        return {
            "GetObjectRetention": Route(self.get_retention, Action.GET_RETENTION),
            "PutObjectRetention": Route(self.put_retention, Action.PUT_RETENTION),
            "GetObjectLegalHold": Route(self.get_legal_hold, Action.GET_LEGAL_HOLD),
            "PutObjectLegalHold": Route(self.put_legal_hold, Action.PUT_LEGAL_HOLD),
        }

    async def get_retention(self, call: Call, request: Request) -> Result:
        """Until when a version is retained, and how strictly."""
        lock = await self._lock(call, request)
        if lock.mode is LockMode.NONE:
            raise S3Error("NoSuchObjectLockConfiguration", "the object has no retention")
        return {"Retention": {"Mode": lock.mode.value, "RetainUntilDate": lock.until}}

    async def put_retention(self, call: Call, request: Request) -> Result:
        """Retain a version, or change how long it is retained."""
        mode, until = document_retention(request.get("Retention"), self._now())
        bypass = await may_bypass(call, request, call.target.key)

        def change(lock: Lock) -> Lock:
            return evolve(lock, mode=mode, until=until)

        await self._change(call, request, change, bypass)
        return None

    async def get_legal_hold(self, call: Call, request: Request) -> Result:
        """Whether a version is held."""
        lock = await self._lock(call, request)
        return {"LegalHold": {"Status": "ON" if lock.legal_hold else "OFF"}}

    async def put_legal_hold(self, call: Call, request: Request) -> Result:
        """Hold a version, or let it go."""
        held = document_hold(request.get("LegalHold"))

        def change(lock: Lock) -> Lock:
            return evolve(lock, legal_hold=held)

        await self._change(call, request, change, False)
        return None

    async def _lock(self, call: Call, request: Request) -> Lock:
        target = call.target
        if not (await self._objects.bucket(target.bucket)).object_lock:
            raise InvalidRequest("the bucket has no object lock: its versions cannot be locked")
        wanted = attributes_request(call, request)
        try:
            version: ObjectVersion = await self._objects.head(target.bucket, target.key, wanted)
        except (NoSuchKey, NoSuchVersion):
            call.permit.absent()
            raise
        return version.attributes.lock

    async def _change(
        self, call: Call, request: Request, change: Callable[[Lock], Lock], bypass: bool
    ) -> None:
        target = call.target
        try:
            await self._objects.set_lock(
                target.bucket,
                target.key,
                version_id_of(request),
                change,
                bypass,
                call.permit.version,
            )
        except (NoSuchKey, NoSuchVersion):
            call.permit.absent()
            raise
