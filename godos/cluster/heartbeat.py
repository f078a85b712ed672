"""Signs of life: each process writes its own rows, and notices when somebody else does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime

from godos.cluster.periodic import Periodic
from godos.deferreds import deferred
from godos.model.catalog import ICatalog
from godos.model.errors import CannotStart, GodosError
from godos.model.members import ApiServer, Node, NodeState

EVERY = 5.0  # seconds between two beats
FAREWELL = 1.0  # seconds


class NodeHeartbeat(Periodic):
    """
    Keeps a node's row: claimed by a random boot id, then changed every few seconds.

    Args:
        node: as it is to be registered.
        figures: answers (capacity, free) of the disk in bytes.
        healed: whether `godos disk check` passed since the node failed.
        on_lost: called with a sentence when this process must stop serving the node.
        verified: since when all on the disk is known to be good, in seconds since the epoch.
    """

    def __init__(
        self,
        catalog: ICatalog,
        clock: IReactorTime,
        node: Node,
        figures: Callable[[], Deferred[tuple[int, int]]],
        on_lost: Callable[[str], Any],
        healed: bool = False,
        every: float = EVERY,
        verified: Callable[[], float] = float,
    ) -> None:
        super().__init__(f"the heartbeat of node {node.id}", self._beat, every, clock)
        self._catalog = catalog
        self._figures = figures
        self._on_lost = on_lost
        self._healed = healed
        self._failure: str | None = None
        self._verified = verified
        self.node = node

    @deferred
    async def claim(self) -> Node:
        """
        Register the node under this process's boot id, before anything is served.

        Fails:
            CannotStart: the node's disk failed, and was not checked since.
        """
        self.node = await self._catalog.claim_node(await self._as_it_is())
        if self.node.state is NodeState.FAILED:
            if not self._healed:
                raise CannotStart(
                    f"node {self.node.id} left service ({self.node.reason}); "
                    "run `godos disk check` on its storage directory first"
                )
            await self._write(evolve(self.node, state=NodeState.UP, reason=""))
        return self.node

    def failed(self, reason: str) -> Deferred[None]:
        """
        The disk failed: say so in the catalog, now and with every beat.

        Fails: CatalogUnavailable; the next beat says it.
        """
        self._failure = reason
        return self._say_so()

    @deferred
    async def _say_so(self) -> None:
        """A beat on its way may win against ours, once: then ours is next."""
        for _ in range(2):
            await self._beat()
            if self.node.state is NodeState.FAILED:
                return

    @deferred
    async def _beat(self) -> None:
        if self._failure is not None:
            node = evolve(self.node, state=NodeState.FAILED, reason=self._failure)
        else:
            node = await self._as_it_is()
        await self._write(node)

    async def _as_it_is(self) -> Node:
        """The node's row with what its disk tells now."""
        capacity, free = await self._figures()
        since = self._verified()
        return evolve(self.node, capacity=capacity, free=free, verified_since=since)

    async def _write(self, node: Node) -> None:
        written = await self._catalog.update_node(evolve(node, beat=node.beat + 1))
        if written is not None:
            self.node = written
            return
        standing = await self._catalog.node(self.node.id)
        if standing is None:
            self._lost("its row was removed from the catalog")
        elif standing.boot_id != self.node.boot_id:
            self._lost("another process claimed its id: a cloned or twice mounted disk?")
        else:  # an operator changed the state: take it over, and beat with the next turn
            self.node = standing

    def _lost(self, why: str) -> None:
        self.halt()
        self._on_lost(f"node {self.node.id} stops serving: {why}")


class ApiHeartbeat(Periodic):
    """Keeps an API server's row, so that others can hand replies over to it."""

    def __init__(
        self, catalog: ICatalog, clock: IReactorTime, server: ApiServer, every: float = EVERY
    ) -> None:
        super().__init__("the heartbeat of this server", self.beat, every, clock)
        self._catalog = catalog
        self._clock = clock
        self._server = server

    def beat(self) -> Deferred[None]:
        """Write the row now.  Fails as the catalog does."""
        self._server = evolve(self._server, beat=self._server.beat + 1)
        return self._catalog.beat_api(self._server)

    @deferred
    async def farewell(self) -> None:
        """
        Take the row away, at an orderly stop.  Never fails, and takes `FAREWELL` seconds at
        most: others see without it, a little later, that the row beats no more.
        """
        removing = self._catalog.remove_api(self._server.id)
        try:
            await removing.addTimeout(FAREWELL, self._clock)
        except (GodosError, TimeoutError) as error:
            why = error if isinstance(error, GodosError) else "it takes too long"
            self._log.info("the row of this server stays in the catalog: {why}", why=why)
