"""The cluster itself, its nodes and its API servers."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from attrs import evolve
from twisted.internet.interfaces import IReactorTime

from godos.catalog.items import Absent, Condition, Delete, IItemStore, Item, Put, RevIs
from godos.catalog.places import APIS, META, NODES
from godos.catalog.records import cluster_item, cluster_of, fields, row
from godos.catalog.writing import Backoff, Turns, Writer
from godos.model.errors import CannotStart, CatalogEmpty, Conflict
from godos.model.members import FORMAT, ApiServer, Cluster, Node, NodeState

API_KEPT = 24 * 3600.0  # seconds after its last beat that an API server's row may stay


class Members:
    def __init__(
        self,
        items: IItemStore,
        writer: Writer,
        backoff: Backoff,
        clock: IReactorTime,
        draw_id: Callable[[], str],
    ) -> None:
        self._items, self._writer, self._backoff = items, writer, backoff
        self._clock, self._draw_id = clock, draw_id

    # -- the cluster --------------------------------------------------------------------
    async def cluster(self) -> Cluster:
        item = await self._items.get(*META)
        if item is None:
            raise CatalogEmpty("the catalog is empty: `godos state init` prepares it")
        return _readable(item)

    async def initialise(self, policy: str) -> Cluster:
        made = Cluster(
            id=self._draw_id(),
            secret=secrets.token_hex(32),
            policy=policy,
            epoch=1,
            created=self._clock.seconds(),
        )
        refusal = await self._writer.write([Put(cluster_item(made, self._draw_id()), Absent())])
        if refusal is None:
            return made
        refusal.or_unknown()
        return await self.cluster()

    # -- nodes --------------------------------------------------------------------------
    async def claim_node(self, node: Node) -> Node:
        """As ICatalog.claim_node; a draining state is kept as well, for a restart ends none."""
        turns = Turns(self._backoff, f"the row of node {node.id}")
        while await turns.next():
            standing = await self.node(node.id)
            claimed, condition = evolve(node, rev=self._draw_id()), _is(standing)
            if standing is not None and standing.state is not NodeState.UP:
                claimed = evolve(claimed, state=standing.state, reason=standing.reason)
            if await self._wrote(claimed, condition):
                return claimed
        raise AssertionError("unreachable")

    async def update_node(self, node: Node) -> Node | None:
        updated = evolve(node, rev=self._draw_id())
        return updated if await self._wrote(updated, RevIs(node.rev)) else None

    async def node(self, node_id: str) -> Node | None:
        item = await self._items.get(NODES, node_id.encode())
        return None if item is None else _node_of(item)

    async def nodes(self) -> Sequence[Node]:
        return [_node_of(item) for item in await self._all(NODES)]

    async def remove_node(self, node: Node) -> None:
        place = NODES, node.id.encode()
        refusal = await self._writer.write([Delete(*place, RevIs(node.rev))])
        if refusal is None:
            return
        refusal.or_unknown()
        if await self._items.get(*place) is not None:
            raise Conflict(f"the row of node {node.id} changed meanwhile: look, then try again")

    async def _wrote(self, node: Node, condition: Condition) -> bool:
        refusal = await self._writer.write([Put(_node_item(node), condition)])
        if refusal is None or refusal.is_own(node.rev):
            return True
        refusal.or_unknown()
        return False

    # -- API servers --------------------------------------------------------------------
    async def beat_api(self, server: ApiServer) -> None:
        place = APIS, server.id.encode()
        item = row(*place, self._draw_id(), addr=server.address, beat=server.beat)
        expires = int(self._clock.seconds() + API_KEPT)
        refusal = await self._writer.write([Put(item._replace(expires=expires))])
        if refusal is not None:
            refusal.or_unknown()

    async def apis(self) -> Sequence[ApiServer]:
        return [_api_of(item) for item in await self._all(APIS)]

    async def remove_api(self, server_id: str) -> None:
        refusal = await self._writer.write([Delete(APIS, server_id.encode())])
        if refusal is not None:
            refusal.or_unknown()

    async def _all(self, partition: str) -> list[Item]:
        found: list[Item] = []
        start: bytes | None = b""
        while start is not None:
            page = await self._items.query(partition, start)
            found += page.items
            start = page.cursor
        return found


def _is(standing: Node | None) -> Condition:
    return Absent() if standing is None else RevIs(standing.rev)


def _readable(item: Item) -> Cluster:
    written: Any = item.data.get("f")
    if written != FORMAT:
        raise CannotStart(
            f"the catalog has format {written!r}, and this godos reads {FORMAT}: "
            "start the godos that wrote it, or a newer one"
        )
    return cluster_of(item)


def _node_item(node: Node) -> Item:
    return row(
        NODES,
        node.id.encode(),
        node.rev,
        node.state.value,
        boot=node.boot_id,
        addr=node.address,
        zone=node.zone,
        capacity=node.capacity,
        free=node.free,
        beat=node.beat,
        reason=node.reason,
    )


def _node_of(item: Item) -> Node:
    data = fields(item)
    return Node(
        id=item.s.decode(),
        boot_id=data["boot"],
        address=data["addr"],
        zone=data.get("zone", ""),
        capacity=data["capacity"],
        free=data["free"],
        state=NodeState(item.state or ""),
        beat=data["beat"],
        reason=data.get("reason", ""),
        rev=item.rev or "",
    )


def _api_of(item: Item) -> ApiServer:
    data = fields(item)
    return ApiServer(item.s.decode(), data["addr"], data["beat"], item.rev or "")
