"""
Collection of lists of parts that no version refers to.

It goes as with blobs (see `collection`): condemned by compare-and-set after no reference was
found, and taken apart only after none was found again.  Then page after page lets go of its
parts' references and is removed, and the heading at last: whoever comes after one that died
goes on with the pages that are left.

A draft that nobody made live owns nothing: its pages are removed, and its parts stay.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.interfaces import IReactorTime

from godos.catalog.bulk import write_in_bulk
from godos.catalog.items import Delete, IItemStore, Item, Put, RevIs
from godos.catalog.manifests import Manifests, heading_item, page_of
from godos.catalog.places import ONLY, manifest_place
from godos.catalog.plans import let_go
from godos.catalog.records import ManifestState, fields
from godos.catalog.writing import Writer


class ManifestCollection:
    """`referenced` tells whether anything refers to an id."""

    def __init__(
        self,
        items: IItemStore,
        writer: Writer,
        manifests: Manifests,
        referenced: Callable[[str], Awaitable[bool]],
        clock: IReactorTime,
        draw_id: Callable[[], str],
    ) -> None:
        self._items, self._writer, self._manifests = items, writer, manifests
        self._referenced, self._clock, self._draw_id = referenced, clock, draw_id

    async def examine(self, manifest: str) -> bool:
        """Bring one as far as it can be now; tells whether its collect row may go."""
        heading = await self._items.get(*manifest_place(manifest))
        if heading is None:
            return True
        match ManifestState(heading.state or ""):
            case ManifestState.DRAFT:
                voided = await self._changed(manifest, heading, ManifestState.VOID)
                return voided is not None and await self._take_apart(manifest, voided)
            case ManifestState.LIVE:
                return await self._examine_live(manifest, heading)
            case ManifestState.CONDEMNED if await self._referenced(manifest):
                return await self._changed(manifest, heading, ManifestState.LIVE) is not None
        return await self._take_apart(manifest, heading)

    async def _examine_live(self, manifest: str, heading: Item) -> bool:
        if await self._referenced(manifest):
            return True
        condemned = await self._changed(manifest, heading, ManifestState.CONDEMNED)
        if condemned is None:
            return False  # somebody else works on it: its row stays for the next round
        if await self._referenced(manifest):
            return await self._changed(manifest, condemned, ManifestState.LIVE) is not None
        return await self._take_apart(manifest, condemned)

    async def _changed(self, manifest: str, heading: Item, state: ManifestState) -> Item | None:
        pages = fields(heading)["pages"]
        changed = heading_item(manifest, pages, state, self._draw_id())
        refusal = await self._writer.write([Put(changed, RevIs(heading.rev or ""))])
        if refusal is None or refusal.is_own(changed.rev or ""):
            return changed
        refusal.or_unknown()
        return None

    async def _take_apart(self, manifest: str, heading: Item) -> bool:
        """Remove what is left of it, parts first where they are its own."""
        for page in await self._manifests.rows(manifest):
            if page.s == ONLY:
                continue
            if heading.state == ManifestState.CONDEMNED and not await self._let_go(page):
                return False
            if not await self._gone(Delete(page.p, page.s)):
                return False
        return await self._gone(Delete(heading.p, heading.s, RevIs(heading.rev or "")))

    async def _let_go(self, page: Item) -> bool:
        now = self._clock.seconds()
        return await write_in_bulk(
            self._writer,
            [
                let_go(part.incarnation, part.reference, self._draw_id(), now)
                for part in page_of(page)
            ],
        )

    async def _gone(self, delete: Delete) -> bool:
        refusal = await self._writer.write([delete])
        if refusal is None:
            return True
        refusal.or_unknown()
        return False
