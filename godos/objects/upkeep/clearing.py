"""Removing fragments that no layout names any more; the census finds what cannot be now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from godos.cluster.members import IMembers
from godos.cluster.patience import within
from godos.cluster.together import together
from godos.deferreds import deferred
from godos.model.blobs import Blob, Placed
from godos.model.catalog import ICatalog
from godos.model.errors import GodosError
from godos.model.names import FragmentName
from godos.objects.upkeep.examining import Finding, State

PATIENCE = 30.0  # seconds for a node to remove a fragment


class Clearing:
    """Tidies up after the layout of a blob was changed, or after it could not be."""

    _log = Logger()

    def __init__(self, catalog: ICatalog, members: IMembers, clock: IReactorTime) -> None:
        self._catalog = catalog
        self._members = members
        self._clock = clock

    async def left(self, before: Blob, now: Blob, findings: Sequence[Finding]) -> None:
        """Remove what left the layout, from nodes that answer."""
        there = {f.placed for f in findings if f.state in (State.GOOD, State.DAMAGED)}
        await self._all(before, there.intersection(before.layout).difference(now.layout))

    async def converted(self, before: Blob) -> None:
        """Remove the fragments of the generation before."""
        await self._all(before, before.layout)

    async def unused(self, blob: Blob, places: Iterable[Placed]) -> None:
        """Remove what was written and is in no layout, by the row as it stands now."""
        standing: Blob | None = await self._catalog.blob(blob.incarnation)
        named = () if standing is None else standing.layout
        unused = set(places).difference(named)
        if not unused:
            return
        await self._all(blob, unused)
        standing = await self._catalog.blob(blob.incarnation)
        if standing is not None and unused.intersection(standing.layout):
            # another server wrote the same ones, and named them at that very moment
            await self._catalog.want_repair(blob.incarnation, "removed while it was named")

    async def _all(self, blob: Blob, places: Iterable[Placed]) -> None:
        await together(self._remove(blob, placed) for placed in places)

    @deferred
    async def _remove(self, blob: Blob, placed: Placed) -> None:
        store = self._members.fragments(placed.node)
        if store is None:
            return
        name = FragmentName(blob.incarnation, placed.index)
        try:
            removing = store.remove(name)
            await within(PATIENCE, self._clock, removing, "the node did not answer")
        except CancelledError:
            raise
        except GodosError as error:
            self._log.info(
                "fragment {name} is left on node {node}, where nobody needs it: {error}",
                name=str(name),
                node=placed.node,
                error=error,
            )
