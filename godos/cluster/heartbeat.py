"""Signs of life: each process writes its own rows, and notices when somebody else does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from godos.deferreds import deferred
from godos.model.catalog import ICatalog
from godos.model.errors import CannotStart, CatalogUnavailable
from godos.model.members import ApiServer, Node, NodeState

EVERY = 5.0  # seconds between two beats


class _Beating(Service):
    """A service that calls `_beat` every `every` seconds, one at a time."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, every: float) -> None:
        self._every = every
        self._loop = LoopingCall(self._safely)
        self._loop.clock = clock
        self._running: Deferred[None] | None = None
        self._failing = False

    def startService(self) -> None:
        super().startService()
        self._loop.start(self._every, now=False).addErrback(
            lambda failure: self._log.failure("a heartbeat ended", failure)
        )

    @deferred
    async def stopService(self) -> None:
        super().stopService()
        if self._loop.running:
            self._loop.stop()
        if self._running is not None:
            self._running.cancel()

    def _safely(self) -> Deferred[None]:
        self._running = self._try()
        return self._running

    @deferred
    async def _try(self) -> None:
        """One beat; whatever happens, the next one comes."""
        try:
            await self._beat()
        except CatalogUnavailable as error:
            if not self._failing:
                self._log.warn("no heartbeat, the catalog does not answer: {error}", error=error)
            self._failing = True
        except CancelledError:
            raise
        except Exception:  # a bug too must not end the heartbeat: the node would be dead
            self._log.failure("a heartbeat failed")
        else:
            self._failing = False

    async def _beat(self) -> None:
        raise AssertionError("each kind of heartbeat says what it writes")


class NodeHeartbeat(_Beating):
    """
    Keeps a node's row: claimed by a random boot id, then changed every few seconds.

    Args:
        node: as it is to be registered.
        figures: answers (capacity, free) of the disk in bytes.
        healed: whether `godos disk check` passed since the node failed.
        on_lost: called with a sentence when this process must stop serving the node.
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
    ) -> None:
        super().__init__(clock, every)
        self._catalog = catalog
        self._figures = figures
        self._on_lost = on_lost
        self._healed = healed
        self._failure: str | None = None
        self.node = node

    @deferred
    async def claim(self) -> Node:
        """
        Register the node under this process's boot id, before anything is served.

        Fails:
            CannotStart: the node's disk failed, and was not checked since.
        """
        capacity, free = await self._figures()
        self.node = await self._catalog.claim_node(evolve(self.node, capacity=capacity, free=free))
        if self.node.state is NodeState.FAILED:
            if not self._healed:
                raise CannotStart(
                    f"node {self.node.id} left service ({self.node.reason}); "
                    "run `godos disk check` on its storage directory first"
                )
            await self._write(evolve(self.node, state=NodeState.UP, reason=""))
        return self.node

    def failed(self, reason: str) -> Deferred[None]:
        """The disk failed: say so in the catalog, now and until it is written."""
        self._failure = reason
        return self._safely()

    async def _beat(self) -> None:
        if self._failure is not None:
            node = evolve(self.node, state=NodeState.FAILED, reason=self._failure)
        else:
            capacity, free = await self._figures()
            node = evolve(self.node, capacity=capacity, free=free)
        await self._write(node)

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
        if self._loop.running:
            self._loop.stop()
        self._on_lost(f"node {self.node.id} stops serving: {why}")


class ApiHeartbeat(_Beating):
    """Keeps an API server's row, so that others can hand replies over to it."""

    def __init__(
        self, catalog: ICatalog, clock: IReactorTime, server: ApiServer, every: float = EVERY
    ) -> None:
        super().__init__(clock, every)
        self._catalog = catalog
        self._server = server

    def beat(self) -> Deferred[None]:
        """Write the row now.  Fails as the catalog does."""
        self._server = evolve(self._server, beat=self._server.beat + 1)
        return self._catalog.beat_api(self._server)

    async def _beat(self) -> None:
        await self.beat()

    @deferred
    async def farewell(self) -> None:
        """Take the row away, at an orderly stop."""
        await self._catalog.remove_api(self._server.id)
