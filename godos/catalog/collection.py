"""
Collection: finding the blobs that no version refers to, and letting go of them.

The order of the steps is what makes it safe, not the time they take: a blob is condemned
by compare-and-set only after no reference was found, and handed out for removal only after
none was found again.  A commit adds a reference only to a blob that its transaction finds
live; so between the two looks either the commit was first, and the second look finds it,
or the condemnation was, and the commit is refused.

Another collector may have found a reference that went since, and let the blob live: then
one that comes again is not seen by a look that was before.  So who lets a blob live checks
in that transaction that the reference still is there; and who found none looks once more
whether the blob's row still is the one that was condemned.  If it is, there was no
reference from the second look on, and nobody can let the blob live any more.

The grace protects who still reads.  A blob may have had several references, each of which
left a row when it went, and the oldest row says nothing of the last one.  So a blob that was
shared has a mark, written anew with each further reference.  Where there is one, a row that
is old enough and finds no reference begins the grace once more, and names the mark; only
when it is old enough again, and the mark is the same when the blob is condemned, nobody had
a reference for so long.

Collect rows stay until the blob's rows are gone, and every round looks at all of them
that are old enough: so nothing needs to be remembered for a holder that died half-way,
and a row written late by a slow clock is found as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve
from twisted.internet.interfaces import IReactorTime

from godos.catalog.blobs import no_longer_indexed
from godos.catalog.items import Action, Check, Delete, IItemStore, Item, Present, Put, RevIs
from godos.catalog.manifest_collection import ManifestCollection
from godos.catalog.manifests import Manifests
from godos.catalog.places import (
    SPREAD,
    blob_place,
    collect_partition,
    collect_place,
    collect_stop,
    references,
    repair_place,
    shared_place,
)
from godos.catalog.records import MANIFEST, blob_item, blob_of, fields, row
from godos.catalog.together import together
from godos.catalog.writing import Writer
from godos.model.blobs import Blob, BlobState
from godos.model.catalog import Removal

_AT_ONCE = 8  # blobs examined at the same time


class Collection:
    """
    `removals` goes round: each call goes on where the last one of this process ended, so
    that blobs whose removal fails (their node is down) do not keep the others waiting.
    """

    def __init__(
        self,
        items: IItemStore,
        writer: Writer,
        manifests: Manifests,
        clock: IReactorTime,
        draw_id: Callable[[], str],
    ) -> None:
        self._items, self._writer = items, writer
        self._clock, self._draw_id = clock, draw_id
        self._lists = ManifestCollection(items, writer, manifests, self._reference, clock, draw_id)
        self._partition, self._start = 0, b""

    async def removals(self, grace: float, limit: int) -> Sequence[Removal]:
        """As ICatalog.removals; looks at each collect row at most once."""
        found: list[Removal] = []
        for partition, begin, stop in self._round(collect_stop(self._clock.seconds() - grace)):
            start: bytes | None = begin
            while start is not None:
                if len(found) >= limit:
                    return found
                page = await self._items.query(
                    collect_partition(partition), start, stop, limit - len(found)
                )
                found += await self._examined(page.items, grace)
                start = page.cursor
                self._partition, self._start = partition, start or b""
            self._partition, self._start = (partition + 1) % SPREAD, b""
        return found

    def _round(self, stop: bytes) -> list[tuple[int, bytes, bytes]]:
        """All partitions, each from where to where, from where the last call ended."""
        first, begin = self._partition, self._start
        others = [((first + number) % SPREAD, b"", stop) for number in range(1, SPREAD)]
        return [(first, begin, stop), *others, (first, b"", min(begin, stop))]

    async def removed(self, removal: Removal) -> None:
        """
        As ICatalog.removed.

        A blob of equal content may take over the row of the content index meanwhile: then
        the second try leaves that row alone.
        """
        blob, work = removal.blob, _work_place(removal.blob.incarnation, removal.work)
        place = blob_place(blob.incarnation)
        while True:
            refusal = await self._writer.write(
                [Delete(*place, RevIs(blob.rev)), Delete(*work), *await self._beside(blob)]
            )
            if refusal is None:
                return
            refusal.or_unknown()
            standing = await self._items.get(*place)
            if standing is None:  # another was faster, and its collect row another one
                await self._done(work, None)
                return
            if standing.rev != blob.rev:
                return

    async def _beside(self, blob: Blob) -> list[Action]:
        """What goes with the row of a blob: nothing is added to them once it is condemned."""
        gone: list[Action] = [Delete(*repair_place(blob.incarnation))]
        if await self._items.get(*shared_place(blob.incarnation)) is not None:
            gone.append(Delete(*shared_place(blob.incarnation)))
        return [*gone, *await no_longer_indexed(self._items, blob)]

    async def _examined(self, rows: Sequence[Item], grace: float) -> list[Removal]:
        found: list[Removal] = []
        for first in range(0, len(rows), _AT_ONCE):
            some = rows[first : first + _AT_ONCE]
            results = await together(self._examine(item, grace) for item in some)
            found += [removal for removal in results if removal is not None]
        return found

    async def _examine(self, work: Item, grace: float) -> Removal | None:
        """Bring one blob as far as it can be now; a Removal when it may go."""
        kind, incarnation = fields(work).get("kind"), work.s[8:].hex()
        if kind == MANIFEST:
            if await self._lists.examine(incarnation):
                await self._done((work.p, work.s), work.rev)
            return None
        item, mark = await self._items.get_many(
            [blob_place(incarnation), shared_place(incarnation)]
        )
        if item is None:
            await self._done((work.p, work.s), work.rev)
            return None
        blob = blob_of(item)
        if (reference := await self._reference(incarnation)) is not None:
            await self._spared(blob, reference, work)
            return None
        if blob.state is BlobState.LIVE:
            if mark is not None and grace and fields(work).get("mark") != mark.rev:
                await self._put_off(incarnation, work, mark)
                return None
            unshared = [] if mark is None else [Check(mark.p, mark.s, RevIs(mark.rev or ""))]
            condemned = await self._changed(blob, BlobState.CONDEMNED, *unshared)
            if condemned is None:
                return None  # somebody else works on it: its row stays for the next round
            blob = condemned
            if (reference := await self._reference(incarnation)) is not None:
                await self._spared(blob, reference, work)
                return None
        standing = await self._items.get(*blob_place(incarnation))
        if standing is None or standing.rev != blob.rev:
            return None  # another let it live meanwhile, or removed it
        return Removal(blob, work.s)

    async def _put_off(self, incarnation: str, work: Item, mark: Item) -> None:
        """Nothing refers to it now: look again after one more grace (see the module)."""
        place = collect_place(incarnation, self._clock.seconds())
        if place == (work.p, work.s):
            return  # the clock stands still, or goes back: another time
        again = Put(row(*place, self._draw_id(), mark=mark.rev))
        refusal = await self._writer.write([Delete(work.p, work.s, RevIs(work.rev or "")), again])
        if refusal is not None:
            refusal.or_unknown()

    async def _spared(self, blob: Blob, reference: Item, work: Item) -> None:
        """It is referred to: let it live, and forget the work (its rev is compared)."""
        still = Check(reference.p, reference.s, Present())
        if (
            blob.state is BlobState.LIVE
            or await self._changed(blob, BlobState.LIVE, still) is not None
        ):
            await self._done((work.p, work.s), work.rev)

    async def _changed(self, blob: Blob, state: BlobState, *checks: Check) -> Blob | None:
        changed = evolve(blob, state=state, rev=self._draw_id())
        refusal = await self._writer.write([Put(blob_item(changed), RevIs(blob.rev)), *checks])
        if refusal is None or refusal.is_own(changed.rev):
            return changed
        refusal.or_unknown()
        return None

    async def _reference(self, incarnation: str) -> Item | None:
        """Any of those to an id, if there is one."""
        start: bytes | None = b""
        while start is not None:
            page = await self._items.query(references(incarnation), start, limit=1)
            if page.items:
                return page.items[0]
            start = page.cursor
        return None

    async def _done(self, place: tuple[str, bytes], rev: str | None) -> None:
        """Remove a collect row, unless another drop has written it anew since."""
        refusal = await self._writer.write([Delete(*place, None if rev is None else RevIs(rev))])
        if refusal is not None:
            refusal.or_unknown()


def _work_place(incarnation: str, work: bytes) -> tuple[str, bytes]:
    return collect_partition(int(incarnation[0], SPREAD)), work
