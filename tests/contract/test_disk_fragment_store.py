"""Fragments on a real disk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from pytest_twisted import async_yield_fixture
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from godos.deferreds import WorkerPool
from godos.storage.opening import Machinery, Wanted, open_store
from godos.storage.store import DiskFragmentStore
from tests.contract.fragment_store import FragmentStoreContract


class TestDiskFragmentStore(FragmentStoreContract):
    """In a directory, with threads."""

    @async_yield_fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[DiskFragmentStore]:
        """An empty node."""
        pool = WorkerPool(reactor, "disk", 4)
        pool.start()
        machinery = Machinery(pool, reactor.callFromThread)
        store = await open_store(Wanted(str(tmp_path / "node"), create=True), machinery)
        yield store
        await store.close()
        await deferToThread(pool.stop)
