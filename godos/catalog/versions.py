"""Reading single versions, without ever taking a version on its way for one that is not there."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from godos.catalog.items import IItemStore
from godos.catalog.places import ObjectKey, history_key
from godos.catalog.records import Head, head_of, older_of
from godos.catalog.version_ids import seq_of
from godos.model.errors import Conflict, NoSuchKey, NoSuchVersion
from godos.model.versions import NULL_VERSION, ObjectVersion

_LOOKS = 32  # at a key that keeps changing


@frozen
class Sought:
    """Which version is meant: where it stands if it is an older one, and how to know it."""

    seq: Callable[[Head], int | None]
    is_it: Callable[[ObjectVersion], bool]


def by_id(version_id: str) -> Sought:
    """What `?versionId=` means; an id that is not of ours is of no version."""
    if version_id == NULL_VERSION:
        return Sought(lambda head: head.null_seq, lambda version: version.is_null)
    seq = seq_of(version_id)
    return Sought(lambda _head: seq, lambda version: version.version_id == version_id)


def by_operation(seq: int, operation: str) -> Sought:
    """The version that `operation` made as number `seq`, if it did."""
    return Sought(lambda _head: seq, lambda version: version.reference == operation)


class Versions:
    def __init__(self, items: IItemStore) -> None:
        self._items = items

    async def head(self, at: ObjectKey) -> Head | None:
        """The head row."""
        item = await self._items.get(*at.head)
        return None if item is None else head_of(at, item)

    async def older(self, at: ObjectKey, seq: int | None) -> ObjectVersion | None:
        """The older version number `seq`; None: there is none."""
        if seq is None:
            return None
        item = await self._items.get(*at.older(seq))
        return None if item is None else older_of(at, item)

    async def newest_older(self, at: ObjectKey, limit: int) -> list[ObjectVersion]:
        """The newest of the older versions."""
        found: list[ObjectVersion] = []
        start: bytes | None = history_key(2**64 - 1)
        while start is not None and len(found) < limit:
            page = await self._items.query(at.history, start, limit=limit - len(found))
            found += [older_of(at, item) for item in page.items]
            start = page.cursor
        return found

    async def latest(self, at: ObjectKey) -> ObjectVersion:
        """Fails: NoSuchKey, also when a delete marker is on top."""
        return (await self.latest_head(at)).version

    async def latest_head(self, at: ObjectKey) -> Head:
        """Fails: NoSuchKey, also when a delete marker is on top."""
        head = await self.head(at)
        if head is None:
            raise NoSuchKey(f"there is no {at.key!r} in the bucket {at.bucket.name!r}")
        if head.version.is_delete_marker:
            raise NoSuchKey(f"{at.key!r} was deleted", head.version.version_id)
        return head

    async def version(self, at: ObjectKey, version_id: str) -> ObjectVersion:
        """Fails: NoSuchVersion."""
        found, _head = await self.find(at, by_id(version_id))
        if found is None:
            raise NoSuchVersion(f"{at.key!r} has no version {version_id[:80]!r}")
        return found

    async def find(self, at: ObjectKey, sought: Sought) -> tuple[ObjectVersion | None, Head | None]:
        """
        The version, if it is there, and the head as read before it.

        A version may move from head to history (a put) or back (the head's removal)
        between two reads.  "Not there" is the truth only when the head had the same rev
        before and after the look at the history: a rev never comes again, so nothing moved.
        """
        head = await self.head(at)
        for _look in range(_LOOKS):
            if head is None or sought.is_it(head.version):
                return (None if head is None else head.version), head
            seq = sought.seq(head)
            if not head.older or seq is None or seq >= head.version.seq:
                return None, head
            older = await self.older(at, seq)
            if older is not None and sought.is_it(older):
                return older, head
            again = await self.head(at)
            if again is not None and again.rev == head.rev:
                return None, head
            head = again
        raise Conflict(f"{at.key!r} changed each time it was looked at: try again")
