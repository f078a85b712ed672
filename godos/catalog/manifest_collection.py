"""
Collection of lists of parts that no version refers to.

It goes as with blobs (see `collection`): condemned by compare-and-set after no reference was
found, and taken apart only after none was found again, and it still was condemned.  Then page
after page lets go of its parts' references and is removed, and the heading at last: whoever
comes after one that died goes on with the pages that are left.

A draft that nobody made live owns nothing: its pages are removed, and its parts stay.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.interfaces import IReactorTime

from godos.catalog.bulk import write_in_bulk
from godos.catalog.items import Check, Delete, IItemStore, Item, Present, Put, RevIs
from godos.catalog.manifests import Manifests, heading_item, page_of
from godos.catalog.places import ONLY, manifest_place
from godos.catalog.plans import let_go
from godos.catalog.records import ManifestState, fields
from godos.catalog.writing import Writer


class ManifestCollection:
    """`reference` finds one of the rows that refer to an id, if there are any."""

    def __init__(
        self,
        items: IItemStore,
        writer: Writer,
        manifests: Manifests,
        reference: Callable[[str], Awaitable[Item | None]],
        clock: IReactorTime,
        draw_id: Callable[[], str],
    ) -> None:
        self._items, self._writer, self._manifests = items, writer, manifests
        self._reference, self._clock, self._draw_id = reference, clock, draw_id

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
            case ManifestState.CONDEMNED:
                return await self._examine_condemned(manifest, heading)
        return await self._take_apart(manifest, heading)

    async def _examine_live(self, manifest: str, heading: Item) -> bool:
        if await self._reference(manifest) is not None:
            return True
        condemned = await self._changed(manifest, heading, ManifestState.CONDEMNED)
        if condemned is None:
            return False  # somebody else works on it: its row stays for the next round
        return await self._examine_condemned(manifest, condemned)

    async def _examine_condemned(self, manifest: str, heading: Item) -> bool:
        reference = await self._reference(manifest)
        if reference is not None:
            still = Check(reference.p, reference.s, Present())
            return await self._changed(manifest, heading, ManifestState.LIVE, still) is not None
        standing = await self._items.get(*manifest_place(manifest))
        if standing is None or standing.rev != heading.rev:
            return False  # another let it live meanwhile, or took it apart
        return await self._take_apart(manifest, heading)

    async def _changed(
        self, manifest: str, heading: Item, state: ManifestState, *checks: Check
    ) -> Item | None:
        pages = fields(heading)["pages"]
        changed = heading_item(manifest, pages, state, self._draw_id())
        refusal = await self._writer.write([Put(changed, RevIs(heading.rev or "")), *checks])
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
