"""The catalog on SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from pytest_twisted import async_yield_fixture
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from godos.catalog.items import IItemStore
from godos.catalog.sqlite import SQLiteItems
from godos.deferreds import WorkerPool
from tests.contract.catalog_all import WholeCatalogContract


class TestSQLiteCatalog(WholeCatalogContract):
    """On a file, with worker threads."""

    many_parts = 1000

    @async_yield_fixture
    async def items(self, tmp_path: Path) -> AsyncIterator[IItemStore]:
        """An empty store."""
        pool = WorkerPool(reactor, "catalog", 3)
        pool.start()
        items = await SQLiteItems.open(str(tmp_path / "catalog.sqlite"), pool, reactor)
        yield items
        await items.close()
        await deferToThread(pool.stop)
