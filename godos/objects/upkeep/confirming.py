"""
What a census believes only after a second look.

A census takes long, and meanwhile objects come and go and are repaired.  So where disks do
not agree with a row that was read before, the row is read anew, the nodes are asked for
that blob, and the row is read once more: what did not change in between is true.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from attrs import frozen
from twisted.internet.defer import CancelledError, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from godos.cluster.members import IMembers
from godos.cluster.together import together
from godos.deferreds import deferred, within
from godos.model.blobs import Blob
from godos.model.catalog import ICatalog
from godos.model.errors import GodosError
from godos.objects.upkeep.merging import Sight
from godos.protocol.upkeep import Shelf

ASK = 30.0  # seconds for a node to say what it holds
AT_ONCE = 8  # rows read at the same time
TRIES = 4  # for a row that keeps changing


@frozen
class Look:
    """
    One blob as it is now: its row, and what the nodes that `answered` have of it.

    `settled` is False when the row changed during every look: somebody works on it.
    """

    incarnation: str
    row: Blob | None
    held: Mapping[str, Shelf]
    answered: frozenset[str]
    settled: bool = True


class SecondLook:
    """
    Args:
        patience: seconds for a node to answer.
    """

    _log = Logger()

    def __init__(
        self, catalog: ICatalog, members: IMembers, clock: IReactorTime, patience: float = ASK
    ) -> None:
        self._catalog = catalog
        self._members = members
        self._clock = clock
        self._patience = patience

    async def at(self, sights: Sequence[Sight], nodes: Collection[str]) -> list[Look]:
        """Look at these blobs again; `nodes` are asked.  Fails as the catalog does."""
        seen = {sight.incarnation: sight for sight in sights}
        rows = await self._rows(seen)
        looks: dict[str, Look] = {}
        for attempt in range(TRIES):
            open_ = [name for name in seen if name not in looks]
            held = await self._held(open_, nodes)
            again = await self._rows(open_)
            for name in open_:
                same = _rev(rows[name]) == _rev(again[name])
                if same or attempt == TRIES - 1:
                    looks[name] = self._look(seen[name], again[name], held, same)
            rows = again
            if len(looks) == len(seen):
                break
        return [looks[name] for name in seen]

    def _look(
        self,
        sight: Sight,
        row: Blob | None,
        held: Mapping[str, Mapping[str, tuple[int, ...]]],
        settled: bool,
    ) -> Look:
        now = self._clock.seconds()  # when what was not there before was written
        shelves = {
            node: {index: sight.held.get(node, {}).get(index, now) for index in indexes}
            for node, blobs in held.items()
            if (indexes := blobs.get(sight.incarnation, ()))
        }
        return Look(sight.incarnation, row, shelves, frozenset(held), settled)

    async def _rows(self, names: Iterable[str]) -> dict[str, Blob | None]:
        rows: dict[str, Blob | None] = {}
        wanted = list(names)
        for first in range(0, len(wanted), AT_ONCE):
            some = wanted[first : first + AT_ONCE]
            found = await together(self._catalog.blob(name) for name in some)
            rows.update(zip(some, found, strict=True))
        return rows

    async def _held(
        self, names: Sequence[str], nodes: Collection[str]
    ) -> dict[str, Mapping[str, tuple[int, ...]]]:
        """What each node that answers has of these blobs."""
        answers = await together(self._asked(node, names) for node in sorted(nodes))
        return {
            node: answer
            for node, answer in zip(sorted(nodes), answers, strict=True)
            if answer is not None
        }

    @deferred
    async def _asked(self, node: str, names: Sequence[str]) -> Mapping[str, tuple[int, ...]] | None:
        store = self._members.fragments(node)
        if store is None:
            return None
        try:
            held: Mapping[str, tuple[int, ...]] = await within(
                self._patience, store.holds(names), self._clock
            )
        except CancelledError:
            raise
        except (GodosError, TimeoutError) as error:
            self._log.warn("node {node} cannot tell what it holds: {error}", node=node, error=error)
            return None
        return held


def _rev(row: Blob | None) -> str | None:
    return None if row is None else row.rev
