"""Fragments between servers over real connections: pace, broken connections, dead servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import pytest
from pytest_twisted import async_yield_fixture, ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from godos.cluster.connections import pooled_agent
from godos.cluster.fragment_client import HTTPFragmentStore
from godos.cluster.server_client import ServerClient
from godos.deferreds import deferred
from godos.model.blobs import FragmentHeader
from godos.model.errors import NodeUnreachable
from godos.model.fragments import CHUNK
from godos.model.names import FragmentName, new_id
from godos.protocol.server_auth import Signer
from tests.loopback_node import SECRET, LoopbackNode, moment, until
from tests.memory_fragments import MemoryFragments

NODE = "1" * 32
SIZE = 48 * CHUNK  # more than the kernel's buffers of both ends hold
PIECE = bytes(range(256)) * (CHUNK // 256)
# What kernels may hold for a connection, and what both processes may: far below SIZE.
IN_BETWEEN = 24


def header_of(size: int = SIZE) -> FragmentHeader:
    digest = sha256()
    for _ in range(size // CHUNK):
        digest.update(PIECE)
    return FragmentHeader(FragmentName(new_id(), 0), size, size, digest.hexdigest(), "copies=1")


class Disk(MemoryFragments):
    """A node that counts what its disk does, and does it only while `going`."""

    def __init__(self) -> None:
        super().__init__(NODE)
        self.writes = self.reads = 0
        self._going: Deferred[None] | None = None

    def stop(self) -> None:
        self._going = Deferred()

    def go(self) -> None:
        going, self._going = self._going, None
        if going is not None:
            going.callback(None)

    async def turn(self) -> None:
        while self._going is not None:
            waiting: Deferred[None] = Deferred()
            self._going.chainDeferred(waiting)
            await waiting

    @deferred
    async def upload(self, name: FragmentName, length: int | None) -> Any:
        upload: Any = await MemoryFragments.upload(self, name, length)
        write = upload.write

        @deferred
        async def slowly(pieces: Any) -> None:
            await self.turn()
            self.writes += 1
            await write(pieces)

        upload.write = slowly
        return upload

    @deferred
    async def open(self, name: FragmentName, start: int, stop: int | None) -> Any:
        reader: Any = await MemoryFragments.open(self, name, start, stop)
        read = reader.read

        @deferred
        async def counted() -> bytes:
            await self.turn()
            self.reads += 1
            data: bytes = await read()
            return data

        reader.read = counted
        return reader


class TestFragmentsBetweenServers:
    @async_yield_fixture
    async def disk(self) -> AsyncIterator[Disk]:
        disk = Disk()
        yield disk
        assert disk.staged == 0

    @async_yield_fixture
    async def node(self, disk: Disk) -> AsyncIterator[LoopbackNode]:
        node = LoopbackNode({NODE: disk})
        yield node
        disk.go()
        await node.stop()

    def impatient(self, node: LoopbackNode, clock: Clock) -> HTTPFragmentStore:
        """The node as seen by a server whose time the test holds."""
        agent, _ = pooled_agent(reactor)
        now: Any = reactor
        client = ServerClient(agent, Signer(SECRET), clock, now.seconds)
        return HTTPFragmentStore(NODE, node.address, client, now.callLater)

    async def store_large(self, store: Any) -> FragmentHeader:
        header = header_of()
        upload = await store.upload(header.name, SIZE)
        for _ in range(SIZE // CHUNK):
            await upload.write([PIECE])
        await upload.seal(header)
        return header

    @pytest.mark.parametrize("length", [SIZE, None])
    @ensureDeferred
    async def test_a_slow_disk_pauses_the_sender(
        self, node: LoopbackNode, disk: Disk, length: int | None
    ) -> None:
        """While the disk stands still, soon nothing is taken any more; then it goes on."""
        header = header_of()
        upload = await node.store(NODE).upload(header.name, length)
        disk.stop()
        taken = 0
        writing: Any = None
        while taken < SIZE // CHUNK:
            writing = upload.write([PIECE])
            await moment(0.1)
            if not writing.called:
                break
            taken += 1
        assert taken < IN_BETWEEN
        assert disk.writes == 0
        disk.go()
        await writing
        for _ in range(taken + 1, SIZE // CHUNK):
            await upload.write([PIECE])
        await upload.seal(header)
        assert (await node.store(NODE).verify(header.name)) == header

    @ensureDeferred
    async def test_a_slow_reader_pauses_the_disk(self, node: LoopbackNode, disk: Disk) -> None:
        """While nobody reads, the disk rests; then all of it comes."""
        header = await self.store_large(node.store(NODE))
        reader = await node.store(NODE).open(header.name, 0, None)
        digest = sha256(await reader.read())
        reads = -1
        while reads != disk.reads:
            reads = disk.reads
            await moment(0.1)
        assert reads < IN_BETWEEN
        while data := await reader.read():
            digest.update(data)
        await reader.close()
        assert digest.hexdigest() == header.blob_sha256

    @ensureDeferred
    async def test_a_cancelled_write_removes_the_staging(
        self, node: LoopbackNode, disk: Disk
    ) -> None:
        """The node drops what came as soon as the sender gives up."""
        upload = await node.store(NODE).upload(FragmentName(new_id(), 0), None)
        await upload.write([PIECE])
        disk.stop()
        writing = upload.write([PIECE] * 32)
        writing.addErrback(lambda _: None)
        assert disk.staged == 1
        writing.cancel()
        disk.go()
        await until(lambda: disk.staged == 0)

    @ensureDeferred
    async def test_an_abort_removes_the_staging(self, node: LoopbackNode, disk: Disk) -> None:
        """At any moment of an upload."""
        for pieces in range(3):
            upload = await node.store(NODE).upload(FragmentName(new_id(), 0), SIZE)
            for _ in range(pieces):
                await upload.write([PIECE])
            await upload.abort()
            await until(lambda: disk.staged == 0)

    @ensureDeferred
    async def test_closing_a_reader_stops_the_disk(self, node: LoopbackNode, disk: Disk) -> None:
        """A reader that has enough costs the node no more."""
        header = await self.store_large(node.store(NODE))
        reader = await node.store(NODE).open(header.name, 0, None)
        await reader.read()
        await reader.close()
        await until(lambda: node.site.connections == 1)  # the one of the upload
        assert disk.reads < IN_BETWEEN

    @ensureDeferred
    async def test_a_server_that_dies_in_the_middle(self, node: LoopbackNode) -> None:
        """What came is good, and that more is missing is an error."""
        header = await self.store_large(node.store(NODE))
        reader = await node.store(NODE).open(header.name, 0, None)
        length = len(await reader.read())
        node.site.abort()
        with pytest.raises(NodeUnreachable):
            while data := await reader.read():
                length += len(data)
        assert length < SIZE
        await reader.close()

    @ensureDeferred
    async def test_a_server_that_stops_in_the_middle(self, node: LoopbackNode, disk: Disk) -> None:
        """A node that hangs is given up after thirty seconds, by the clock of who waits."""
        header = await self.store_large(node.store(NODE))
        clock = Clock()
        store = self.impatient(node, clock)
        reader = await store.open(header.name, 0, None)
        await reader.read()
        disk.stop()
        reading = reader.read()
        while reading.called:
            await reading
            reading = reader.read()
            await moment(0.05)
        clock.advance(29)
        assert not reading.called
        clock.advance(1)
        with pytest.raises(NodeUnreachable):
            await reading
        disk.go()
        await until(lambda: node.site.connections <= 2)

    @ensureDeferred
    async def test_a_server_that_is_not_there(self, node: LoopbackNode) -> None:
        """Nobody listens any more: that is told at once."""
        store = node.store(NODE)
        await store.holds([])
        await node._port.stopListening()
        node.site.abort()
        await until(lambda: node.site.connections == 0)
        await moment(0.05)
        for work in (
            store.put(FragmentHeader(FragmentName(new_id(), 0), 0, 0, "0" * 64, "ec=1+1"), []),
            store.open(FragmentName(new_id(), 0), 0, None),
            store.upload(FragmentName(new_id(), 0), None),
            store.holds([new_id()]),
        ):
            with pytest.raises(NodeUnreachable):
                await work

    @ensureDeferred
    async def test_connections_are_used_again(self, node: LoopbackNode) -> None:
        """A hundred small requests, one after the other, need one connection."""
        store = node.store(NODE)
        payload = b"payload"
        digest = sha256(payload).hexdigest()
        for _ in range(50):
            name = FragmentName(new_id(), 0)
            await store.put(FragmentHeader(name, 7, 7, digest, "copies=1"), [payload])
            reader = await store.open(name, 0, None)
            assert await reader.read() == payload
            await reader.close()
        assert node.site.connections == 1
