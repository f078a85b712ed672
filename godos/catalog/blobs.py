"""Blobs: where their fragments are, how they are coded, and which hold equal content."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from godos.catalog.items import Action, Delete, IItemStore, Put, RevIs
from godos.catalog.places import ONLY, blob_place, content_place
from godos.catalog.plans import indexed
from godos.catalog.records import blob_item, blob_of, fields
from godos.catalog.repairs import Repairs
from godos.catalog.writing import Writer
from godos.model.blobs import Blob, BlobState, Placed, shareable
from godos.model.catalog import BlobPage
from godos.model.policy import Policy


class Blobs:
    """
    A row of the content index names a blob only where the blob's own row says it stands:
    the transaction that makes or converts a blob writes it, and the one that removes the
    blob removes it, unless it names another by then.
    """

    def __init__(
        self, items: IItemStore, writer: Writer, repairs: Repairs, draw_id: Callable[[], str]
    ) -> None:
        self._items, self._writer = items, writer
        self._repairs, self._draw_id = repairs, draw_id

    async def blob(self, incarnation: str) -> Blob | None:
        item = await self._items.get(*blob_place(incarnation))
        return None if item is None else blob_of(item)

    async def page(self, cursor: str | None, limit: int) -> BlobPage:
        """As ICatalog.blobs."""
        page = await self._items.scan(cursor, limit)
        found = [item for item in page.items if item.p.startswith("B#") and item.s == ONLY]
        return BlobPage([blob_of(item) for item in found], page.cursor)

    async def correct_layout(self, blob: Blob, layout: tuple[Placed, ...]) -> Blob | None:
        """
        As ICatalog.correct_layout.

        A layout at target leaves a repair row where it is: that may speak of damage, which
        only who read the bytes back may call repaired.
        """
        corrected = evolve(blob, layout=layout, rev=self._draw_id())
        return await self._replaced(blob, corrected, [])

    async def converted(
        self, blob: Blob, policy: Policy, layout: tuple[Placed, ...]
    ) -> Blob | None:
        """
        As ICatalog.converted.

        Another blob of equal content may take over the row of the index meanwhile, which
        is no reason to give up: the second try leaves that row alone.
        """
        while True:
            changed = evolve(blob, policy=policy, layout=layout, rev=self._draw_id())
            done = await self._replaced(blob, changed, await self._moved(blob, changed))
            if done is not None:
                return done
            standing = await self.blob(blob.incarnation)
            if standing is None or standing.rev != blob.rev:
                return None

    async def content(self, size: int, sha256: str, codec: str, policy: Policy) -> Blob | None:
        """As ICatalog.content."""
        wanted = Blob("", size, sha256, policy, (), codec)
        row = await self._items.get(*content_place(wanted))
        found = None if row is None else await self.blob(fields(row)["inc"])
        if found is None or found.state is not BlobState.LIVE:
            return None
        return found if content_place(found) == content_place(wanted) else None

    async def _moved(self, blob: Blob, changed: Blob) -> list[Action]:
        """What keeps the index right when `blob` becomes `changed`."""
        if not shareable(blob) or content_place(blob) == content_place(changed):
            return []
        return [
            *await no_longer_indexed(self._items, blob),
            indexed(changed, changed.rev),
        ]

    async def _replaced(self, blob: Blob, changed: Blob, more: list[Action]) -> Blob | None:
        actions: list[Action] = [Put(blob_item(changed), RevIs(blob.rev)), *more]
        if changed.below_target:
            actions.append(
                await self._repairs.wanted(blob.incarnation, "below target", changed.rev)
            )
        refusal = await self._writer.write(actions)
        if refusal is None or refusal.is_own(changed.rev):
            return changed
        refusal.or_unknown()
        return None


async def no_longer_indexed(items: IItemStore, blob: Blob) -> list[Delete]:
    """What removes the row of the content index that names `blob`, if there is one."""
    if not shareable(blob):
        return []
    place = content_place(blob)
    row = await items.get(*place)
    if row is None or fields(row)["inc"] != blob.incarnation:
        return []
    return [Delete(*place, RevIs(row.rev or ""))]
