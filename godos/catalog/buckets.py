"""
Buckets as commits see them: their rows, and how a commit knows that its bucket is still there.

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

from godos.catalog.items import Action, Check, IItemStore, Put, RevIs
from godos.catalog.places import BUCKETS, bucket_place
from godos.catalog.records import ACTIVE, DELETING, bucket_item, bucket_of
from godos.catalog.watching import Watch
from godos.catalog.writing import Writer
from godos.model.errors import NoSuchBucket
from godos.model.versions import Bucket

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
        monotonic: Callable[[], float],
        draw_id: Callable[[], str],
        settle: float,
    ) -> None:
        self._items, self._writer = items, writer
        self._monotonic, self._draw_id = monotonic, draw_id
        self._settle = settle
        self._cache: dict[str, BucketRow] = {}
        self._stalled = Watch(monotonic)

    # -- reading ------------------------------------------------------------------------
    def known(self, name: str) -> BucketRow | None:
        """Up to 2 s old; None: it must be read."""
        known = self._cache.get(name)
        if known is not None and self._monotonic() - known.read_at < CACHED:
            return known
        return None

    async def cached(self, name: str) -> BucketRow:
        """Up to 2 s old.  Fails: NoSuchBucket."""
        known = self.known(name)
        return await self.fresh(name) if known is None else known

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
            return await self.revived(found)
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

    async def revived(self, row: BucketRow) -> BucketRow:
        """
        Undo a deletion that does not go on, for its server died.  Always safe: the
        deleter's last step compares the rev that this changes.

        Fails: NoSuchBucket, for it may still go on.
        """
        name = row.bucket.name
        if self._stalled.unchanged(name, row.bucket.rev) < STALLED:
            raise NoSuchBucket(f"the bucket {name!r} is being deleted")
        self._stalled.forget(name)
        await self.change(row.bucket, ACTIVE)
        found = await self.fresh(name)
        if found.deleting or found.bucket.id != row.bucket.id:
            raise NoSuchBucket(f"the bucket {name!r} is being deleted")
        return found

    async def change(self, bucket: Bucket, state: str) -> Bucket | None:
        """Write the row anew if it still is what was read; None when it is not."""
        self.forget(bucket.name)
        changed = evolve(bucket, rev=self._draw_id())
        put = Put(bucket_item(changed, state), RevIs(bucket.rev))
        refusal = await self._writer.write([put])
        if refusal is None or refusal.is_own(changed.rev):
            return changed
        refusal.or_unknown()
        return None
