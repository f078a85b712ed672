"""The rows of servers: nodes, and API servers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve
from twisted.internet.interfaces import IReactorTime

from godos.catalog.items import Absent, Condition, Delete, IItemStore, Item, Put, RevIs
from godos.catalog.places import APIS, NODES
from godos.catalog.records import fields, row
from godos.catalog.writing import Backoff, Turns, Writer
from godos.model.errors import Conflict, InvalidRequest
from godos.model.members import ApiServer, Node, NodeState

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

    # -- nodes --------------------------------------------------------------------------
    async def claim_node(self, node: Node) -> Node:
        """As ICatalog.claim_node; a draining state is kept as well, for a restart ends none."""
        turns = Turns(self._backoff, f"the row of node {node.id}")
        while await turns.next():
            standing = await self.node(node.id)
            joined = self._clock.seconds() if standing is None else standing.joined
            claimed = evolve(node, rev=self._draw_id(), joined=joined or self._clock.seconds())
            if standing is not None and standing.state is not NodeState.UP:
                claimed = evolve(claimed, state=standing.state, reason=standing.reason)
            if await self._wrote(claimed, _is(standing)):
                return claimed
        raise AssertionError("unreachable")

    async def set_node_state(self, node_id: str, state: NodeState, reason: str) -> Node:
        """As ICatalog.set_node_state; the node's own beats may be in the way of a try."""
        turns = Turns(self._backoff, f"the row of node {node_id}")
        while await turns.next():
            standing = await self.node(node_id)
            if standing is None:
                raise InvalidRequest(f"there is no node {node_id}")
            if standing.state is NodeState.FAILED:
                raise InvalidRequest(
                    f"node {node_id} left service ({standing.reason}): only `godos disk check` "
                    "on its storage directory lets it back"
                )
            if (standing.state, standing.reason) == (state, reason):
                return standing
            changed = await self.update_node(evolve(standing, state=state, reason=reason))
            if changed is not None:
                return changed
        raise AssertionError("unreachable")

    async def update_node(self, node: Node) -> Node | None:
        updated = evolve(node, rev=self._draw_id())
        return updated if await self._wrote(updated, RevIs(node.rev)) else None

    async def node(self, node_id: str) -> Node | None:
        item = await self._items.get(NODES, node_id.encode())
        return None if item is None else node_of(item)

    async def nodes(self) -> Sequence[Node]:
        return [node_of(item) for item in await self._all(NODES)]

    async def remove_node(self, node: Node) -> None:
        place = NODES, node.id.encode()
        refusal = await self._writer.write([Delete(*place, RevIs(node.rev))])
        if refusal is None:
            return
        refusal.or_unknown()
        if await self._items.get(*place) is not None:
            raise Conflict(f"the row of node {node.id} changed meanwhile: look, then try again")

    async def _wrote(self, node: Node, condition: Condition) -> bool:
        refusal = await self._writer.write([Put(node_item(node), condition)])
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


def node_item(node: Node) -> Item:
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
        ver=node.verified_since or None,
        joined=node.joined or None,
    )


def node_of(item: Item) -> Node:
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
        verified_since=data.get("ver", 0.0),
        joined=data.get("joined", 0.0),
    )


def _api_of(item: Item) -> ApiServer:
    data = fields(item)
    return ApiServer(item.s.decode(), data["addr"], data["beat"], item.rev or "")
