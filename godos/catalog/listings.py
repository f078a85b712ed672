"""Pages of listings: of objects, and of versions."""

from __future__ import annotations

from attrs import frozen

from godos.catalog.items import IItemStore
from godos.catalog.places import ObjectKey, head_partition, head_partitions, history_key
from godos.catalog.records import Head, head_of, is_delete_marker, live_versions, older_of
from godos.catalog.together import together
from godos.catalog.version_ids import seq_of
from godos.catalog.versions import Versions
from godos.catalog.walking import LARGEST_PAGE, MOST_QUERIES, Entry, Range, Walk
from godos.model.errors import InvalidRequest
from godos.model.versions import NULL_VERSION, Bucket, Listing, ObjectVersion

_AT_ONCE = 16  # keys whose history is read at the same time
_LOOKS = 5  # at a key that keeps changing


@frozen
class Line:
    """One line of a page: a version or a common prefix, and where a page goes on after it."""

    after: str
    version: ObjectVersion | None


class Listings:
    def __init__(self, items: IItemStore, versions: Versions) -> None:
        self._items, self._versions = items, versions

    async def objects(
        self, bucket: Bucket, prefix: str, delimiter: str, after: str, limit: int
    ) -> Listing:
        """As ICatalog.list_objects."""
        if limit < 1:
            return Listing((), (), None)
        keys = Range.of(prefix, delimiter, after)
        if bucket.shards == 1 and not delimiter:
            return await self._plain(bucket, keys, after, limit)
        walk = Walk(
            self._items,
            head_partitions(bucket),
            keys,
            lambda item: not is_delete_marker(item),
            limit,
        )
        lines: list[Line] = []
        # one more than asked, to know whether there is a next page
        while len(lines) <= limit and (entry := await walk.next()) is not None:
            head = _head(bucket, entry)
            lines.append(Line(entry.after, None if head is None else head.version))
            if walk.tired:
                break
        return _page(lines, limit, None if walk.ended else walk.after)

    async def _plain(self, bucket: Bucket, keys: Range, after: str, limit: int) -> Listing:
        """The common case: nothing to roll up or to merge, so a page of rows is one of lines."""
        found: list[ObjectVersion] = []
        start = None if keys.is_empty else keys.start
        size = limit + 1  # one more than asked, to know whether there is a next page
        for _query in range(MOST_QUERIES):
            if start is None or len(found) > limit:
                break
            page = await self._items.query(head_partition(bucket, 0), start, keys.stop, limit=size)
            found += live_versions(bucket.name, page.items)
            start, size = page.cursor, min(LARGEST_PAGE, 2 * size)
            after = page.items[-1].s.decode() if page.items else after
        if len(found) > limit:
            return Listing(tuple(found[:limit]), (), found[limit - 1].key)
        return Listing(tuple(found), (), None if start is None else after)

    async def versions(
        self,
        bucket: Bucket,
        prefix: str,
        delimiter: str,
        after: str,
        after_version: str,
        limit: int,
    ) -> Listing:
        """
        As ICatalog.list_versions.

        Heads are walked, for none is absent while its key has older versions; and only
        those that say so cost a query of their history.
        """
        if limit < 1:
            return Listing((), (), None)
        inside = bool(after_version)
        below = await self._position(bucket, after, after_version) if inside else None
        walk = Walk(
            self._items,
            head_partitions(bucket),
            Range.of(prefix, delimiter, after, inclusive=inside),
            lambda _item: True,
            limit,
        )
        lines: list[Line] = []
        while len(lines) <= limit:
            entries = await _some(walk, min(_AT_ONCE, limit + 1 - len(lines)))
            wanted = limit + 1 - len(lines)
            for found in await self._expanded(bucket, entries, after, below, wanted):
                lines += found
            if len(entries) == 0 or walk.tired:
                break
        rest = None if walk.ended else (lines[-1].after if lines else walk.after)
        return _page(lines, limit, rest)

    async def _position(self, bucket: Bucket, key: str, version_id: str) -> int | None:
        """The seq of that version; None when it cannot be told: list the key from its top."""
        if version_id != NULL_VERSION:
            seq = seq_of(version_id)
            if seq is None:
                raise InvalidRequest(f"{version_id[:80]!r} is no version id to start after")
            return seq
        at = ObjectKey(bucket, key)
        head = await self._versions.head(at)
        if head is None or head.version.is_null:
            return None if head is None else head.version.seq
        older = await self._versions.older(at, head.null_seq)
        return older.seq if older is not None and older.is_null else None

    async def _expanded(
        self, bucket: Bucket, entries: list[Entry], after: str, below: int | None, limit: int
    ) -> list[list[Line]]:
        """The lines of each entry, at most `limit` (perhaps not all) of each."""
        lines = [
            None if entry.after == after and below is not None else _at_hand(bucket, entry)
            for entry in entries
        ]
        read = iter(
            await together(
                self._lines(bucket, entry, below if entry.after == after else None, limit)
                for entry, known in zip(entries, lines, strict=True)
                if known is None
            )
        )
        return [next(read) if known is None else known for known in lines]

    async def _lines(
        self, bucket: Bucket, entry: Entry, below: int | None, limit: int
    ) -> list[Line]:
        head = _head(bucket, entry)
        if head is None:
            return [Line(entry.after, None)]
        at = ObjectKey(bucket, entry.after)
        return [Line(at.key, version) for version in await self._all(at, head, below, limit)]

    async def _all(
        self, at: ObjectKey, head: Head | None, below: int | None, limit: int
    ) -> list[ObjectVersion]:
        """
        Versions of one key, newest first, with a seq under `below`.

        When the head was removed while its history was read, the version promoted into its
        place was in neither: look again.  A key that never rests is shown as last seen.
        """
        found: list[ObjectVersion] = []
        for _look in range(_LOOKS):
            if head is None:
                return []
            top = head.version.seq
            found = [head.version] if below is None or top < below else []
            if not head.older:
                break
            found += await self._history(at, top if below is None else min(top, below), limit)
            again = await self._versions.head(at)
            if again is not None and again.rev == head.rev:
                break
            head = again
        return found

    async def _history(self, at: ObjectKey, below: int, limit: int) -> list[ObjectVersion]:
        found: list[ObjectVersion] = []
        start: bytes | None = history_key(below - 1)
        while start is not None and len(found) < limit:
            page = await self._items.query(at.history, start, limit=limit - len(found))
            found += [older_of(at, item) for item in page.items]
            start = page.cursor
        return found


async def _some(walk: Walk, count: int) -> list[Entry]:
    """The next entries, up to `count`."""
    entries: list[Entry] = []
    while len(entries) < count and (entry := await walk.next()) is not None:
        entries.append(entry)
        if walk.tired:
            break
    return entries


def _at_hand(bucket: Bucket, entry: Entry) -> list[Line] | None:
    """The lines of an entry that need no more reading; None: they do."""
    head = _head(bucket, entry)
    if head is None:
        return [Line(entry.after, None)]
    return None if head.older else [Line(entry.after, head.version)]


def _head(bucket: Bucket, entry: Entry) -> Head | None:
    if entry.item is None:
        return None
    return head_of(ObjectKey(bucket, entry.after), entry.item)


def _page(lines: list[Line], limit: int, rest: str | None) -> Listing:
    """The first `limit` lines; `rest` is where to go on when there are no more than that."""
    if len(lines) > limit:
        lines = lines[:limit]
        rest = lines[-1].after
    return Listing(
        tuple(line.version for line in lines if line.version is not None),
        tuple(line.after for line in lines if line.version is None),
        rest,
    )
