"""
Removing what nothing refers to any more: overwritten, deleted, abandoned.

The catalog decides (`ICatalog.removals`); here the fragments are deleted, node by node,
and only when every node of a layout said so are the rows.  All that live are asked for more of
the same blobs, for work that was broken off may have left fragments beside the layout, of
its generation or another.  A node that has not what it should may have lost it to another, by
hand: then it takes the answer of every node.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import Enum, auto

from twisted.internet.defer import CancelledError, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from godos.cluster.members import IMembers
from godos.cluster.periodic import Periodic
from godos.cluster.together import together
from godos.deferreds import deferred, within
from godos.model.blobs import Placed
from godos.model.catalog import ICatalog, Removal
from godos.model.errors import GodosError, NodeUnreachable
from godos.model.locating import ILocator, Located
from godos.model.names import FragmentName
from godos.objects.upkeep.abreast import abreast

GRACE = 24 * 3600.0  # seconds between the last use of a blob and its removal
EVERY = 60.0  # seconds between two rounds
LEASE = "collect"
BATCH = 100  # blobs asked for at a time
AT_ONCE = 8  # blobs whose fragments are removed at the same time
PATIENCE = 30.0  # seconds for a node to tell what it holds, or to remove a fragment


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
        self._clock = clock
        self._grace = grace
        self._kept: Counter[str] = Counter()  # node -> fragments that stay on it for now
        self._unsought = 0  # blobs of which not all nodes told whether they hold them
        self.removed = 0

    @deferred
    async def round(self) -> None:
        """Remove what is due.  Fails as the catalog does; the next round goes on."""
        self._kept.clear()
        self._unsought = 0
        try:
            await self._remove_due()
        finally:
            self._tell()

    async def _remove_due(self) -> None:
        while await self._catalog.try_lease(LEASE, self._holder, 3 * self._every):
            removals = await self._catalog.removals(self._grace, BATCH)
            before = self.removed
            await self._remove_all(removals)
            if len(removals) < BATCH or self.removed == before:
                return

    def _tell(self) -> None:
        """One line for each node and round, however many fragments it is about."""
        for node, number in sorted(self._kept.items()):
            self._log.warn(
                "{number} fragments that nothing needs stay on node {node} until it answers",
                number=number,
                node=node,
            )
        if self._unsought:
            self._log.warn(
                "{number} blobs are not where their layouts say, and not all nodes tell whether "
                "they hold them: their removal waits for these",
                number=self._unsought,
            )

    async def _remove_all(self, removals: Sequence[Removal]) -> None:
        beside = await self._beside([removal.blob.incarnation for removal in removals])
        await abreast(
            removals,
            AT_ONCE,
            lambda removal: self._remove(removal, beside[removal.blob.incarnation]),
        )

    async def _beside(self, incarnations: Sequence[str]) -> Mapping[str, set[Placed]]:
        """All fragments of these blobs, as far as nodes that live say so now."""
        found: dict[str, set[Placed]] = {incarnation: set() for incarnation in incarnations}
        if found:
            nodes = [node.id for node in self._members.live()]
            answers = await together(self._held(node, incarnations) for node in nodes)
            for node, held in zip(nodes, answers, strict=True):
                for incarnation, indexes in held.items():
                    found[incarnation].update(Placed(index, node) for index in indexes)
        return found

    @deferred
    async def _held(self, node: str, incarnations: Sequence[str]) -> Mapping[str, Sequence[int]]:
        """Nothing of a node that does not tell: what the layout names is asked for anyway."""
        store = self._members.fragments(node)
        if store is None:
            return {}
        try:
            held = await within(PATIENCE, store.holds(incarnations), self._clock)
        except CancelledError:
            raise
        except (GodosError, TimeoutError) as error:
            self._log.debug("node {node} was asked in vain: {error}", node=node, error=error)
            return {}
        return {each: held[each] for each in incarnations if each in held}

    async def _remove(self, removal: Removal, beside: set[Placed]) -> None:
        """Remove a blob's fragments, and its rows when all are gone from all its nodes."""
        incarnation = removal.blob.incarnation
        places = dict.fromkeys((*removal.blob.layout, *beside))
        fates = [await self._removed(incarnation, at.node, at.index) for at in places]
        if _Fate.OPEN in fates:
            return
        if _Fate.MISSING in fates and not await self._found_and_removed(incarnation):
            return
        await self._catalog.removed(removal)
        self.removed += 1

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
        self._unsought += not located.complete
        self._locator.forget(incarnation)
        return located.complete

    async def _removed(self, incarnation: str, node: str, index: int) -> _Fate:
        """Unreachable nodes keep the work open; nodes that left the cluster do not."""
        store = self._members.fragments(node)
        known = any(row.id == node for row in self._members.registered())
        if store is None or not known:  # left, or only unknown here: the catalog can tell
            left = await self._catalog.node(node) is None
            return _Fate.MISSING if left else self._stays(node)
        if not self._members.alive(node):  # asking each time would keep what can go waiting
            return self._stays(node)
        name = FragmentName(incarnation, index)
        try:
            removed = await within(PATIENCE, store.remove(name), self._clock)
        except CancelledError:
            raise
        except (GodosError, TimeoutError) as error:
            if isinstance(error, NodeUnreachable | TimeoutError):
                self._members.suspect(node)  # until it beats again
            self._log.debug("fragment {name} stays on {node}: {e}", name=name, node=node, e=error)
            return self._stays(node)
        return _Fate.REMOVED if removed else _Fate.MISSING

    def _stays(self, node: str) -> _Fate:
        """A fragment cannot be removed for now."""
        self._kept[node] += 1
        return _Fate.OPEN
