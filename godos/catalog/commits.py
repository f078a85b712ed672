"""The commit of a version: the one transaction that makes an upload visible."""

from __future__ import annotations

from functools import partial

from twisted.internet.interfaces import IReactorTime

from godos.catalog.buckets import Buckets
from godos.catalog.items import IItemStore
from godos.catalog.places import ObjectKey, blob_place, reference_place
from godos.catalog.plans import check_condition, put_on_top, referenced, successor
from godos.catalog.records import Head
from godos.catalog.versions import Versions, by_operation
from godos.catalog.writing import Backoff, Refusal, Turns, Writer
from godos.model.blobs import BlobState
from godos.model.errors import CommitUnknown, Conflict, Unavailable
from godos.model.versions import Bucket, NewVersion, ObjectVersion, WriteCondition

_UNKNOWN = "the catalog did not tell whether this write happened: look before you repeat it"


class Commits:
    def __init__(
        self,
        items: IItemStore,
        writer: Writer,
        backoff: Backoff,
        buckets: Buckets,
        versions: Versions,
        clock: IReactorTime,
    ) -> None:
        self._items, self._writer, self._backoff = items, writer, backoff
        self._buckets, self._versions, self._clock = buckets, versions, clock

    async def commit(
        self,
        bucket: Bucket,
        key: str,
        new: NewVersion,
        condition: WriteCondition,
        delete_marker: bool = False,
    ) -> ObjectVersion:
        """As ICatalog.commit; with `delete_marker` the version is one (and has no blob)."""
        turns = Turns(self._backoff, repr(key))
        while await turns.next():
            row = await self._buckets.writable(bucket)
            at = ObjectKey(row.bucket, key)
            head = await self._versions.head(at)
            if head is not None and head.version.reference == new.operation:
                return head.version  # done before: by a call whose outcome was unknown
            check_condition(condition, key, head)
            version = successor(at, head, new, delete_marker)
            below = await self._null_below(at, head, version)
            now = self._clock.seconds()
            refusal = await self._writer.write(
                [
                    *put_on_top(at, head, below, version, now),
                    *referenced(new, now),
                    *self._buckets.checks(row),
                ],
                partial(self._buckets.leave, row),
            )
            if refusal is None:
                return version
            done = await self._done_before(at, version, new, refusal)
            if done is not None:
                return done
            self._buckets.forget(bucket.name)  # its row may be what was in the way
        raise AssertionError("unreachable")

    async def _null_below(
        self, at: ObjectKey, head: Head | None, version: ObjectVersion
    ) -> ObjectVersion | None:
        """The null version that `version` replaces, if it is an older one."""
        if head is None or not version.is_null or head.version.is_null:
            return None
        below = await self._versions.older(at, head.null_seq)
        return below if below is not None and below.is_null else None

    async def _done_before(
        self, at: ObjectKey, version: ObjectVersion, new: NewVersion, refusal: Refusal
    ) -> ObjectVersion | None:
        """
        What an earlier sending made, whose answer was lost; None: nothing was done.

        Fails:
            CommitUnknown: nobody can tell.
            Conflict: the existing blob it refers to is being removed.
        """
        if not refusal.resent and not refusal.is_own(new.operation):
            await self._check_live(new)
            return None
        try:
            found, _ = await self._versions.find(at, by_operation(version.seq, new.operation))
            if found is not None:
                return found
            traces = await self._traces(new)
        except Unavailable as error:
            raise CommitUnknown(_UNKNOWN) from error
        if traces:
            return version  # it was there, and others have replaced it since
        if refusal.settled and new.blob is not None and not new.blob.rev:
            return None  # its blob row would still stand: only the collector removes it
        raise CommitUnknown(_UNKNOWN)

    async def _check_live(self, new: NewVersion) -> None:
        """Fails: Conflict."""
        if new.blob is None or not new.blob.rev:
            return
        standing = await self._items.get(*blob_place(new.blob.incarnation))
        if standing is None or standing.state != BlobState.LIVE:
            raise Conflict("the stored bytes this refers to are being removed: upload them anew")

    async def _traces(self, new: NewVersion) -> bool:
        """Whether rows that only this commit writes are there."""
        if new.blob is None:
            return False
        place = (
            reference_place(new.blob.incarnation, new.operation)
            if new.blob.rev
            else blob_place(new.blob.incarnation)
        )
        return await self._items.get(*place) is not None
