"""
The outbox: what happened to objects and is to be told, in the order in which it happened.

An event is written by the transaction that did what it tells, so there is one exactly when
the other is.  All events of one key are in one shard, in the order of their places, and a
place is a time and the id of the operation.

Clocks of servers differ; so the time is that of the clock only when it is later than all
times that stand in the shard.  Those are read after the rows of the key: who changes a key
after another has seen the other's row, for that is what its transaction compares, and so
finds the other's event there as well, or it was delivered before.  Either way the later
event comes later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

from twisted.internet.interfaces import IReactorTime

from godos.catalog.items import MAX_ACTIONS, Action, Delete, IItemStore, Item, Put, RevIs
from godos.catalog.places import ObjectKey, outbox_partition
from godos.catalog.records import fields, row
from godos.catalog.writing import Writer
from godos.model.catalog import OUTBOX_SHARDS, Event
from godos.model.cause import CAUSE
from godos.model.versions import ObjectVersion, Versioning

_TIME = 8  # bytes of a place that are its time, in milliseconds


class Outbox:
    def __init__(
        self,
        items: IItemStore,
        writer: Writer,
        clock: IReactorTime,
        draw_id: Callable[[], str],
    ) -> None:
        self._items, self._writer = items, writer
        self._clock, self._draw_id = clock, draw_id

    async def telling(
        self, at: ObjectKey, name: str, version: ObjectVersion, operation: str
    ) -> list[Action]:
        """
        What a transaction adds that does `name` to `version`; nothing where nobody wants to know.

        Ask after all rows of the key were read (see the module).
        """
        if not name or not at.bucket.notifies:
            return []
        shard = shard_of(at)
        time = await self._next_time(shard)
        place = time.to_bytes(_TIME, "big") + bytes.fromhex(operation)
        cause = CAUSE.get()
        kept_apart = at.bucket.versioning is not Versioning.OFF
        event = row(
            outbox_partition(shard),
            place,
            operation,
            name=name,
            bucket=at.bucket.name,
            bucket_id=at.bucket.id,
            bucket_owner=at.bucket.owner,
            key=at.key,
            size=version.size,
            etag=version.etag,
            version_id=version.version_id if kept_apart else None,
            sequencer=place[: _TIME + 4].hex().upper(),
            time=self._clock.seconds(),
            owner=version.attributes.owner or at.bucket.owner,
            by=cause.user,
            address=cause.address,
            request_id=cause.request_id,
        )
        return [Put(event)]

    async def events(self, shard: int, limit: int, after: bytes) -> Sequence[Event]:
        """As ICatalog.events."""
        found: list[Event] = []
        start: bytes | None = after + b"\0" if after else b""
        while start is not None and len(found) < limit:
            page = await self._items.query(outbox_partition(shard), start, limit=limit - len(found))
            found += [_event_of(item, shard) for item in page.items]
            start = page.cursor
        return found

    async def told(self, event: Event, configurations: Sequence[str]) -> None:
        """As ICatalog.told.  The row keeps its rev, which is the end of its place."""
        operation = event.place[_TIME:].hex()
        document = {**event.document, "told": list(configurations)}
        noted = row(outbox_partition(event.shard), event.place, operation, **document)
        refusal = await self._writer.write([Put(noted, RevIs(operation))])
        if refusal is not None:
            refusal.or_unknown()

    async def delivered(self, events: Sequence[Event]) -> None:
        """As ICatalog.delivered."""
        for first in range(0, len(events), MAX_ACTIONS):
            some = {(event.shard, event.place) for event in events[first : first + MAX_ACTIONS]}
            refusal = await self._writer.write(
                [Delete(outbox_partition(shard), place) for shard, place in sorted(some)]
            )
            if refusal is not None:
                refusal.or_unknown()

    async def _next_time(self, shard: int) -> int:
        """Milliseconds, later than all that stand in the shard."""
        now = int(self._clock.seconds() * 1000)
        page = await self._items.query(outbox_partition(shard), limit=1, reverse=True)
        latest = int.from_bytes(page.items[0].s[:_TIME], "big") if page.items else 0
        return max(now, latest + 1)


def shard_of(at: ObjectKey) -> int:
    """Where the events of a key stand."""
    return sha256(f"{at.bucket.id}/{at.key}".encode()).digest()[0] % OUTBOX_SHARDS


def _event_of(item: Item, shard: int) -> Event:
    document = {name: value for name, value in fields(item).items() if name != "f"}
    return Event(item.s, shard, document)
