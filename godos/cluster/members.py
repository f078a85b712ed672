"""The other servers as this process sees them: who is alive, and how to reach fragments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import Interface, implementer

from godos.cluster.joint import Joint
from godos.cluster.periodic import Periodic
from godos.deferreds import deferred
from godos.model.catalog import ICatalog
from godos.model.members import ApiServer, Node
from godos.protocol.membership import Pulses

REFRESH = 2.0  # seconds between two looks at the NODE rows
PATIENCE = 15.0  # seconds without a changed beat until a node is taken for dead


class IMembers(Interface):
    """Which nodes there are, and their fragments."""

    def registered() -> Sequence[Node]:
        """All nodes that the catalog knows."""

    def live() -> Sequence[Node]:
        """Those that beat, and answered when last asked."""

    def alive(node_id: str) -> bool:
        """Whether it is among the live ones."""

    def apis() -> Sequence[ApiServer]:
        """The API servers that beat."""

    def fragments(node_id: str) -> Any:
        """The `IFragmentStore` of a registered node, or None."""

    def suspect(node_id: str) -> None:
        """It did not answer: leave it out until it beats again."""

    def silence(node_id: str) -> float:
        """Seconds since the node's beat was last seen to change, as far as we have looked."""

    def refresh() -> Deferred[None]:
        """Read the rows of the catalog now.  Fails as the catalog does."""


@implementer(IMembers)
class Members(Periodic):
    """
    Reads the catalog every `REFRESH` seconds.

    Args:
        local: the stores of nodes in this process, which need no network.
        connect: makes the `IFragmentStore` of a node elsewhere; called again when a node
            comes back under another address.
        monotonic: seconds of a clock that never steps: the reactor's own may.
        relocate: may put another address into a row (see `given`).
    """

    def __init__(
        self,
        catalog: ICatalog,
        clock: IReactorTime,
        local: Mapping[str, Any],
        connect: Callable[[Node], Any],
        monotonic: Callable[[], float],
        patience: float = PATIENCE,
        relocate: Callable[[Node], Node] = lambda node: node,
    ) -> None:
        super().__init__("reading the members", self.refresh, REFRESH, clock)
        self._looks = Joint(self._look)
        self._catalog = catalog
        self._monotonic = monotonic
        self._local = local
        self._relocate = relocate
        self._connect = connect
        self._nodes: dict[str, Node] = {}
        self._node_pulses = Pulses(patience)
        self._apis: Sequence[ApiServer] = ()
        self._api_pulses = Pulses(patience)
        self._remote: dict[str, tuple[str, Any]] = {}

    def refresh(self) -> Deferred[None]:
        """
        Read the rows now.  Fails as the catalog does, and keeps what was known.

        Many readers that miss a node at the same time cost the catalog little.
        """
        return self._looks()

    @deferred
    async def _look(self) -> None:
        rows: Sequence[Node] = await self._catalog.nodes()
        self._apis = await self._catalog.apis()
        now = self._monotonic()
        self._nodes = {node.id: self._relocate(node) for node in rows}
        self._node_pulses.observed({node.id: (node.boot_id, node.beat) for node in rows}, now)
        self._api_pulses.observed({api.id: api.beat for api in self._apis}, now)

    def registered(self) -> Sequence[Node]:
        return [node for _, node in sorted(self._nodes.items())]

    def live(self) -> Sequence[Node]:
        now = self._monotonic()
        return [node for node in self.registered() if self._node_pulses.alive(node.id, now)]

    def alive(self, node_id: str) -> bool:
        return self._node_pulses.alive(node_id, self._monotonic())

    def apis(self) -> Sequence[ApiServer]:
        now = self._monotonic()
        return [api for api in self._apis if self._api_pulses.alive(api.id, now)]

    def suspect(self, node_id: str) -> None:
        if node_id not in self._local:
            self._node_pulses.suspect(node_id)

    def silence(self, node_id: str) -> float:
        if node_id in self._local:
            return 0.0
        return self._node_pulses.silence(node_id, self._monotonic())

    def fragments(self, node_id: str) -> Any:
        store = self._local.get(node_id)
        if store is not None:
            return store
        node = self._nodes.get(node_id)
        if node is None:
            return None
        address, remote = self._remote.get(node_id, ("", None))
        if address != node.address:
            remote = self._connect(node)
            self._remote[node_id] = node.address, remote
        return remote
