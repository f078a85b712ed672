"""Repair rows: which blobs are below target, or damaged, and since when."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.interfaces import IReactorTime

from godos.catalog.items import Check, Delete, IItemStore, Item, Present, Put, RevIs
from godos.catalog.places import SPREAD, blob_place, repair_partition, repair_place
from godos.catalog.plans import wanted_repair
from godos.catalog.records import fields
from godos.catalog.together import together
from godos.catalog.writing import Writer
from godos.model.catalog import RepairWork
from godos.protocol.upkeep import reason_now


class Repairs:
    def __init__(
        self,
        items: IItemStore,
        writer: Writer,
        clock: IReactorTime,
        draw_id: Callable[[], str],
    ) -> None:
        self._items, self._writer = items, writer
        self._clock, self._draw_id = clock, draw_id

    async def want(self, incarnation: str, reason: str) -> None:
        """
        As ICatalog.want_repair.

        A row that stands gets a new rev, so that a repair that began before the new
        reason cannot remove it.  A blob that was collected meanwhile is left alone: nobody
        would ever remove its row.
        """
        wanted = await self.wanted(incarnation, reason, self._draw_id())
        there = Check(*blob_place(incarnation), Present())
        refusal = await self._writer.write([wanted, there])
        if refusal is not None:
            refusal.or_unknown()

    async def wanted(self, incarnation: str, reason: str, operation: str) -> Put:
        """The repair row; one that stands keeps the time since when it waits."""
        item = await self._items.get(*repair_place(incarnation))
        if item is None:
            return wanted_repair(incarnation, self._clock.seconds(), reason, operation)
        standing = fields(item)
        why = reason_now(standing.get("reason", ""), reason)
        return wanted_repair(incarnation, standing["since"], why, operation)

    async def waiting(self, limit: int) -> Sequence[RepairWork]:
        """The longest waiting of what is read, `limit` at most."""
        waiting = await together(self._some(number, limit) for number in range(SPREAD))
        found = [work for some in waiting for work in some]
        return sorted(found, key=lambda work: work.since)[:limit]

    async def _some(self, number: int, limit: int) -> list[RepairWork]:
        page = await self._items.query(repair_partition(number), limit=limit)
        return [_repair_of(item) for item in page.items]

    async def done(self, work: RepairWork) -> bool:
        """As ICatalog.repaired."""
        place = repair_place(work.incarnation)
        refusal = await self._writer.write([Delete(*place, RevIs(work.rev))])
        if refusal is None:
            return True
        refusal.or_unknown()
        return await self._items.get(*place) is None

    async def count(self) -> int:
        """As ICatalog.waiting_repairs."""
        return sum(await together(map(self._count, range(SPREAD))))

    async def _count(self, number: int) -> int:
        counted = 0
        start: bytes | None = b""
        while start is not None:
            page = await self._items.query(repair_partition(number), start)
            counted += len(page.items)
            start = page.cursor
        return counted


def _repair_of(item: Item) -> RepairWork:
    data = fields(item)
    return RepairWork(item.s.hex(), data["since"], data.get("reason", ""), item.rev or "")
