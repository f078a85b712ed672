"""
Manifests: the lists of the parts that objects are made of, in pages that never change.

A list is a draft first: pages written, but owned by nobody.  The transaction that completes
its upload makes it live, and from then on the references of the parts are the list's.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence

from attrs import frozen
from twisted.internet.interfaces import IReactorTime

from godos.catalog.items import Absent, IItemStore, Item, Put, RevIs
from godos.catalog.places import (
    ONLY,
    Place,
    manifest_partition,
    manifest_place,
    page_place,
)
from godos.catalog.plans import manifest_work
from godos.catalog.records import ManifestState, fields, row
from godos.catalog.upload_records import of_listed, to_listed
from godos.catalog.writing import Writer
from godos.model.errors import BytesNotFound, Conflict
from godos.model.multipart import Part

PAGE = 300_000  # characters of JSON on a page, about
REMEMBERED = 20_000  # parts of manifests that were read, some 12 MiB


@frozen
class Draft:
    """A list that was written and not made live yet."""

    manifest: str
    pages: int
    rev: str
    work: Place  # of the collect row that tells of it as long as it is a draft


class Manifests:
    def __init__(
        self,
        items: IItemStore,
        writer: Writer,
        clock: IReactorTime,
        draw_id: Callable[[], str],
    ) -> None:
        self._items, self._writer = items, writer
        self._clock, self._draw_id = clock, draw_id
        self._read: OrderedDict[str, tuple[Part, ...]] = OrderedDict()

    async def draft(self, manifest: str, parts: Sequence[Part]) -> Draft:
        """
        Write a list down; the collector is told first, should nobody make it live.

        Fails: Conflict: the id is not fresh.
        """
        pages = _pages(parts)
        rev = self._draw_id()
        work = manifest_work(manifest, self._clock.seconds(), rev)
        written = [_page_item(manifest, number, page, rev) for number, page in enumerate(pages)]
        heading = heading_item(manifest, len(pages), ManifestState.DRAFT, rev)
        refusal = await self._writer.write(
            [Put(work), Put(heading, Absent()), *(Put(page) for page in written[:1])]
        )
        if refusal is not None and not refusal.is_own(rev):
            refusal.or_unknown()
            raise Conflict("a list of parts with this id is there already")
        for page in written[1:]:
            refusal = await self._writer.write([Put(page)])
            if refusal is not None:
                refusal.or_unknown()
        return Draft(manifest, len(pages), rev, (work.p, work.s))

    async def is_draft(self, draft: Draft) -> bool:
        """Whether it still is as it was written."""
        item = await self._items.get(*manifest_place(draft.manifest))
        return item is not None and item.rev == draft.rev

    async def parts(self, manifest: str) -> tuple[Part, ...]:
        """As ICatalog.manifest; remembered, for it never changes."""
        known = self._read.get(manifest)
        if known is not None:
            self._read.move_to_end(manifest)
            return known
        found = await self.standing(manifest)
        if found is None:
            raise BytesNotFound(f"the list of parts {manifest} is not there, or not whole")
        self._remember(manifest, found)
        return found

    async def standing(self, manifest: str) -> tuple[Part, ...] | None:
        """The parts, read anew; None: the list is not there, or not whole any more."""
        rows = await self.rows(manifest)
        pages = [item for item in rows if item.s != ONLY]
        headings = [item for item in rows if item.s == ONLY]
        if not headings or fields(headings[0])["pages"] != len(pages):
            return None
        return tuple(part for page in pages for part in page_of(page))

    async def rows(self, manifest: str) -> list[Item]:
        """Pages, in order, and then the heading."""
        found: list[Item] = []
        start: bytes | None = b""
        while start is not None:
            page = await self._items.query(manifest_partition(manifest), start)
            found += page.items
            start = page.cursor
        return found

    def _remember(self, manifest: str, parts: tuple[Part, ...]) -> None:
        self._read[manifest] = parts
        while len(self._read) > 1 and sum(map(len, self._read.values())) > REMEMBERED:
            self._read.popitem(last=False)


def lively(draft: Draft, operation: str) -> Put:
    """What makes a draft live."""
    live = heading_item(draft.manifest, draft.pages, ManifestState.LIVE, operation)
    return Put(live, RevIs(draft.rev))


def heading_item(manifest: str, pages: int, state: ManifestState, rev: str) -> Item:
    return row(*manifest_place(manifest), rev, state.value, pages=pages)


def page_of(item: Item) -> list[Part]:
    """The parts on a page."""
    return [of_listed(line) for line in fields(item)["parts"]]


def _page_item(manifest: str, number: int, lines: Sequence[object], rev: str) -> Item:
    return row(*page_place(manifest, number), rev, parts=lines)


def _pages(parts: Sequence[Part]) -> list[list[list[object]]]:
    """Lines of parts, as many to a page as there is room for."""
    pages: list[list[list[object]]] = []
    room = 0
    for line in map(to_listed, parts):
        size = len(json.dumps(line)) + 1
        if size > room or not pages:
            pages.append([])
            room = PAGE
        pages[-1].append(line)
        room -= size
    return pages


def live_items(manifest: str, parts: Sequence[Part], rev: str) -> list[Item]:
    """All rows of a list that is live from the beginning: one that is made of fragments."""
    pages = _pages(parts)
    written = [_page_item(manifest, number, page, rev) for number, page in enumerate(pages)]
    return [*written, heading_item(manifest, len(pages), ManifestState.LIVE, rev)]
