"""Replacing the attributes of a version that is there."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from godos.catalog.buckets import Buckets
from godos.catalog.items import Action, Put, RevIs
from godos.catalog.outbox import Outbox
from godos.catalog.places import ObjectKey
from godos.catalog.records import Head, head_item, older_item
from godos.catalog.versions import Versions, by_id
from godos.catalog.writing import Backoff, Turns, Writer
from godos.model.errors import (
    CommitUnknown,
    GodosError,
    MethodNotAllowed,
    NoSuchVersion,
)
from godos.model.versions import Attributes, Bucket, ObjectVersion

Change = Callable[[ObjectVersion], Attributes]


class Amends:
    """
    An amended version keeps its number and its reference, and with them its id and its
    bytes; its row gets a new rev.  So whoever read the row before, to replace the version,
    to move it or to remove it, is refused and reads again.
    """

    def __init__(
        self,
        writer: Writer,
        backoff: Backoff,
        buckets: Buckets,
        versions: Versions,
        outbox: Outbox,
        draw_id: Callable[[], str],
    ) -> None:
        self._writer, self._backoff, self._buckets = writer, backoff, buckets
        self._versions, self._outbox, self._draw_id = versions, outbox, draw_id

    async def amend(
        self, bucket: Bucket, key: str, version_id: str | None, change: Change, event: str
    ) -> ObjectVersion:
        """
        As ICatalog.amend.

        When an answer was lost and another has written the row since, the change is made
        once more, on what stands then: who is not answered yet may come last.
        """
        operation, unsure = self._draw_id(), False
        turns = Turns(self._backoff, repr(key))
        while await turns.next():
            at = ObjectKey(bucket, key)
            found, head = await self._sought(at, version_id)
            attributes = _changed(found, change, unsure)
            if attributes == found.attributes:
                return found
            amended = evolve(found, attributes=attributes, rev=operation)
            refusal = await self._writer.write(
                [
                    _replaced(at, head, found, amended),
                    *await self._told(at, event, amended, operation),
                ]
            )
            if refusal is None or refusal.is_own(operation):
                return amended
            refusal.or_unknown()
            unsure = unsure or refusal.resent
        raise AssertionError("unreachable")

    async def _sought(self, at: ObjectKey, version_id: str | None) -> tuple[ObjectVersion, Head]:
        """Fails: NoSuchKey, NoSuchVersion, MethodNotAllowed."""
        if version_id is None:
            head = await self._versions.latest_head(at)
            return head.version, head
        found, standing = await self._versions.find(at, by_id(version_id))
        if found is None or standing is None:
            raise NoSuchVersion(f"{at.key!r} has no version {version_id[:80]!r}")
        if found.is_delete_marker:
            raise MethodNotAllowed(f"version {version_id!r} of {at.key!r} is a delete marker")
        return found, standing

    async def _told(
        self, at: ObjectKey, event: str, version: ObjectVersion, operation: str
    ) -> list[Action]:
        if not event:
            return []
        row = await self._buckets.cached(at.bucket.name)
        if row.bucket.id != at.bucket.id:
            return []  # another has its name, and this one nobody who wants to know
        return await self._outbox.telling(ObjectKey(row.bucket, at.key), event, version, operation)


def _changed(found: ObjectVersion, change: Change, unsure: bool) -> Attributes:
    """Fails as `change`; with CommitUnknown when an earlier one of its answers may stand."""
    try:
        return change(found)
    except GodosError as error:
        if unsure:
            raise CommitUnknown("the catalog did not tell whether this was changed") from error
        raise


def _replaced(at: ObjectKey, head: Head, found: ObjectVersion, amended: ObjectVersion) -> Action:
    if found.is_latest:
        return Put(head_item(at, evolve(head, version=amended)), RevIs(found.rev))
    return Put(older_item(at, amended, amended.rev), RevIs(found.rev))
