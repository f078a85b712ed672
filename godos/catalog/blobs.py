"""Blobs: where their fragments are, and which of them want repair."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve
from twisted.internet.interfaces import IReactorTime

from godos.catalog.items import Action, Check, IItemStore, Item, Present, Put, RevIs
from godos.catalog.places import SPREAD, blob_place, repair_partition, repair_place
from godos.catalog.plans import wanted_repair
from godos.catalog.records import blob_item, blob_of, fields
from godos.catalog.together import together
from godos.catalog.writing import Writer
from godos.model.blobs import Blob, Placed
from godos.model.catalog import RepairWork


class Blobs:
    def __init__(
        self,
        items: IItemStore,
        writer: Writer,
        clock: IReactorTime,
        draw_id: Callable[[], str],
    ) -> None:
        self._items, self._writer = items, writer
        self._clock, self._draw_id = clock, draw_id

    async def blob(self, incarnation: str) -> Blob | None:
        item = await self._items.get(*blob_place(incarnation))
        return None if item is None else blob_of(item)

    async def correct_layout(self, blob: Blob, layout: tuple[Placed, ...]) -> Blob | None:
        """
        As ICatalog.correct_layout.

        A layout at target leaves a repair row where it is: that may speak of damage, which
        only who read the bytes back may call repaired.
        """
        corrected = evolve(blob, layout=layout, rev=self._draw_id())
        actions: list[Action] = [Put(blob_item(corrected), RevIs(blob.rev))]
        if corrected.below_target:
            actions.append(await self._repair(blob.incarnation, "below target", corrected.rev))
        refusal = await self._writer.write(actions)
        if refusal is None or refusal.is_own(corrected.rev):
            return corrected
        refusal.or_unknown()
        return None

    async def want_repair(self, incarnation: str, reason: str) -> None:
        """
        As ICatalog.want_repair.

        A row that stands gets a new rev, so that a repair that began before the new
        reason cannot remove it.  A blob that was collected meanwhile is left alone: nobody
        would ever remove its row.
        """
        wanted = await self._repair(incarnation, reason, self._draw_id())
        there = Check(*blob_place(incarnation), Present())
        refusal = await self._writer.write([wanted, there])
        if refusal is not None:
            refusal.or_unknown()

    async def repairs(self, limit: int) -> Sequence[RepairWork]:
        """The longest waiting of what is read, `limit` at most."""
        waiting = await together(self._waiting(number, limit) for number in range(SPREAD))
        found = [work for some in waiting for work in some]
        return sorted(found, key=lambda work: work.since)[:limit]

    async def _waiting(self, number: int, limit: int) -> list[RepairWork]:
        page = await self._items.query(repair_partition(number), limit=limit)
        return [_repair_of(item) for item in page.items]

    async def _repair(self, incarnation: str, reason: str, operation: str) -> Put:
        """The repair row; one that stands keeps the time since when it waits."""
        item = await self._items.get(*repair_place(incarnation))
        since = self._clock.seconds() if item is None else fields(item)["since"]
        return wanted_repair(incarnation, since, reason, operation)


def _repair_of(item: Item) -> RepairWork:
    data = fields(item)
    return RepairWork(item.s.hex(), data["since"], data.get("reason", ""))
