"""A coded blob on six data servers, read over real connections while servers fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from attrs import define
from pytest_twisted import async_yield_fixture, ensureDeferred
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from godos.deferreds import Background
from godos.model.errors import BytesNotFound
from godos.model.fragments import STRIPE
from godos.objects.sources import Sources
from tests.loopback_node import LoopbackNode, until
from tests.unit.objects.coded import World, content
from tests.unit.objects.stores import AskAll, Cluster

DATA = content(24 * STRIPE + 4321)
PAIRS = [(0, 1), (0, 3), (2, 4), (4, 5)]


@define
class Servers:
    """The nodes of `world`, each behind a server of its own, and what reads of them."""

    world: World
    nodes: list[LoopbackNode]
    cluster: Cluster
    sources: Sources

    def read(self, start: int = 0, stop: int = len(DATA)) -> Any:
        return self.sources.read(self.world.blob, start, stop)

    async def rest(self, read: Any) -> bytes:
        pieces = []
        while piece := await read.read():
            pieces.append(piece)
        await read.close()
        return b"".join(pieces)

    async def kill(self, number: int) -> None:
        """Nobody listens any more, and all connections break."""
        await self.nodes[number]._port.stopListening()
        self.nodes[number].site.abort()

    async def hang(self, number: int) -> None:
        """It takes requests, and answers nothing."""
        self.world.nodes[number].hangs = True

    async def rot(self, number: int) -> None:
        """A bit of each block flips."""
        node = self.world.nodes[number]
        (name,) = node.fragments
        for place in range(7, len(node.fragments[name].payload), 128 << 10):
            node.damage(name, place)

    async def stop(self) -> None:
        for node in self.world.nodes:
            node.hangs = False
            node.answer()
        await until(lambda: sum(node.open_readers for node in self.world.nodes) == 0)
        for server in self.nodes:
            await server.stop()
        await self.sources.background.idle()


TROUBLES: dict[str, Callable[[Servers, int], Any]] = {
    "killed": Servers.kill,
    "hung": Servers.hang,
    "damaged": Servers.rot,
}


class TestCodedReads:
    @async_yield_fixture
    async def servers(self) -> AsyncIterator[Servers]:
        clock: Any = reactor
        world = World("ec=4+2", DATA)
        nodes = [LoopbackNode({node.node_id: node}) for node in world.nodes]
        stores = [
            server.store(node.node_id) for server, node in zip(nodes, world.nodes, strict=True)
        ]
        cluster, rows = Cluster(stores), world.rows
        catalog: Any = rows
        sources = Sources(catalog, cluster, AskAll(cluster), clock, Background(), deferToThread)
        servers = Servers(world, nodes, cluster, sources)
        yield servers
        await servers.stop()

    @ensureDeferred
    async def test_all_is_well(self, servers: Servers) -> None:
        """Every byte; a range as well; and nobody is asked who is not needed."""
        assert await servers.rest(servers.read()) == DATA
        start, stop = 5 * STRIPE - 1000, 9 * STRIPE + 77
        assert await servers.rest(servers.read(start, stop)) == DATA[start:stop]
        assert servers.world.rows.repairs == []

    @pytest.mark.parametrize("pair", PAIRS)
    @pytest.mark.parametrize(
        "how", [("killed", "hung"), ("damaged", "killed"), ("hung", "damaged")]
    )
    @pytest.mark.parametrize("pieces", [0, 3])
    @ensureDeferred
    async def test_two_servers_fail(
        self, servers: Servers, pair: tuple[int, int], how: tuple[str, str], pieces: int
    ) -> None:
        """The reader gets every byte, whether they failed before or in the middle."""
        read = servers.read()
        got = b"".join([await read.read() for _ in range(pieces)])
        for number, trouble in zip(pair, how, strict=True):
            await TROUBLES[trouble](servers, number)
        assert got + await servers.rest(read) == DATA

    @ensureDeferred
    async def test_three_servers_fail(self, servers: Servers) -> None:
        """An error that says what each of them did; never a short answer."""
        read = servers.read()
        await read.read()
        for number in range(3):
            await servers.kill(number)
        with pytest.raises(BytesNotFound, match=servers.world.nodes[2].node_id):
            await servers.rest(read)
        await read.close()

    @ensureDeferred
    async def test_a_reader_that_leaves(self, servers: Servers) -> None:
        """The servers are told at once: none goes on reading for nobody."""
        read = servers.read()
        await read.read()
        await read.close()
        await until(lambda: all(node.open_readers == 0 for node in servers.world.nodes))
