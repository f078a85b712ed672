"""The item store on SQLite: as its owner has it, and as other processes do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from pytest_twisted import async_yield_fixture
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from godos.catalog.items import IItemStore
from godos.catalog.sqlite import SQLiteItems
from godos.catalog.sqlite_remote import RemoteItems
from godos.catalog.sqlite_server import ItemsServer
from godos.catalog.sqlite_shared import SharedSQLiteItems
from godos.deferreds import WorkerPool
from tests.contract.items import ItemStoreContract
from tests.memory_items import MemoryItems


@async_yield_fixture
async def pool() -> AsyncIterator[WorkerPool]:
    """Threads for the file."""
    pool = WorkerPool(reactor, "catalog", 3)
    pool.start()
    yield pool
    await deferToThread(pool.stop)


class TestSQLiteItems(ItemStoreContract):
    """The file itself."""

    @async_yield_fixture
    async def items(self, tmp_path: Path, pool: WorkerPool) -> AsyncIterator[IItemStore]:
        """An empty store."""
        items = await SQLiteItems.open(str(tmp_path / "catalog.sqlite"), pool, reactor)
        yield items
        await items.close()


class TestRemoteItems(ItemStoreContract):
    """The file, over the socket of its owner."""

    @async_yield_fixture
    async def items(self, tmp_path: Path, pool: WorkerPool) -> AsyncIterator[IItemStore]:
        """An empty store, seen by another process."""
        path = str(tmp_path / "catalog.sqlite")
        owner = await SharedSQLiteItems.open(path, reactor, pool)
        items = await RemoteItems.connect(f"{path}.sock", reactor)
        yield items
        await items.close()
        await owner.close()


class TestOwnedItems(ItemStoreContract):
    """The file, by the process that owns it and would serve others."""

    @async_yield_fixture
    async def items(self, tmp_path: Path, pool: WorkerPool) -> AsyncIterator[IItemStore]:
        """An empty store, owned."""
        items = await SharedSQLiteItems.open(str(tmp_path / "catalog.sqlite"), reactor, pool)
        yield items
        await items.close()


class TestSharedItems(ItemStoreContract):
    """The file, by a process that finds it owned by another."""

    @async_yield_fixture
    async def items(self, tmp_path: Path, pool: WorkerPool) -> AsyncIterator[IItemStore]:
        """An empty store, beside its owner."""
        path = str(tmp_path / "catalog.sqlite")
        owner = await SharedSQLiteItems.open(path, reactor, pool)
        items = await SharedSQLiteItems.open(path, reactor, pool)
        yield items
        await items.close()
        await owner.close()


class TestServedMemoryItems(ItemStoreContract):
    """Any item store can be served: what the socket adds is the same for all."""

    @async_yield_fixture
    async def items(self, tmp_path: Path) -> AsyncIterator[IItemStore]:
        """A store in memory behind a socket with a path too long for one."""
        folder = tmp_path / ("long" * 30)
        folder.mkdir()
        server = ItemsServer(reactor, MemoryItems(), str(folder / "catalog.sock"))
        server.start()
        items = await RemoteItems.connect(str(folder / "catalog.sock"), reactor)
        yield items
        await items.close()
        await server.stop()
