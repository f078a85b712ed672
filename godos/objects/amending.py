"""Changing what belongs to a version beside its bytes: tags, access control list, lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve

from godos.model.catalog import ICatalog
from godos.model.errors import InvalidRequest
from godos.model.objects import Permit
from godos.model.versions import Attributes, Lock, ObjectVersion
from godos.protocol.object_lock import check_change


class Amender:
    """
    Args:
        now: seconds since the epoch, for retentions.
    """

    def __init__(self, catalog: ICatalog, now: Callable[[], float]) -> None:
        self._catalog = catalog
        self._now = now

    async def set_tags(
        self,
        bucket: str,
        key: str,
        version_id: str | None,
        tags: Mapping[str, str],
        permit: Permit,
    ) -> ObjectVersion:
        """See `IObjects.set_tags`."""

        def change(version: ObjectVersion) -> Attributes:
            permit(version)
            return evolve(version.attributes, tags=dict(tags))

        event = "ObjectTagging:Put" if tags else "ObjectTagging:Delete"
        return await self._amend(bucket, key, version_id, change, event)

    async def set_acl(
        self,
        bucket: str,
        key: str,
        version_id: str | None,
        acl: Callable[[ObjectVersion], Mapping[str, Any] | None],
        permit: Permit,
    ) -> ObjectVersion:
        """See `IObjects.set_acl`."""

        def change(version: ObjectVersion) -> Attributes:
            permit(version)
            return evolve(version.attributes, acl=acl(version))

        return await self._amend(bucket, key, version_id, change, "ObjectAcl:Put")

    async def set_lock(
        self,
        bucket: str,
        key: str,
        version_id: str | None,
        change: Callable[[Lock], Lock],
        bypass_governance: bool,
        permit: Permit,
    ) -> ObjectVersion:
        """See `IObjects.set_lock`."""
        found = await self._catalog.bucket(bucket)
        if not found.object_lock:
            raise InvalidRequest("the bucket has no object lock: its versions cannot be locked")

        def changed(version: ObjectVersion) -> Attributes:
            permit(version)
            old = version.attributes.lock
            new = change(old)
            check_change(old, new, self._now(), bypass_governance)
            return evolve(version.attributes, lock=new)

        return await self._amend(bucket, key, version_id, changed, "")

    async def _amend(
        self,
        bucket: str,
        key: str,
        version_id: str | None,
        change: Callable[[ObjectVersion], Attributes],
        event: str,
    ) -> ObjectVersion:
        found = await self._catalog.bucket(bucket)
        version: ObjectVersion = await self._catalog.amend(found, key, version_id, change, event)
        return version
