"""The races of the catalog on SQLite, with the worker threads of its owner."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from pytest_twisted import async_yield_fixture
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from godos.catalog.items import IItemStore
from godos.catalog.sqlite import SQLiteItems
from godos.deferreds import WorkerPool
from tests.integration.catalog_races import CatalogRaces


class TestRacesOnSQLite(CatalogRaces):
    """On a file."""

    @async_yield_fixture
    async def stores(self, tmp_path: Path) -> AsyncIterator[Sequence[IItemStore]]:
        """Three servers of one process, which owns the file."""
        pool = WorkerPool(reactor, "catalog", 3)
        pool.start()
        items = await SQLiteItems.open(str(tmp_path / "catalog.sqlite"), pool, reactor)
        yield [items, items, items]
        await items.close()
        await deferToThread(pool.stop)
