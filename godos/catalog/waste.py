"""What waits for the collector: a look at it that changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from godos.catalog.items import IItemStore, Item
from godos.catalog.manifests import Manifests
from godos.catalog.places import SPREAD, blob_place, collect_partition, references, shared_place
from godos.catalog.records import MANIFEST, blob_of, fields
from godos.catalog.together import together
from godos.model.blobs import BlobState
from godos.model.catalog import Waste, WastePage

_AT_ONCE = 8  # looked at at the same time


class WasteList:
    """Collect rows, one partition after the other, the oldest of each first."""

    def __init__(self, items: IItemStore, manifests: Manifests) -> None:
        self._items, self._manifests = items, manifests

    async def page(self, cursor: str | None, limit: int) -> WastePage:
        """As ICatalog.waste."""
        number, start = _position(cursor)
        page = await self._items.query(collect_partition(number), start, limit=limit)
        found: list[Waste] = []
        for first in range(0, len(page.items), _AT_ONCE):
            some = page.items[first : first + _AT_ONCE]
            found += [one for one in await together(map(self._waste, some)) if one is not None]
        if page.cursor is not None:
            return WastePage(found, f"{number}/{page.cursor.hex()}")
        return WastePage(found, f"{number + 1}/" if number + 1 < SPREAD else None)

    async def _waste(self, work: Item) -> Waste | None:
        """What a collect row is about; None when that is gone."""
        name = work.s[8:].hex()
        since = int.from_bytes(work.s[:8], "big") / 1000
        referred = bool((await self._items.query(references(name), limit=1)).items)
        if fields(work).get("kind") == MANIFEST:
            pages = await self._manifests.rows(name)
            return Waste(name, since, referred, parts=True) if pages else None
        item = await self._items.get(*blob_place(name))
        if item is None:
            return None
        blob, mark = blob_of(item), await self._items.get(*shared_place(name))
        again = mark is not None and fields(work).get("mark") != mark.rev
        condemned = blob.state is BlobState.CONDEMNED
        nodes: Sequence[str] = sorted({placed.node for placed in blob.layout})
        return Waste(name, since, referred, False, blob.size, condemned, tuple(nodes), again)


def _position(cursor: str | None) -> tuple[int, bytes]:
    number, _, start = (cursor or "0/").partition("/")
    return int(number), bytes.fromhex(start)
