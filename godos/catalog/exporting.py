"""
Exporting a catalog, while it is in use.

Where the engine can show all rows of one moment, these are written.  Where it cannot, all
rows are scanned, and versions and open uploads read once more (see `rereading`): each object
is then whole as it was at some moment during the export.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from godos.catalog.export_format import ExportWriter
from godos.catalog.items import IItemStore, Item
from godos.catalog.places import ONLY, Place
from godos.catalog.rereading import Rereading
from godos.catalog.spool import Spool
from godos.catalog.sqlite_snapshot import Snapshot
from godos.deferreds import InThread, deferred
from godos.model.blobs import BlobState

T = TypeVar("T")
Progress = Callable[[str, int, int], None]  # what is done, how far it is, and of how much or 0


@deferred
async def export_snapshot(
    snapshot: Snapshot, writer: ExportWriter, in_thread: InThread, progress: Progress
) -> None:
    """
    Write what a SQLite catalog is now.

    Args:
        in_thread: of one thread, as all that is given here is used in it.
    """
    copying = snapshot.steps()
    while (step := await in_thread(_next, copying)) is not None:
        progress("copying", step[1], step[0])
    pages = snapshot.pages()
    while (page := await in_thread(_next, pages)) is not None:
        await in_thread(writer.write, page)
        progress("exporting", writer.items, snapshot.items)
    await in_thread(writer.end)


@deferred
async def export_running(
    items: IItemStore, writer: ExportWriter, seen: Spool, in_thread: InThread, progress: Progress
) -> None:
    """
    Write what a catalog of any engine is while this goes on.

    Args:
        seen: an empty spool, to remember in which rows the scan has seen.
    """

    def unseen(places: Sequence[Place]) -> object:
        return in_thread(_unseen, seen, places)

    cursor: str | None = None
    while True:
        page = await items.scan(cursor)
        await in_thread(_scanned, seen, writer, page.items)
        progress("scanning", writer.items, 0)
        cursor = page.cursor
        if cursor is None:
            break
    async for rows in Rereading(items, unseen).all():
        await in_thread(writer.write, rows)
        progress("reading objects", writer.items, 0)
    await in_thread(writer.end)


def _scanned(seen: Spool, writer: ExportWriter, page: Sequence[Item]) -> None:
    writer.write(item for item in page if item.p[:2] not in ("O#", "H#"))
    seen.note("row", ((item.p, item.s.hex()) for item in page if _is_lasting(item)))


def _is_lasting(item: Item) -> bool:
    """Whether who needs it may rely on what the scan saw."""
    if item.p.startswith("B#"):
        return item.s == ONLY and item.state == BlobState.LIVE
    return item.p.startswith("R#")


def _unseen(seen: Spool, places: Sequence[Place]) -> list[Place]:
    return [(p, s) for p, s in dict.fromkeys(places) if not seen.knows("row", p, s.hex())]


def _next(steps: Iterator[T]) -> T | None:
    return next(steps, None)
