"""
Objects of a catalog that is being written to, each as it is at one moment.

A scan sees each row at another time: of an object that is replaced meanwhile it may see the
new version's row, and not its bytes', or miss a version that moves.  So versions are read key
by key, as a reader of objects does it, and with each what it needs and the scan did not see.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from godos.catalog.items import IItemStore, Item
from godos.catalog.manifests import page_of
from godos.catalog.places import (
    BUCKETS,
    ONLY,
    ObjectKey,
    Place,
    blob_place,
    head_partitions,
    manifest_partition,
    manifest_place,
    open_uploads,
    reference_place,
    upload_partition,
)
from godos.catalog.records import bucket_of, fields
from godos.catalog.upload_records import opened_of
from godos.model.versions import Bucket

_TURNS = 16  # times that a key is read which is written to all the while
_AT_ONCE = 100  # places


class Rereading:
    """
    Args:
        unseen: answers which of some places the scan has not seen; it may take its time.
    """

    def __init__(self, items: IItemStore, unseen: Callable[[Sequence[Place]], object]) -> None:
        self._items, self._unseen = items, unseen

    async def all(self) -> AsyncIterator[list[Item]]:
        """Rows of all versions and open uploads, with those that they need."""
        for row in await self._partition(BUCKETS):
            bucket = bucket_of(row)
            for partition in head_partitions(bucket):
                async for rows in self._heads(bucket, partition):
                    yield rows
            async for rows in self._uploads(bucket):
                yield rows

    async def _heads(self, bucket: Bucket, partition: str) -> AsyncIterator[list[Item]]:
        start: bytes | None = b""
        while start is not None:
            page = await self._items.query(partition, start)
            start = page.cursor
            simple = [head for head in page.items if _is_simple(head)]
            needed = await self._needed(simple)
            good, found = await self._closed(simple, needed)
            yield [*good, *found]
            known = {head.s for head in good}
            for head in page.items:
                if head.s not in known:
                    yield await self._key(ObjectKey(bucket, head.s.decode()))

    async def _closed(
        self, heads: Sequence[Item], needed: Sequence[Place]
    ) -> tuple[list[Item], list[Item]]:
        """Those of which nothing is missing, and what was read for them."""
        found = await self._get(needed)
        missing = set(needed) - {(item.p, item.s) for item in found}
        return [head for head in heads if missing.isdisjoint(_needs(head))], found

    async def _key(self, at: ObjectKey) -> list[Item]:
        """All versions of a key, as they were together, with what they need."""
        rows: list[Item] = []
        for _ in range(_TURNS):
            head = await self._items.get(*at.head)
            if head is None:
                return []
            rows = [head, *await self._partition(at.history)]
            found = [*await self._get(await self._needed(rows)), *await self._manifests(rows)]
            again = await self._items.get(*at.head)
            if again is not None and again.rev == head.rev:
                return [*rows, *found]
        return rows  # as good as it gets: who imports it sees what is missing

    async def _uploads(self, bucket: Bucket) -> AsyncIterator[list[Item]]:
        for row in await self._partition(open_uploads(bucket)):
            for opened in opened_of(row):
                rows = await self._partition(upload_partition(opened.id))
                yield [*rows, *await self._get(await self._needed(rows))]

    async def _manifests(self, rows: Iterable[Item]) -> list[Item]:
        """Whole lists of parts: a scan may have seen them half written."""
        found: list[Item] = []
        for manifest in {item.data["man"] for item in rows if "man" in item.data}:
            pages = await self._partition(manifest_partition(manifest))
            parts = [part for page in pages if page.s != ONLY for part in page_of(page)]
            held = [(part.incarnation, part.reference) for part in parts if part.incarnation]
            found += pages
            found += await self._get(await self._only_unseen(_held(held)))
        return found

    async def _needed(self, rows: Iterable[Item]) -> list[Place]:
        return await self._only_unseen([place for row in rows for place in _needs(row)])

    async def _only_unseen(self, places: Sequence[Place]) -> list[Place]:
        return await self._unseen(places)  # type: ignore[no-any-return, misc]

    async def _get(self, places: Sequence[Place]) -> list[Item]:
        found: list[Item] = []
        for first in range(0, len(places), _AT_ONCE):
            some = await self._items.get_many(places[first : first + _AT_ONCE])
            found += [item for item in some if item is not None]
        return found

    async def _partition(self, p: str) -> list[Item]:
        found: list[Item] = []
        start: bytes | None = b""
        while start is not None:
            page = await self._items.query(p, start)
            found += page.items
            start = page.cursor
        return found


def _is_simple(head: Item) -> bool:
    """Whether it is all there is of its key, but for a blob."""
    data = fields(head)
    return not data.get("older") and "man" not in data


def _needs(row: Item) -> list[Place]:
    """Places of what a version or a part cannot be without."""
    data = row.data
    reference = data.get("ref") or row.rev or ""
    if "man" in data:
        return [manifest_place(data["man"]), reference_place(data["man"], reference)]
    return _held([(data["inc"], reference)]) if "inc" in data else []


def _held(held: Iterable[tuple[str | None, str]]) -> list[Place]:
    places: list[Place] = []
    for incarnation, reference in held:
        assert incarnation is not None
        places += [blob_place(incarnation), reference_place(incarnation, reference)]
    return places
