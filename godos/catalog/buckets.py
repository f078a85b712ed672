"""
Buckets: their rows, and how a commit knows that its bucket is still there.

Two ways, by what the engine charges.  With `settle` 0 (SQLite, memory) each commit checks
the bucket's row in its transaction, which costs nothing there.  On DynamoDB such a check
costs 2 WRU beside the 6 of a new object, and all commits of a bucket would lock one row;
so servers there trust a row for 2 s, abandon what is not sent within 5 s of its reading,
and whoever changes the row waits until nobody can act on the old one any more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from attrs import evolve, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from godos.catalog.items import Absent, Action, Check, Delete, IItemStore, Put, RevIs
from godos.catalog.places import BUCKETS, bucket_place, head_partition
from godos.catalog.records import ACTIVE, DELETING, bucket_item, bucket_of
from godos.catalog.watching import Watch
from godos.catalog.writing import Backoff, Turns, Writer
from godos.model.errors import (
    BucketAlreadyExists,
    BucketAlreadyOwnedByYou,
    BucketNotEmpty,
    InvalidRequest,
    NoSuchBucket,
)
from godos.model.versions import Bucket, Versioning

CACHED = 2.0  # seconds for which a bucket's row is trusted
ABANDONED = 5.0  # seconds after its reading when nothing more is sent because of it
STALLED = 60.0  # seconds after which a deletion that does not go on is undone
_MOST_CACHED = 10_000  # buckets


@frozen
class BucketRow:
    """A bucket, and when (monotonic seconds) its row was asked for."""

    bucket: Bucket
    deleting: bool
    read_at: float


class Buckets:
    def __init__(
        self,
        items: IItemStore,
        writer: Writer,
        backoff: Backoff,
        clock: IReactorTime,
        monotonic: Callable[[], float],
        draw_id: Callable[[], str],
        settle: float,
    ) -> None:
        self._items, self._writer, self._backoff = items, writer, backoff
        self._clock, self._monotonic, self._draw_id = clock, monotonic, draw_id
        self._settle = settle
        self._cache: dict[str, BucketRow] = {}
        self._stalled = Watch(monotonic)

    # -- reading ------------------------------------------------------------------------
    async def cached(self, name: str) -> BucketRow:
        """Up to 2 s old.  Fails: NoSuchBucket."""
        known = self._cache.get(name)
        if known is not None and self._monotonic() - known.read_at < CACHED:
            return known
        return await self.fresh(name)

    async def fresh(self, name: str) -> BucketRow:
        """As it stands.  Fails: NoSuchBucket."""
        self.forget(name)
        read_at = self._monotonic()
        item = await self._items.get(*bucket_place(name))
        if item is None:
            raise NoSuchBucket(f"there is no bucket {name!r}")
        found = BucketRow(bucket_of(item), item.state == DELETING, read_at)
        if not found.deleting:  # a deletion may be taken back at any moment
            if len(self._cache) >= _MOST_CACHED:
                self._cache.clear()
            self._cache[name] = found
        return found

    async def remade(self, bucket: Bucket) -> Bucket | None:
        """
        Another bucket that has the name of `bucket`, which was read up to 2 s ago.

        Nothing was found in `bucket`: before that is told, it must be the right one.  Where
        changes settle none can have come, for a deletion outlasts all trust in the old row.
        """
        if self._settle:
            return None
        try:
            found = (await self.fresh(bucket.name)).bucket
        except NoSuchBucket:
            return None
        return None if found.id == bucket.id else found

    def forget(self, name: str) -> None:
        """The cached row is known to be old."""
        self._cache.pop(name, None)

    async def all(self) -> Sequence[Bucket]:
        found: list[Bucket] = []
        start: bytes | None = b""
        while start is not None:
            page = await self._items.query(BUCKETS, start)
            found += map(bucket_of, page.items)
            start = page.cursor
        return found

    # -- what a commit asks -------------------------------------------------------------
    async def writable(self, bucket: Bucket) -> BucketRow:
        """
        Today's row of `bucket`, which the caller may have read long ago.

        Fails:
            NoSuchBucket: it is gone or being deleted; or another has its name.
        """
        found = await self.cached(bucket.name)
        if found.bucket.id != bucket.id or found.deleting:
            found = await self.fresh(bucket.name)
        if found.bucket.id != bucket.id:
            raise NoSuchBucket(f"the bucket {bucket.name!r} was deleted, and made again")
        if found.deleting:
            return await self._revived(found)
        return found

    def checks(self, row: BucketRow) -> list[Action]:
        """What a commit adds to its transaction so that it fails when the bucket changed."""
        if self._settle:
            return []
        return [Check(*bucket_place(row.bucket.name), RevIs(row.bucket.rev))]

    async def leave(self, row: BucketRow) -> float:
        """For how many seconds (0: none) a commit that began with `row` may be sent."""
        if not self._settle:
            return inf  # the transaction checks the row
        left = row.read_at + ABANDONED - self._monotonic()
        if left > 0:
            return left
        try:
            now = await self.fresh(row.bucket.name)
        except NoSuchBucket:
            return 0.0
        if now.deleting or now.bucket.rev != row.bucket.rev:
            return 0.0
        return now.read_at + ABANDONED - self._monotonic()

    async def _revived(self, row: BucketRow) -> BucketRow:
        """
        Undo a deletion that does not go on, for its server died.  Always safe: the
        deleter's last step compares the rev that this changes.

        Fails: NoSuchBucket, for it may still go on.
        """
        name = row.bucket.name
        if self._stalled.unchanged(name, row.bucket.rev) < STALLED:
            raise NoSuchBucket(f"the bucket {name!r} is being deleted")
        self._stalled.forget(name)
        await self._change(row.bucket, ACTIVE)
        found = await self.fresh(name)
        if found.deleting or found.bucket.id != row.bucket.id:
            raise NoSuchBucket(f"the bucket {name!r} is being deleted")
        return found

    # -- writing ------------------------------------------------------------------------
    async def create(self, name: str, owner: str, shards: int) -> Bucket:
        """Fails: BucketAlreadyOwnedByYou, BucketAlreadyExists, Conflict."""
        rev = self._draw_id()
        made = Bucket(name, self._draw_id(), owner, self._clock.seconds(), shards=shards, rev=rev)
        turns = Turns(self._backoff, f"the bucket {name!r}")
        while await turns.next():
            self.forget(name)
            refusal = await self._writer.write([Put(bucket_item(made), Absent())])
            if refusal is None or refusal.is_own(rev):
                return made
            refusal.or_unknown()
            try:
                standing = await self.fresh(name)
            except NoSuchBucket:
                continue
            if not standing.deleting:
                break
            await self._finish(standing.bucket)  # somebody's deletion, which may have died
        if standing.bucket.owner == owner:
            raise BucketAlreadyOwnedByYou(f"you already have the bucket {name!r}")
        raise BucketAlreadyExists(f"somebody else has the bucket {name!r}")

    async def delete(self, name: str) -> None:
        """Fails: NoSuchBucket, BucketNotEmpty, Conflict."""
        turns = Turns(self._backoff, f"the bucket {name!r}")
        while await turns.next():
            row = await self.fresh(name)
            if not await self._empty(row.bucket):
                if row.deleting:
                    await self._change(row.bucket, ACTIVE)
                raise BucketNotEmpty(f"the bucket {name!r} is not empty")
            # another's deletion is gone on with, not begun again: its rev is what all compare
            marked = row.bucket if row.deleting else await self._change(row.bucket, DELETING)
            if marked is not None and await self._finish(marked):
                return

    async def set_versioning(self, name: str, versioning: Versioning) -> Bucket:
        """Fails: NoSuchBucket, InvalidRequest, Conflict."""
        turns = Turns(self._backoff, f"the bucket {name!r}")
        changed: Bucket | None = None
        while changed is None and await turns.next():
            row = await self.fresh(name)
            if row.deleting:
                row = await self._revived(row)
            if versioning is Versioning.OFF and row.bucket.versioning is not Versioning.OFF:
                raise InvalidRequest(
                    "versioning that was on once can be suspended, and not be off again"
                )
            changed = await self._change(evolve(row.bucket, versioning=versioning), ACTIVE)
        await self._settled()
        found = await self.fresh(name)
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
        except Exception:  # also a caller who went away: let the bucket live on
            await self._change(bucket, ACTIVE)
            raise
        if not empty:
            await self._change(bucket, ACTIVE)
            return False
        self.forget(bucket.name)
        refusal = await self._writer.write([Delete(*bucket_place(bucket.name), RevIs(bucket.rev))])
        if refusal is None:
            return True
        refusal.or_unknown()
        standing = await self._items.get(*bucket_place(bucket.name))
        return standing is None or bucket_of(standing).id != bucket.id

    async def _change(self, bucket: Bucket, state: str) -> Bucket | None:
        """Write the row anew if it still is what was read; None when it is not."""
        self.forget(bucket.name)
        changed = evolve(bucket, rev=self._draw_id())
        put = Put(bucket_item(changed, state), RevIs(bucket.rev))
        refusal = await self._writer.write([put])
        if refusal is None or refusal.is_own(changed.rev):
            return changed
        refusal.or_unknown()
        return None

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
