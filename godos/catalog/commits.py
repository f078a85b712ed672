"""The commit of a version: the one transaction that makes an upload visible."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.internet.interfaces import IReactorTime

from godos.catalog.buckets import Buckets
from godos.catalog.conditions import check_unlocked
from godos.catalog.holdings import Holding, Stored
from godos.catalog.items import IItemStore
from godos.catalog.outbox import Outbox
from godos.catalog.places import ObjectKey
from godos.catalog.plans import put_on_top, successor
from godos.catalog.records import Head
from godos.catalog.versions import Versions, by_operation
from godos.catalog.writing import Backoff, Refusal, Turns, Writer
from godos.model.errors import CommitUnknown, Unavailable
from godos.model.versions import Bucket, NewVersion, ObjectVersion

UNKNOWN = "the catalog did not tell whether this write happened: look before you repeat it"


class Commits:
    def __init__(
        self,
        items: IItemStore,
        writer: Writer,
        backoff: Backoff,
        buckets: Buckets,
        versions: Versions,
        outbox: Outbox,
        clock: IReactorTime,
    ) -> None:
        self._items, self._writer, self._backoff = items, writer, backoff
        self._buckets, self._versions, self._outbox = buckets, versions, outbox
        self._clock = clock

    async def commit(
        self,
        bucket: Bucket,
        key: str,
        new: NewVersion,
        check: Callable[[Head | None], None],
        holding: Holding | None = None,
        delete_marker: bool = False,
    ) -> ObjectVersion:
        """
        As ICatalog.commit.

        Args:
            check: raises when the head is not as it must be for this write.
            holding: what is done for the bytes, if it is not what `new` says of them.
            delete_marker: the version is one (and has no bytes).
        """
        holding = Stored(self._items, new) if holding is None else holding
        turns = Turns(self._backoff, repr(key))
        while await turns.next():
            row = await self._buckets.writable(bucket)
            at = ObjectKey(row.bucket, key)
            head = await self._versions.head(at)
            if head is not None and head.version.reference == new.operation:
                return head.version  # done before: by a call whose outcome was unknown
            check(head)
            version = successor(at, head, new, delete_marker)
            below = await self._null_below(at, head, version)
            now = self._clock.seconds()
            _check_replaced(head, below, version, now)
            refusal = await self._writer.write(
                [
                    *put_on_top(at, head, below, version, now),
                    *await holding.actions(version, now),
                    *await self._outbox.telling(at, new.event, version, new.operation),
                    *self._buckets.checks(row),
                ],
                partial(self._buckets.leave, row),
            )
            if refusal is None:
                return version
            done = await self._done_before(at, version, holding, refusal)
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
        self, at: ObjectKey, version: ObjectVersion, holding: Holding, refusal: Refusal
    ) -> ObjectVersion | None:
        """
        What an earlier sending made, whose answer was lost; None: nothing was done.

        Fails:
            CommitUnknown: nobody can tell.
            Conflict: the existing bytes it refers to are being removed.
        """
        operation = version.reference
        if not refusal.resent and not refusal.is_own(operation):
            await holding.check()
            return None
        try:
            found, _ = await self._versions.find(at, by_operation(version.seq, operation))
            if found is not None:
                return found
            traces = await holding.traces()
        except Unavailable as error:
            raise CommitUnknown(UNKNOWN) from error
        if traces:
            return version  # it was there, and others have replaced it since
        if refusal.settled and holding.lasting:
            return None
        raise CommitUnknown(UNKNOWN)


def _check_replaced(
    head: Head | None, below: ObjectVersion | None, version: ObjectVersion, now: float
) -> None:
    """A lock keeps a version from being replaced as well.  Raises: ObjectLocked."""
    if head is not None and version.is_null and head.version.is_null:
        check_unlocked(head.version, now)
    if below is not None:
        check_unlocked(below, now)
