"""
The item store in one SQLite file, for the one process that owns it.

Writes are committed in groups: what waits while the disk flushes goes into the next
transaction of SQLite, and nobody is answered before its COMMIT.  Reads use connections of
their own, one for single items and one for pages, so that a listing delays no look-up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import apsw
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from godos.catalog.batches import Batches
from godos.catalog.closing import Once
from godos.catalog.items import Action, ConditionFailed, IItemStore, Item, Page, ScanPage
from godos.catalog.rows import (
    Range,
    Row,
    check_limit,
    check_place,
    check_places,
    fingerprint,
    from_cursor,
    to_item,
    to_items,
    to_steps,
)
from godos.catalog.sqlite_commits import Outcome, Standing, Transaction, Writer
from godos.catalog.sqlite_format import open_reader
from godos.catalog.sqlite_reads import get_range, get_rows, get_scan
from godos.deferreds import InThread, deferred
from godos.model.errors import CatalogUnavailable

GROUP = 256  # transactions of one flush at most, so that none waits for very many
LOOKUPS = 256  # places read in one turn at most
PAGES = 4  # pages read in one turn at most

T = TypeVar("T")
Places = Sequence[tuple[str, bytes]]


@implementer(IItemStore)
class SQLiteItems:
    """See the module; made by `open`."""

    log = Logger()

    def __init__(
        self,
        path: str,
        in_thread: InThread,
        clock: IReactorTime,
        writer: Writer,
        readers: tuple[apsw.Connection, apsw.Connection],
    ) -> None:
        self._path, self._in_thread, self._clock = path, in_thread, clock
        self._writer, self._readers = writer, readers
        self._commits: Batches[Transaction, Standing] = Batches(
            self._commit, GROUP, self._checkpoint
        )
        self._lookups: Batches[Places, list[Item | None]] = Batches(
            lambda batch: in_thread(_look_up, readers[0], batch), LOOKUPS
        )
        self._pages: Batches[Callable[[apsw.Connection], object], object] = Batches(
            lambda batch: in_thread(_turn_pages, readers[1], batch), PAGES
        )
        self.close = Once(self._close)

    @classmethod
    @deferred
    async def open(
        cls, path: str, in_thread: InThread, clock: IReactorTime, vfs: str | None = None
    ) -> SQLiteItems:
        """
        Open the catalog file at `path`, made when it is missing.

        The caller holds the lock of the file (see `ownership`).  `in_thread` needs three
        threads to be at its best.

        Fails:
            CannotStart: see `open_writer`.
        """
        writer, readers = await in_thread(_open, path, vfs)
        return cls(path, in_thread, clock, writer, readers)

    # `get` and `transact` are in the way of every request, and so are no coroutines.
    def get(self, p: str, s: bytes) -> Deferred[Item | None]:
        try:
            check_place(p, s)
            return self._look_up(((p, s),)).addCallback(_only)
        except Exception:
            return fail()

    @deferred
    async def get_many(self, places: Places) -> Sequence[Item | None]:
        check_places(places)
        return await self._look_up(places)

    @deferred
    async def query(
        self,
        p: str,
        start: bytes = b"",
        stop: bytes | None = None,
        limit: int = 1000,
        reverse: bool = False,
        strong: bool = True,  # noqa: ARG002  (all reads of one file are strong)
    ) -> Page:
        check_limit(limit)
        check_place(p, b".")
        wanted = Range(p, start, stop, limit, reverse)
        return await self._turn(lambda connection: _page(connection, wanted))

    def transact(self, actions: Sequence[Action], token: str) -> Deferred[None]:
        try:
            steps = to_steps(actions, token)
            self._refuse_when_closed()
            asked = Transaction(steps, bytes.fromhex(token), fingerprint(steps))
            return self._commits.ask(asked).addCallback(_done)
        except Exception:
            return fail()

    @deferred
    async def scan(self, cursor: str | None = None, limit: int = 1000) -> ScanPage:
        check_limit(limit)
        from_cursor(cursor)
        return await self._turn(lambda connection: _scan_page(connection, cursor, limit))

    def _look_up(self, places: Places) -> Deferred[list[Item | None]]:
        self._refuse_when_closed()
        return self._lookups.ask(places)

    def _turn(self, page: Callable[[apsw.Connection], T]) -> Deferred[T]:
        self._refuse_when_closed()
        return self._pages.ask(page)  # type: ignore[return-value]

    def _refuse_when_closed(self) -> None:
        if self.close.started:
            raise CatalogUnavailable("the catalog is closed")

    def _commit(self, batch: list[Transaction]) -> Deferred[list[Outcome]]:
        return self._in_thread(self._writer.commit, batch, self._clock.seconds())

    @deferred
    async def _checkpoint(self) -> None:
        if self._writer.checkpoint_due():
            try:
                await self._in_thread(self._writer.checkpoint)
            except CatalogUnavailable:
                self.log.failure("keeping the write-ahead log short")

    @deferred
    async def _close(self) -> None:
        for batches in (self._commits, self._lookups, self._pages):
            await batches.idle()
        await self._in_thread(_let_go, self._writer, self._readers)


def _open(path: str, vfs: str | None) -> tuple[Writer, tuple[apsw.Connection, apsw.Connection]]:
    writer = Writer(path, vfs)
    try:
        return writer, (open_reader(path, vfs), open_reader(path, vfs))
    except BaseException:
        writer.close()
        raise


def _let_go(writer: Writer, readers: tuple[apsw.Connection, apsw.Connection]) -> None:
    for reader in readers:  # first, so that the writer can fold in the write-ahead log
        reader.close()
    writer.close()


def _look_up(reader: apsw.Connection, batch: list[Places]) -> list[list[Item | None] | Exception]:
    return [_answer(lambda: _items(get_rows(reader, places))) for places in batch]  # noqa: B023


def _turn_pages(
    reader: apsw.Connection, batch: list[Callable[[apsw.Connection], object]]
) -> list[object]:
    return [_answer(lambda: page(reader)) for page in batch]  # noqa: B023


def _answer(read: Callable[[], T]) -> T | Exception:
    """What `read` returns, or what it raises, so that one reader fails and not a batch."""
    try:
        return read()
    except apsw.Error as error:
        unavailable = CatalogUnavailable(f"cannot read the catalog: {error}")
        unavailable.__cause__ = error
        return unavailable


def _page(reader: apsw.Connection, wanted: Range) -> Page:
    found, cursor = get_range(reader, wanted)
    return Page(to_items(found.rows), cursor)


def _scan_page(reader: apsw.Connection, cursor: str | None, limit: int) -> ScanPage:
    found, more = get_scan(reader, cursor, limit)
    return ScanPage(to_items(found.rows), more)


def _items(rows: Sequence[Row | None]) -> list[Item | None]:
    return [None if row is None else to_item(row) for row in rows]


def _only(found: list[Item | None]) -> Item | None:
    return found[0]


def _done(standing: Standing) -> None:
    if standing:
        raise ConditionFailed(_standing_items(standing))


def _standing_items(standing: Mapping[int, Row | None]) -> dict[int, Item | None]:
    return {index: None if row is None else to_item(row) for index, row in standing.items()}
