"""
Removing what nothing refers to any more: overwritten, deleted, abandoned.

The catalog decides (`ICatalog.removals`); here the fragments are deleted, node by node,
and only when every node of a layout said so are the rows.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from godos.cluster.members import IMembers
from godos.cluster.periodic import Periodic
from godos.deferreds import deferred
from godos.model.blobs import Placed
from godos.model.catalog import ICatalog, Removal
from godos.model.errors import GodosError
from godos.model.names import FragmentName

GRACE = 24 * 3600.0  # seconds between the last use of a blob and its removal
EVERY = 60.0  # seconds between two rounds
LEASE = "collect"
BATCH = 100  # blobs asked for at a time


class Collector(Periodic):
    """
    One round every `every` seconds, by whoever holds the lease; two at once do no harm.

    `removed` counts blobs since the start.
    """

    _log = Logger()

    def __init__(
        self,
        catalog: ICatalog,
        members: IMembers,
        clock: IReactorTime,
        holder: str,
        grace: float = GRACE,
        every: float = EVERY,
    ) -> None:
        super().__init__("collecting what nothing refers to", self.round, every, clock)
        self._catalog = catalog
        self._members = members
        self._holder = holder
        self._grace = grace
        self._every = every
        self.removed = 0

    @deferred
    async def round(self) -> None:
        """Remove what is due.  Fails as the catalog does; the next round goes on."""
        if not await self._catalog.try_lease(LEASE, self._holder, 3 * self._every):
            return
        while True:
            removals = await self._catalog.removals(self._grace, BATCH)
            done = [removal for removal in removals if await self._remove(removal)]
            if len(removals) < BATCH or not done:
                return

    async def _remove(self, removal: Removal) -> bool:
        """Tells whether the blob is gone from all its nodes, and so from the catalog."""
        for placed in removal.blob.layout:
            if not await self._gone(removal, placed):
                return False
        await self._catalog.removed(removal)
        self.removed += 1
        return True

    async def _gone(self, removal: Removal, placed: Placed) -> bool:
        """Unreachable nodes keep the work open; nodes that left the cluster do not."""
        store = self._members.fragments(placed.node)
        if store is None:  # left, or only unknown here: the catalog can tell
            return await self._catalog.node(placed.node) is None
        try:
            await store.remove(FragmentName(removal.blob.incarnation, placed.index))
        except GodosError as error:
            self._log.warn(
                "fragment {name} stays on node {node} for now: {error}",
                name=f"{removal.blob.incarnation}.{placed.index}",
                node=placed.node,
                error=error,
            )
            return False
        return True
