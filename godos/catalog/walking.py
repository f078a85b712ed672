"""Walking over the heads of a bucket in byte order, as a listing sees them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from attrs import frozen

from godos.catalog.items import IItemStore, Item
from godos.catalog.together import together

LARGEST_PAGE = 1001  # rows asked for at once: S3's largest page, and one to know of a next
SMALLEST_PAGE = 16
DELIMITED_PAGE = 100  # at first, for a common prefix may make all but one row of no use
MOST_QUERIES = 64  # after which a page ends short


def after_prefix(prefix: bytes) -> bytes | None:
    """
    The first key after all that begin with `prefix`: its last byte + 1.

    None when there is none, as after 0xff.  Works on bytes: one after U+10FFFF is no text.
    """
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else None


def common_prefix(key: bytes, prefix: bytes, delimiter: bytes) -> bytes | None:
    """What `key` is rolled up into: up to the first delimiter after the prefix."""
    if not delimiter:
        return None
    found = key.find(delimiter, len(prefix))
    return None if found < 0 else key[: found + len(delimiter)]


@frozen
class Range:
    """Which keys a listing shows: `start` <= key < `stop`, rolled up at the delimiter."""

    prefix: bytes
    delimiter: bytes
    start: bytes | None  # None: nothing is left
    stop: bytes | None

    @property
    def is_empty(self) -> bool:
        """Whether no key is in it."""
        return self.start is None or (self.stop is not None and self.start >= self.stop)

    @classmethod
    def of(cls, prefix: str, delimiter: str, after: str, inclusive: bool = False) -> Range:
        """
        What follows `after`; a common prefix is followed by what does not begin with it.

        Args:
            inclusive: `after` itself comes too.
        """
        begin, cut, last = prefix.encode(), delimiter.encode(), after.encode()
        if inclusive:
            start: bytes | None = last
        elif last.startswith(begin) and common_prefix(last, begin, cut) == last:
            start = after_prefix(last)
        else:
            start = last + b"\0" if last else b""
        return cls(begin, cut, None if start is None else max(begin, start), after_prefix(begin))


class ShardRows:
    """The rows of one shard in order, read page by page and only when asked for."""

    def __init__(self, items: IItemStore, partition: str, range_: Range, page: int) -> None:
        self._items, self._partition = items, partition
        self._start, self._stop, self._page = range_.start, range_.stop, page
        self._rows: deque[Item] = deque()
        self.queries = 0
        self._close_if_past()

    @property
    def waiting(self) -> bool:
        """Whether a page must be read to know the next row."""
        return not self._rows and self._start is not None

    @property
    def next_key(self) -> bytes | None:
        return self._rows[0].s if self._rows else None

    def pop(self) -> Item:
        return self._rows.popleft()

    async def fill(self) -> None:
        """Read on until there is a row, or none is left."""
        while self.waiting:
            self.queries += 1
            page = await self._items.query(
                self._partition, self._start or b"", self._stop, limit=self._page
            )
            self._rows.extend(page.items)
            self._start = page.cursor
            self._page = min(LARGEST_PAGE, self._page * 2)

    def skip(self, target: bytes | None) -> None:
        """Drop rows before `target`, or all; what was not read yet never will be."""
        waiting = len(self._rows)
        while self._rows and (target is None or self._rows[0].s < target):
            self._rows.popleft()
        if self._rows or self._start is None:
            return
        if target is None:
            self._start = None
        elif self._start < target:
            self._start = target
            if waiting >= self._page // 4:  # half of the last page was of no use
                self._page = max(SMALLEST_PAGE, self._page // 8)
        self._close_if_past()

    def _close_if_past(self) -> None:
        if self._start is not None and self._stop is not None and self._start >= self._stop:
            self._start = None


@frozen
class Entry:
    """What a listing shows for one key, or (`item` None) for a common prefix."""

    after: str  # where a listing goes on behind it
    item: Item | None


class Walk:
    """
    The entries of a listing, merged from all partitions, whose sort keys are keys.

    `after` is where a later walk goes on behind all that this one has looked at, shown or
    not; `ended` tells that nothing is left.
    """

    def __init__(
        self,
        items: IItemStore,
        partitions: Sequence[str],
        range_: Range,
        shows: Callable[[Item], bool],
        limit: int,
    ) -> None:
        page = min(LARGEST_PAGE, limit + 1)
        if range_.delimiter:
            page = min(page, DELIMITED_PAGE)
        self._shards = [ShardRows(items, partition, range_, page) for partition in partitions]
        self._range, self._shows = range_, shows
        self.after = ""
        self.ended = False

    @property
    def tired(self) -> bool:
        """Whether the walk has cost so much that the page had better end here."""
        return sum(shard.queries for shard in self._shards) >= MOST_QUERIES

    async def next(self) -> Entry | None:
        """The next entry; None: `ended`, or tired with nothing to show."""
        while (item := await self._pop()) is not None:
            prefix = common_prefix(item.s, self._range.prefix, self._range.delimiter)
            if self._shows(item):
                if prefix is None:
                    return self._entry(item.s, item)
                for shard in self._shards:
                    shard.skip(after_prefix(prefix))
                return self._entry(prefix, None)
            self.after = item.s.decode()
            if self.tired and item.s != prefix:  # a walk after a common prefix would skip it
                return None
        self.ended = True
        return None

    def _entry(self, after: bytes, item: Item | None) -> Entry:
        self.after = after.decode()
        return Entry(self.after, item)

    async def _pop(self) -> Item | None:
        if len(self._shards) == 1:
            (shard,) = self._shards
            if shard.waiting:
                await shard.fill()
            return shard.pop() if shard.next_key is not None else None
        waiting = [shard for shard in self._shards if shard.waiting]
        if waiting:
            await together(shard.fill() for shard in waiting)
        first: ShardRows | None = None
        for shard in self._shards:
            if shard.next_key is not None and (
                first is None or first.next_key is None or shard.next_key < first.next_key
            ):
                first = shard
        return None if first is None else first.pop()
