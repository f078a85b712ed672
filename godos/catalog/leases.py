"""Leases: one of many does a thing.  Two at once must be harmless: this is thrift, no lock."""

from __future__ import annotations

from collections.abc import Callable

from godos.catalog.items import Absent, Condition, IItemStore, Put, RevIs
from godos.catalog.places import lease_place
from godos.catalog.records import fields, row
from godos.catalog.watching import Watch
from godos.catalog.writing import Writer


class Leases:
    def __init__(
        self,
        items: IItemStore,
        writer: Writer,
        monotonic: Callable[[], float],
        draw_id: Callable[[], str],
    ) -> None:
        self._items, self._writer, self._draw_id = items, writer, draw_id
        self._watch = Watch(monotonic)

    async def try_lease(self, what: str, holder: str, patience: float) -> bool:
        """As ICatalog.try_lease."""
        place = lease_place(what)
        item = await self._items.get(*place)
        condition: Condition = Absent()
        if item is not None:
            rev = item.rev or ""
            idle = self._watch.unchanged(what, rev)
            if fields(item)["holder"] != holder and idle < patience:
                return False
            condition = RevIs(rev)
        drawn = self._draw_id()
        refusal = await self._writer.write([Put(row(*place, drawn, holder=holder), condition)])
        if refusal is None or refusal.is_own(drawn):
            return True
        refusal.or_unknown()
        return False
