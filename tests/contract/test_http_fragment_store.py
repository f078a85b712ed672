"""Fragments of a node behind a data server, over a real connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from pytest_twisted import async_yield_fixture
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from godos.deferreds import WorkerPool
from godos.storage.opening import Machinery, Wanted, open_store
from tests.contract.fragment_store import FragmentStoreContract
from tests.loopback_node import LoopbackNode
from tests.memory_fragments import MemoryFragments

NODE = "1" * 32


class TestMemoryFragments(FragmentStoreContract):
    """The stand-in for a disk, in the same process."""

    @async_yield_fixture
    async def store(self) -> AsyncIterator[MemoryFragments]:
        """An empty node."""
        store = MemoryFragments(NODE)
        yield store
        assert store.staged == 0


class TestHTTPFragmentStore(FragmentStoreContract):
    """Client, connection and data server before the stand-in for a disk."""

    @async_yield_fixture
    async def store(self) -> AsyncIterator[Any]:
        """An empty node, as another server sees it."""
        memory = MemoryFragments(NODE)
        node = LoopbackNode({NODE: memory})
        yield node.store(NODE)
        await node.stop()
        assert memory.staged == 0


class TestHTTPDiskFragmentStore(FragmentStoreContract):
    """The same before a real disk: all that a cluster puts between an object and its bytes."""

    @async_yield_fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Any]:
        """An empty node, as another server sees it."""
        pool = WorkerPool(reactor, "disk", 4)
        pool.start()
        machinery = Machinery(pool, reactor.callFromThread)  # type: ignore[attr-defined]
        disk = await open_store(Wanted(str(tmp_path / "node"), create=True), machinery)
        node = LoopbackNode({disk.node_id: disk})
        yield node.store(disk.node_id)
        await node.stop()
        await disk.close()
        await deferToThread(pool.stop)
