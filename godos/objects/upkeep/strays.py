"""
Fragments that no layout names: put in quarantine, and removed after their grace.

They are left by work that was broken off, and by nodes that were away while their fragments
were made anew elsewhere.  An upload under way looks the same, which is what the grace is
for.  Before one is removed everything is looked at again; and while the catalog may know
less than the disks do (it was imported, or rebuilt) nothing is removed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from godos.cluster.members import IMembers
from godos.deferreds import within
from godos.model.blobs import Blob, BlobState, Placed
from godos.model.catalog import ICatalog
from godos.model.errors import GodosError
from godos.model.members import Cluster
from godos.model.names import FragmentName
from godos.model.upkeep import Stray
from godos.objects.upkeep.confirming import Look, SecondLook
from godos.objects.upkeep.merging import Sight
from godos.protocol.upkeep import judge

GRACE = 24 * 3600.0  # seconds in quarantine
PAGE = 200  # strays looked at together
PATIENCE = 30.0  # seconds for a node to remove one


class Why(StrEnum):
    """What makes a fragment a stray."""

    NO_BLOB = "no blob"  # the catalog has no row of its blob
    CONDEMNED = "condemned"  # its blob is being removed, and would forget this one
    UNNAMED = "not in the layout"  # its blob has all that it needs elsewhere


def astray(look: Look, registered: Collection[str]) -> list[tuple[Placed, Why]]:
    """The fragments of one blob that are on disks and that nothing needs."""
    row = look.row
    held = [Placed(index, node) for node, shelf in look.held.items() for index in shelf]
    if row is None:
        return [(placed, Why.NO_BLOB) for placed in held]
    if row.state is BlobState.CONDEMNED:
        return [(placed, Why.CONDEMNED) for placed in held if placed not in row.layout]
    verdict = judge(row, look.held, look.answered, registered)
    return [(placed, Why.UNNAMED) for placed in verdict.surplus]


@define
class Swept:
    """What a round through the quarantine did: fragments."""

    waiting: int = 0  # for the end of their grace, or for their node
    removed: int = 0
    cleared: int = 0  # are needed after all, or are gone


@frozen
class _Round:
    cluster: Cluster
    registered: frozenset[str]
    answered: frozenset[str]
    silent: set[str] = field(factory=set)  # nodes that removed nothing: not asked again


class Quarantine:
    """
    Args:
        grace: seconds between the census that first saw a stray and its removal.
    """

    _log = Logger()

    def __init__(
        self,
        catalog: ICatalog,
        members: IMembers,
        clock: IReactorTime,
        grace: float = GRACE,
        patience: float = PATIENCE,
    ) -> None:
        self._catalog = catalog
        self._members = members
        self._clock = clock
        self._grace = grace
        self._patience = patience
        self._look = SecondLook(catalog, members, clock)

    async def put(self, incarnation: str, placed: Placed, why: Why) -> None:
        """A census saw this stray."""
        name = str(FragmentName(incarnation, placed.index))
        await self._catalog.put_stray(Stray(placed.node, name, why, self._clock.seconds()))

    async def sweep(self, registered: Collection[str], answered: Collection[str]) -> Swept:
        """
        Look at all that is in quarantine on the nodes that answered a census.

        What is needed after all comes out of it; what is not, and has been there for
        longer than the grace, is removed.  Fails as the catalog does.
        """
        around = _Round(await self._catalog.cluster(), frozenset(registered), frozenset(answered))
        swept = Swept()
        for node in sorted(answered):
            after = ""
            while strays := await self._catalog.strays(node, after, PAGE):
                after = strays[-1].name
                await self._settle(strays, around, swept)
        return swept

    async def _settle(self, strays: Sequence[Stray], around: _Round, swept: Swept) -> None:
        names = {stray: FragmentName.parse(stray.name) for stray in strays}
        sights = [Sight(one, None, {}) for one in {name.incarnation for name in names.values()}]
        looks = {look.incarnation: look for look in await self._look.at(sights, around.answered)}
        for stray, name in names.items():
            look = looks[name.incarnation]
            placed = Placed(name.index, stray.node)
            if stray.node not in look.answered or not look.settled:
                swept.waiting += 1
            elif placed not in (each for each, _ in astray(look, around.registered)):
                await self._catalog.remove_stray(stray)
                swept.cleared += 1
            elif await self._went(stray, name, look, around):
                swept.removed += 1
            else:
                swept.waiting += 1

    async def _went(self, stray: Stray, name: FragmentName, look: Look, around: _Round) -> bool:
        """
        Remove a stray whose time has come; tells whether it is gone.

        Many are looked at together, and their removal takes a while, in which somebody may have
        found a use for one: so its blob's row is to be the same still.
        """
        if stray.node in around.silent or not self._may_go(stray, look, around):
            return False
        if await self._catalog.blob(name.incarnation) != look.row:
            return False
        if await self._removed(stray, name):
            return True
        around.silent.add(stray.node)
        return False

    def _may_go(self, stray: Stray, look: Look, around: _Round) -> bool:
        """
        Whether its time has come, and nothing is lost by it.

        What is left of a blob that is not whole otherwise stays, whatever it may be good for.
        """
        if around.cluster.epoch > around.cluster.confirmed:
            return False
        if self._clock.seconds() - stray.since < self._grace:
            return False
        return look.row is None or look.row.state is BlobState.CONDEMNED or _whole(look, around)

    async def _removed(self, stray: Stray, name: FragmentName) -> bool:
        store = self._members.fragments(stray.node)
        if store is None:
            return False
        try:
            await within(self._patience, store.remove(name), self._clock)
        except CancelledError:
            raise
        except (GodosError, TimeoutError) as error:
            self._log.warn(
                "stray fragment {name} stays on node {node} for now: {error}",
                name=stray.name,
                node=stray.node,
                error=error,
            )
            return False
        self._log.info(
            "stray fragment {name} was removed from node {node}: {why}",
            name=stray.name,
            node=stray.node,
            why=stray.reason,
        )
        await self._catalog.remove_stray(stray)
        await self._regret(Placed(name.index, stray.node), name.incarnation)
        return True

    async def _regret(self, placed: Placed, incarnation: str) -> None:
        """Somebody may have named it at that very moment: then it is to be made anew."""
        row: Blob | None = await self._catalog.blob(incarnation)
        if row is not None and placed in row.layout and row.state is BlobState.LIVE:
            await self._catalog.want_repair(incarnation, f"removed from node {placed.node}")


def _whole(look: Look, around: _Round) -> bool:
    assert look.row is not None
    return not judge(look.row, look.held, look.answered, around.registered).below_target
