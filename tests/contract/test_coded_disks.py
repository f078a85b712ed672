"""Coded objects on real disks behind a data server: all that is between a client and its bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_twisted
from attrs import define
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from godos.deferreds import WorkerPool
from godos.model.blobs import Blob
from godos.model.encryption import Cipher, Encryption
from godos.model.fragments import STRIPE
from godos.model.objects import GetRequest, PutRequest
from godos.model.policy import SMALL_CODED, Policy
from godos.protocol.coding import fragment_length
from godos.storage.opening import Machinery, Wanted, open_store
from tests.loopback_node import LoopbackNode
from tests.unit.objects.stores import Body, Store, now

SIZES = [SMALL_CODED, SMALL_CODED + 1, STRIPE, 5 * STRIPE + 77]
POLICY = Policy(4, 2)


@define
class Disks:
    """Six disks, and a store that reaches them over HTTP."""

    folder: Path
    store: Store

    async def put(self, key: str, data: bytes, **told: Any) -> Blob:
        version = await self.store.objects.put("objects", key, Body(data), PutRequest(**told))
        blob: Blob = now(self.store.catalog.blob(version.incarnation))
        return blob

    async def get(self, key: str) -> bytes:
        read = await self.store.objects.get("objects", key, GetRequest())
        pieces = []
        while piece := await read.read():
            pieces.append(piece)
        await read.close()
        return b"".join(pieces)

    def files(self, blob: Blob) -> list[Path]:
        """The files of a blob's large fragments."""
        found = self.folder.glob(f"*/objects/*/{blob.incarnation}.*")
        return sorted(found, key=lambda file: file.suffix)


@pytest_twisted.async_yield_fixture
async def disks(tmp_path: Path) -> AsyncIterator[Disks]:
    pool = WorkerPool(reactor, "disk", 4)
    pool.start()
    machinery = Machinery(pool, reactor.callFromThread)  # type: ignore[attr-defined]
    opened = [
        await open_store(Wanted(str(tmp_path / f"node{n}"), create=True), machinery)
        for n in range(6)
    ]
    node = LoopbackNode({disk.node_id: disk for disk in opened})
    stores = [node.store(disk.node_id) for disk in opened]
    store = Store(stores, str(POLICY))
    yield Disks(tmp_path, store)
    await store.background.idle()
    await node.stop()
    for disk in opened:
        await disk.close()
    await deferToThread(pool.stop)


@pytest.mark.parametrize("encryption", [None, Encryption(Cipher.S3)])
@pytest_twisted.ensureDeferred
async def test_objects_are_written_and_read(disks: Disks, encryption: Encryption | None) -> None:
    """Every node takes its shard, whose bytes are not the blob's, and proves that it has it."""
    for size in SIZES:
        data = Random(size).randbytes(size)
        blob = await disks.put(str(size), data, encryption=encryption)
        assert blob.policy == POLICY.for_size(blob.size)
        assert len(blob.layout) == blob.policy.width
        for placed in blob.layout:
            header = await disks.store.cluster.stores[placed.node].verify(blob.name(placed.shard))
            assert header.length == fragment_length(blob.policy, blob.size)
            assert (header.blob_size, header.blob_sha256) == (blob.size, blob.sha256)
        assert await disks.get(str(size)) == data


@pytest_twisted.ensureDeferred
async def test_data_shards_are_the_object_cut_up(disks: Disks) -> None:
    """As docs/disk-format.rst says: of each stripe some bytes of each file in turn."""
    data = Random(1).randbytes(6 * STRIPE)
    blob = await disks.put("k", data)
    files = disks.files(blob)
    assert [file.suffix for file in files] == [f".{shard}" for shard in range(6)]
    shards = [file.read_bytes() for file in files]
    unit = STRIPE // 4
    joined = b"".join(
        shards[shard][stripe * unit : (stripe + 1) * unit]
        for stripe in range(6)
        for shard in range(4)
    )
    assert sha256(joined).hexdigest() == blob.sha256


@pytest_twisted.ensureDeferred
async def test_two_damaged_files_are_not_noticed(disks: Disks) -> None:
    """A flipped bit in one fragment, another one gone: the bytes are right, repair is asked for."""
    data = Random(2).randbytes(6 * STRIPE)
    blob = await disks.put("k", data)
    first, second, *_ = disks.files(blob)
    whole = bytearray(first.read_bytes())
    whole[1000] ^= 1
    first.write_bytes(whole)
    second.unlink()
    assert await disks.get("k") == data
    await disks.store.background.idle()
    assert [work.incarnation for work in now(disks.store.catalog.repairs())] == [blob.incarnation]
