"""
What becomes of uploads in parts after their end, and of those that nobody ends.

A row says from when on an upload is to be looked at: at once after it was completed or
aborted, for then its parts are to be cleared; and some days after its last sign of life.
To look twice, or at the same time as another, does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Container

from twisted.internet.interfaces import IReactorTime

from godos.catalog.bulk import write_in_bulk
from godos.catalog.items import Action, Delete, IItemStore, Item, Put, RevIs
from godos.catalog.manifests import Manifests
from godos.catalog.places import (
    DUE_SPREAD,
    due_partition,
    due_stop,
    part_key,
    upload_partition,
)
from godos.catalog.plans import let_go
from godos.catalog.records import fields
from godos.catalog.upload_records import part_of, upload_of
from godos.catalog.uploads import KEPT, Uploads, due, is_open
from godos.catalog.writing import Writer
from godos.model.multipart import MAX_PARTS

_AT_ONCE = 100  # uploads of one partition that are looked at in one round
_NAME = 8  # where the upload's id begins in the sort key of a row of work


class UploadEnds:
    def __init__(
        self,
        items: IItemStore,
        writer: Writer,
        uploads: Uploads,
        manifests: Manifests,
        clock: IReactorTime,
        draw_id: Callable[[], str],
    ) -> None:
        self._items, self._writer = items, writer
        self._uploads, self._manifests = uploads, manifests
        self._clock, self._draw_id = clock, draw_id

    async def round(self) -> None:
        """Look at the uploads that are due; at those that are longest, if there are many."""
        stop = due_stop(self._clock.seconds())
        for number in range(DUE_SPREAD):
            page = await self._items.query(due_partition(number), b"", stop, _AT_ONCE)
            for work in page.items:
                await self._look(work)

    async def _look(self, work: Item) -> None:
        fields(work)
        upload_id = work.s[_NAME:].decode()
        item = await self._uploads.row(upload_id)
        if item is None:
            await self._clear(upload_id, frozenset())
            await self._done(work)
        elif is_open(item):
            await self._look_at_open(work, item)
        else:
            await self._look_at_completed(work, item)

    async def _look_at_open(self, work: Item, item: Item) -> None:
        """End it when nothing was added to it for long."""
        upload = upload_of(item)
        again = await self._last_sign(upload.id, upload.initiated) + KEPT
        if again > self._clock.seconds():
            await self._put_off(work, upload.id, again)
            return
        refusal = await self._writer.write(await self._uploads.aborting(item))
        if refusal is not None:
            refusal.or_unknown()
            return  # somebody works with it: it stays due
        await self._clear(upload.id, frozenset())
        await self._done(work)

    async def _look_at_completed(self, work: Item, item: Item) -> None:
        """Clear its parts, and forget it when it was answered for long enough."""
        upload, ended = upload_of(item), fields(item)["end"]
        manifest = None if upload.result is None else upload.result.manifest
        chosen = None if manifest is None else await self._manifests.standing(manifest)
        # Where the list is gone, its parts' references are as well: to let go of them once
        # more changes nothing.
        kept = {part.reference for part in chosen or ()}
        await self._clear(upload.id, kept)
        if ended + KEPT > self._clock.seconds():
            await self._put_off(work, upload.id, ended + KEPT)
            return
        refusal = await self._writer.write([Delete(item.p, item.s, RevIs(upload.rev))])
        if refusal is not None:
            refusal.or_unknown()
        await self._done(work)

    async def _last_sign(self, upload_id: str, initiated: float) -> float:
        """When anything was last added, seconds since the epoch."""
        last, stop = initiated, part_key(MAX_PARTS + 1)
        cursor: bytes | None = b""
        while cursor is not None:
            page = await self._items.query(upload_partition(upload_id), cursor, stop)
            last = max([last, *(part_of(item).modified for item in page.items)])
            cursor = page.cursor
        return last

    async def _clear(self, upload_id: str, kept: Container[str]) -> None:
        """Remove the rows of parts, and let go of the bytes of those not to be `kept`."""
        partition, stop = upload_partition(upload_id), part_key(MAX_PARTS + 1)
        page = await self._items.query(partition, b"", stop)
        while page.items or page.cursor is not None:
            await write_in_bulk(self._writer, [self._clearing(item, kept) for item in page.items])
            page = await self._items.query(partition, page.cursor or b"", stop)

    def _clearing(self, item: Item, kept: Container[str]) -> list[Action]:
        part, operation = part_of(item), self._draw_id()
        gone: list[Action] = [Delete(item.p, item.s, RevIs(part.reference))]
        if part.reference in kept:
            return gone
        now = self._clock.seconds()
        return [*gone, *let_go(part.incarnation, part.reference, operation, now)]

    async def _put_off(self, work: Item, upload_id: str, when: float) -> None:
        """To look at it again later."""
        later = due(upload_id, when, self._draw_id())
        if later.s == work.s:
            return
        refusal = await self._writer.write([Delete(work.p, work.s), Put(later)])
        if refusal is not None:
            refusal.or_unknown()

    async def _done(self, work: Item) -> None:
        refusal = await self._writer.write([Delete(work.p, work.s)])
        if refusal is not None:
            refusal.or_unknown()
