"""
Removing what nothing refers to any more: overwritten, deleted, abandoned.

The catalog decides (`ICatalog.removals`); here the fragments are deleted, node by node,
and only when every node of a layout said so are the rows.  A node that has not what it
should may have lost it to another, by hand: then all are asked first.
"""

from __future__ import annotations

from enum import Enum, auto

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from godos.cluster.members import IMembers
from godos.cluster.periodic import Periodic
from godos.deferreds import deferred
from godos.model.catalog import ICatalog, Removal
from godos.model.errors import GodosError
from godos.model.locating import ILocator, Located
from godos.model.names import FragmentName

GRACE = 24 * 3600.0  # seconds between the last use of a blob and its removal
EVERY = 60.0  # seconds between two rounds
LEASE = "collect"
BATCH = 100  # blobs asked for at a time


class _Fate(Enum):
    """Of a fragment that is to go."""

    REMOVED = auto()
    MISSING = auto()  # it was not there
    OPEN = auto()  # not known yet


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
        locator: ILocator,
        clock: IReactorTime,
        holder: str,
        grace: float = GRACE,
        every: float = EVERY,
    ) -> None:
        super().__init__("collecting what nothing refers to", self.round, every, clock)
        self._catalog = catalog
        self._members = members
        self._locator = locator
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
        incarnation = removal.blob.incarnation
        places = [(placed.node, placed.index) for placed in removal.blob.layout]
        fates = [await self._removed(incarnation, *place) for place in places]
        if _Fate.OPEN in fates:
            return False
        if _Fate.MISSING in fates and not await self._found_and_removed(incarnation):
            return False
        await self._catalog.removed(removal)
        self.removed += 1
        return True

    async def _found_and_removed(self, incarnation: str) -> bool:
        """
        Remove fragments that are elsewhere than the layout says: it may be out of date.

        Tells whether all are gone.  Without the blob's row nobody would look for them again,
        so that needs the answer of every node.
        """
        self._locator.forget(incarnation)
        located: Located = (await self._locator.locate([incarnation]))[incarnation]
        for holder in located.holders:
            for index in holder.indexes:
                if await self._removed(incarnation, holder.node, index) is _Fate.OPEN:
                    return False
        if not located.complete:
            self._log.warn(
                "blob {incarnation} is not where its layout says, and not all nodes tell "
                "whether they hold it: its removal waits for them",
                incarnation=incarnation,
            )
        self._locator.forget(incarnation)
        return located.complete

    async def _removed(self, incarnation: str, node: str, index: int) -> _Fate:
        """Unreachable nodes keep the work open; nodes that left the cluster do not."""
        store = self._members.fragments(node)
        if store is None:  # left, or only unknown here: the catalog can tell
            left = await self._catalog.node(node) is None
            return _Fate.MISSING if left else _Fate.OPEN
        name = FragmentName(incarnation, index)
        try:
            return _Fate.REMOVED if await store.remove(name) else _Fate.MISSING
        except GodosError as error:
            self._log.warn(
                "fragment {name} stays on node {node} for now: {error}",
                name=str(name),
                node=node,
                error=error,
            )
            return _Fate.OPEN
