"""
Importing a catalog that was exported, into an empty one.

All is read, checked and closed before anything is written.  The cluster's row says that an
import goes on until all the other rows are there: no daemon starts on half a catalog, and an
import that was interrupted is done again, with the same file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from attrs import evolve, frozen
from twisted.internet.interfaces import IReactorTime

from godos.catalog.closure import close
from godos.catalog.cluster_row import IMPORTING, importing_item
from godos.catalog.export_format import ExportDamaged, ExportReader, Header
from godos.catalog.exporting import Progress
from godos.catalog.findings import Findings
from godos.catalog.items import MAX_ACTIONS, Absent, Condition, IItemStore, Item, Put, RevIs
from godos.catalog.places import META
from godos.catalog.records import RowNotUnderstood, cluster_item, cluster_of, fields
from godos.catalog.spool import Spool
from godos.catalog.together import together
from godos.catalog.writing import Writer
from godos.deferreds import InThread, deferred
from godos.model.errors import CannotStart, Conflict
from godos.model.members import Cluster

T = TypeVar("T")
AT_ONCE = 4
_BYTES = 1_000_000  # of one transaction's items, about
_KINDS = frozenset(  # before the first # of a partition
    ("META", "BKT", "USER", "NODE", "API", "JOB", "CENSUS", *"BCDEFGHLMOPQRUWX")
)


@frozen
class Imported:
    """What an import has done."""

    cluster: Cluster
    header: Header
    items: int
    findings: Findings


class Importing:
    """
    Args:
        items: the catalog's store, which is empty.
        spool: for all rows, while they are brought in order.
        in_thread: of one thread, as `spool` and the export are used in it.
        at_once: transactions that are under way at the same time.
    """

    def __init__(
        self,
        items: IItemStore,
        writer: Writer,
        spool: Spool,
        in_thread: InThread,
        clock: IReactorTime,
        draw_id: Callable[[], str],
        progress: Progress,
        at_once: int = AT_ONCE,
    ) -> None:
        self._items, self._writer, self._spool = items, writer, spool
        self._in_thread, self._clock = in_thread, clock
        self._draw_id, self._progress = draw_id, progress
        self._at_once = at_once

    @deferred
    async def run(self, export: ExportReader) -> Imported:
        """
        Take the export over; the cluster's epoch rises by one.

        Fails:
            ExportDamaged: nothing was written.
            CannotStart: the catalog is not empty; nothing was written.
            RowNotUnderstood: by a newer godos; nothing was written.
        """
        await self._check_empty(None)  # at once, and not after an hour of reading
        await self._read(export)
        cluster = await self._cluster(export.header)
        findings = Findings()
        closing = close(self._spool, findings, self._clock.seconds(), self._draw_id)
        while (looked := await self._in_thread(_next, closing)) is not None:
            self._progress("closing", looked, 0)
        rev = await self._begun(export.checksum)
        total = await self._in_thread(self._spool.count)
        await self._write_all(total)
        await self._ended(cluster, rev)
        return Imported(cluster, export.header, total + 1, findings)

    async def _read(self, export: ExportReader) -> None:
        batches = export.batches()
        while (batch := await self._in_thread(_next, batches)) is not None:
            await self._in_thread(self._spooled, batch)
            self._progress("reading", export.items, 0)

    def _spooled(self, batch: list[Item]) -> None:
        for item in batch:
            fields(item)
            if item.p.partition("#")[0] not in _KINDS:
                raise RowNotUnderstood(f"a row at {item.p!r} is of a kind that is not known here")
        self._spool.put(batch)

    async def _cluster(self, header: Header) -> Cluster:
        """The cluster as it will be; its row is written last, and is no more in the spool."""
        item = await self._in_thread(self._spool.get, *META)
        if item is None:
            raise ExportDamaged("the export holds no cluster")
        standing = cluster_of(item)
        if standing.id != header.cluster:
            raise ExportDamaged("the export begins with another cluster than it holds")
        await self._in_thread(self._spool.drop, [META])
        return evolve(standing, epoch=max(standing.epoch, header.epoch) + 1)

    async def _check_empty(self, checksum: str | None) -> Item | None:
        """
        The row of an import of the same file that was interrupted, if that is all there is.

        Args:
            checksum: of the file; None: not known yet.
        """
        standing = await self._items.get(*META)
        if standing is not None:
            begun = standing.data.get(IMPORTING)
            if begun is None:
                raise CannotStart("there is a catalog already: import into an empty one")
            if checksum not in (None, begun):
                raise CannotStart(
                    "an import of another file into this catalog was interrupted: finish that "
                    "one, or begin with an empty catalog"
                )
            return standing
        cursor: str | None = None
        while True:
            page = await self._items.scan(cursor, 100)
            if page.items:
                raise CannotStart("the catalog is not empty: import into an empty one")
            cursor = page.cursor
            if cursor is None:
                return None

    async def _begun(self, checksum: str) -> str:
        """Say that an import goes on; answers the rev of the row that says so."""
        standing = await self._check_empty(checksum)
        condition: Condition = Absent() if standing is None else RevIs(standing.rev or "")
        rev = self._draw_id()
        await self._put(importing_item(checksum, rev), condition)
        return rev

    async def _write_all(self, total: int) -> None:
        written = 0
        groups = _grouped(self._spool)
        while True:
            some = [await self._in_thread(_next, groups) for _ in range(self._at_once)]
            waiting = [group for group in some if group is not None]
            if not waiting:
                return
            await together(self._write(group) for group in waiting)
            written += sum(map(len, waiting))
            self._progress("writing", written, total)

    async def _write(self, group: list[Item]) -> None:
        refusal = await self._writer.write([Put(item) for item in group])
        if refusal is not None:
            refusal.or_unknown()

    async def _ended(self, cluster: Cluster, rev: str) -> None:
        await self._put(cluster_item(cluster, self._draw_id()), RevIs(rev))

    async def _put(self, item: Item, condition: Condition) -> None:
        refusal = await self._writer.write([Put(item, condition)])
        if refusal is None or refusal.is_own(item.rev or ""):
            return
        refusal.or_unknown()
        raise Conflict("somebody else writes to this catalog while it is imported")


def _grouped(spool: Spool) -> Iterator[list[Item]]:
    """All items, as many at a time as one transaction takes."""
    group: list[Item] = []
    size = 0
    for page in spool.pages():
        for item in page:
            more = len(repr(item))
            if group and (len(group) == MAX_ACTIONS or size + more > _BYTES):
                yield group
                group, size = [], 0
            group.append(item)
            size += more
    if group:
        yield group


def _next(steps: Iterator[T]) -> T | None:
    return next(steps, None)
