"""DELETE: a marker on top, or the removal of a version for good."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from attrs import frozen
from twisted.internet.interfaces import IReactorTime

from godos.catalog.buckets import Buckets
from godos.catalog.commits import Commits
from godos.catalog.conditions import check_deletion, check_unlocked
from godos.catalog.items import Action
from godos.catalog.outbox import Outbox
from godos.catalog.places import ObjectKey
from godos.catalog.plans import remove_head, remove_older
from godos.catalog.records import Head
from godos.catalog.versions import Sought, Versions, by_id, by_operation
from godos.catalog.writing import Backoff, Refusal, Turns, Writer
from godos.model.errors import CommitUnknown, Unavailable
from godos.model.versions import (
    NULL_VERSION,
    UNCONDITIONAL,
    Bucket,
    Deleted,
    NewVersion,
    ObjectVersion,
    Versioning,
    WriteCondition,
)

_BY_REQUEST, _BY_RULE = "ObjectRemoved", "LifecycleExpiration"


class _Nothing(Exception):
    """There is nothing that a marker could hide, and one was not to be made over nothing."""


@frozen
class Asked:
    """How a removal was asked for."""

    condition: WriteCondition
    bypass_governance: bool
    expired: bool

    def event(self, what: str) -> str:
        """The name of what happens, for those who are told of it."""
        return f"{_BY_RULE if self.expired else _BY_REQUEST}:{what}"


class Deletes:
    def __init__(
        self,
        writer: Writer,
        backoff: Backoff,
        buckets: Buckets,
        versions: Versions,
        commits: Commits,
        outbox: Outbox,
        clock: IReactorTime,
        draw_id: Callable[[], str],
    ) -> None:
        self._writer, self._backoff = writer, backoff
        self._buckets, self._versions, self._commits = buckets, versions, commits
        self._outbox = outbox
        self._clock, self._draw_id = clock, draw_id

    async def delete(
        self,
        bucket: Bucket,
        key: str,
        version_id: str | None,
        asked: Asked,
    ) -> Deleted:
        """As ICatalog.delete."""
        if version_id is not None:
            removed = await self._remove(bucket, key, by_id(version_id), asked)
            if removed is None and (remade := await self._buckets.remade(bucket)) is not None:
                return await self.delete(remade, key, version_id, asked)
            marker = removed is not None and removed.is_delete_marker
            return Deleted(version_id, marker, removed)
        row = await self._buckets.writable(bucket)
        if row.bucket.versioning is Versioning.OFF:
            removed = await self._remove(bucket, key, by_id(NULL_VERSION), asked, while_off=True)
            if removed is not None and removed.is_latest:
                return Deleted(removed=removed)
            row = await self._buckets.fresh(bucket.name)  # or have versions been kept meanwhile?
            if row.bucket.id != bucket.id:
                return await self.delete(row.bucket, key, version_id, asked)
            if row.bucket.versioning is Versioning.OFF:
                return Deleted(removed=removed)
        return await self._hide(bucket, key, asked)

    async def _hide(self, bucket: Bucket, key: str, asked: Asked) -> Deleted:
        """Put a delete marker on top; with a condition only where there is something."""

        def check(head: Head | None) -> None:
            if asked.condition == UNCONDITIONAL:
                return
            if head is None:
                raise _Nothing
            check_deletion(asked.condition, head.version)

        event = asked.event("DeleteMarkerCreated")
        marker = NewVersion(self._draw_id(), "", 0, self._clock.seconds(), None, event=event)
        try:
            made = await self._commits.commit(bucket, key, marker, check, delete_marker=True)
        except _Nothing:
            return Deleted()
        return Deleted(made.version_id, True)

    async def _remove(
        self, bucket: Bucket, key: str, sought: Sought, asked: Asked, while_off: bool = False
    ) -> ObjectVersion | None:
        """
        Remove a version for good; None when there is no such version.

        Or when it was to be done only `while_off`, and versioning is on since.
        """
        operation = self._draw_id()
        turns = Turns(self._backoff, repr(key))
        while await turns.next():
            row = await self._buckets.writable(bucket)
            if while_off and row.bucket.versioning is not Versioning.OFF:
                return None
            at = ObjectKey(row.bucket, key)
            found, head = await self._versions.find(at, sought)
            if found is None or head is None:
                return None
            check_deletion(asked.condition, found)
            check_unlocked(found, self._clock.seconds(), asked.bypass_governance)
            refusal = await self._writer.write(
                [
                    *await self._removal(at, found, head, operation),
                    *await self._outbox.telling(at, asked.event("Delete"), found, operation),
                    *self._buckets.checks(row),
                ],
                partial(self._buckets.leave, row),
            )
            if refusal is None or await self._happened(at, found, refusal, asked.condition):
                return found
            self._buckets.forget(bucket.name)
        raise AssertionError("unreachable")

    async def _removal(
        self, at: ObjectKey, found: ObjectVersion, head: Head, operation: str
    ) -> list[Action]:
        now = self._clock.seconds()
        if not found.is_latest:
            return remove_older(at, found, operation, now)
        older = await self._versions.newest_older(at, 2) if head.older else []
        return remove_head(at, head, older, operation, now)

    async def _happened(
        self, at: ObjectKey, target: ObjectVersion, refusal: Refusal, condition: WriteCondition
    ) -> bool:
        """
        Whether a refused removal was done by an earlier sending whose answer was lost.

        A removal leaves no row that names it.  But when its target is gone, the delete
        is done whoever did it: it may have come just before the writer that was faster.

        Fails:
            CommitUnknown: it may have been done; or had a condition, whose one winner
                cannot be told.
        """
        if not refusal.resent:
            return False
        try:
            sought = by_operation(target.seq, target.reference)
            found, _head = await self._versions.find(at, sought)
        except Unavailable as error:
            raise CommitUnknown("the catalog did not tell whether this was deleted") from error
        if found is None and condition == UNCONDITIONAL:
            return True
        if found is None or not refusal.settled:
            raise CommitUnknown("the catalog did not tell whether this was deleted")
        return False
