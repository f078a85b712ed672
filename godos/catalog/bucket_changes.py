"""Making, changing and deleting buckets."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from godos.catalog.buckets import Buckets
from godos.catalog.items import MAX_ACTIONS, Absent, Action, Delete, IItemStore, Put, RevIs
from godos.catalog.places import bucket_place, head_partition, settings_partition
from godos.catalog.records import ACTIVE, DELETING, bucket_item, bucket_of
from godos.catalog.writing import Backoff, Turns, Writer
from godos.model.errors import (
    BucketAlreadyExists,
    BucketAlreadyOwnedByYou,
    BucketNotEmpty,
    InvalidBucketState,
    InvalidRequest,
    NoSuchBucket,
)
from godos.model.versions import Bucket, Versioning


class BucketChanges:
    def __init__(
        self,
        items: IItemStore,
        writer: Writer,
        backoff: Backoff,
        buckets: Buckets,
        clock: IReactorTime,
        draw_id: Callable[[], str],
        settle: float,
    ) -> None:
        self._items, self._writer, self._backoff = items, writer, backoff
        self._buckets, self._clock, self._draw_id = buckets, clock, draw_id
        self._settle = settle

    async def create(self, name: str, owner: str, object_lock: bool, shards: int) -> Bucket:
        """As ICatalog.create_bucket; Fails besides: Conflict."""
        made = Bucket(
            name,
            self._draw_id(),
            owner,
            self._clock.seconds(),
            versioning=Versioning.ENABLED if object_lock else Versioning.OFF,
            shards=shards,
            rev=self._draw_id(),
            object_lock=object_lock,
        )
        turns = Turns(self._backoff, f"the bucket {name!r}")
        while await turns.next():
            self._buckets.forget(name)
            refusal = await self._writer.write([Put(bucket_item(made), Absent())])
            if refusal is None or refusal.is_own(made.rev):
                return made
            refusal.or_unknown()
            try:
                standing = await self._buckets.fresh(name)
            except NoSuchBucket:
                continue
            if not standing.deleting:
                break
            await self._finish(standing.bucket)  # somebody's deletion, which may have died
        if standing.bucket.owner == owner:
            raise BucketAlreadyOwnedByYou(f"you already have the bucket {name!r}")
        raise BucketAlreadyExists(f"somebody else has the bucket {name!r}")

    async def delete(self, name: str) -> None:
        """As ICatalog.delete_bucket; Fails besides: Conflict."""
        turns = Turns(self._backoff, f"the bucket {name!r}")
        while await turns.next():
            row = await self._buckets.fresh(name)
            if not await self._empty(row.bucket):
                if row.deleting:
                    await self._buckets.change(row.bucket, ACTIVE)
                raise BucketNotEmpty(f"the bucket {name!r} is not empty")
            # another's deletion is gone on with, not begun again: its rev is what all compare
            marked = (
                row.bucket if row.deleting else await self._buckets.change(row.bucket, DELETING)
            )
            if marked is not None and await self._finish(marked):
                return

    async def set_versioning(self, name: str, versioning: Versioning) -> Bucket:
        """As ICatalog.set_versioning; Fails besides: Conflict."""

        def alter(bucket: Bucket) -> Bucket:
            if versioning is Versioning.OFF and bucket.versioning is not Versioning.OFF:
                raise InvalidRequest(
                    "versioning that was on once can be suspended, and not be off again"
                )
            if bucket.object_lock and versioning is not Versioning.ENABLED:
                raise InvalidBucketState(
                    f"the bucket {name!r} has object lock, and so its versioning stays on"
                )
            return evolve(bucket, versioning=versioning)

        return await self._altered(name, alter)

    async def enable_object_lock(self, name: str) -> Bucket:
        """As ICatalog.enable_object_lock; Fails besides: Conflict."""

        def alter(bucket: Bucket) -> Bucket:
            if bucket.versioning is not Versioning.ENABLED:
                raise InvalidBucketState(
                    f"enable versioning of the bucket {name!r} before its object lock"
                )
            return evolve(bucket, object_lock=True)

        return await self._altered(name, alter)

    async def _altered(self, name: str, alter: Callable[[Bucket], Bucket]) -> Bucket:
        """
        Change a bucket's row, and wait until nobody acts on the old one any more.

        Fails: NoSuchBucket, Conflict, and as `alter` does.
        """
        turns = Turns(self._backoff, f"the bucket {name!r}")
        changed: Bucket | None = None
        while changed is None and await turns.next():
            row = await self._buckets.fresh(name)
            if row.deleting:
                row = await self._buckets.revived(row)
            changed = await self._buckets.change(alter(row.bucket), ACTIVE)
        await self._settled()
        found = await self._buckets.fresh(name)
        if changed is None or found.bucket.id != changed.id:
            raise NoSuchBucket(f"the bucket {name!r} was deleted meanwhile")
        return found.bucket

    async def _finish(self, bucket: Bucket) -> bool:
        """
        Go on with the deletion that wrote `bucket`'s row; tells whether it is gone.

        From that write on no commit begins, and after `settle` none is under way.  Any
        number of servers may do this at once: each step compares the rev.
        """
        try:
            await self._settled()
            empty = await self._empty(bucket)
            settings = await self._settings(bucket)
        except Exception:  # also a caller who went away: let the bucket live on
            await self._buckets.change(bucket, ACTIVE)
            raise
        if not empty:
            await self._buckets.change(bucket, ACTIVE)
            return False
        self._buckets.forget(bucket.name)
        gone = Delete(*bucket_place(bucket.name), RevIs(bucket.rev))
        refusal = await self._writer.write([gone, *settings])
        if refusal is None:
            return True
        refusal.or_unknown()
        standing = await self._items.get(*bucket_place(bucket.name))
        return standing is None or bucket_of(standing).id != bucket.id

    async def _settings(self, bucket: Bucket) -> list[Action]:
        """What removes them; none is written once the bucket is marked, so these are all."""
        page = await self._items.query(settings_partition(bucket), limit=MAX_ACTIONS - 1)
        found = list(page.items)
        while page.cursor is not None and len(found) < MAX_ACTIONS - 1:
            page = await self._items.query(
                settings_partition(bucket), page.cursor, limit=MAX_ACTIONS - 1 - len(found)
            )
            found += page.items
        return [Delete(item.p, item.s) for item in found]

    async def _empty(self, bucket: Bucket) -> bool:
        """Heads suffice: none is absent while its key has older versions."""
        for shard in range(bucket.shards):
            start: bytes | None = b""
            while start is not None:
                page = await self._items.query(head_partition(bucket, shard), start, limit=1)
                if page.items:
                    return False
                start = page.cursor
        return True

    async def _settled(self) -> None:
        if self._settle:
            await deferLater(self._clock, self._settle)
