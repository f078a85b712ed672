"""
All blob rows and the inventories of all nodes, side by side: sorted streams, merged.

Every source is read page by page, and a batch is what all of them are known to have up to a
horizon: the name up to which the slowest has told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from godos.cluster.members import IMembers
from godos.cluster.together import together
from godos.deferreds import InThread, deferred, within
from godos.model.blobs import Blob, Held
from godos.model.errors import GodosError
from godos.model.names import FragmentName
from godos.objects.upkeep.tally import Tally
from godos.protocol.upkeep import Shelf

PAGE = 250  # rows, or fragments of a node, read at a time: some 10 ms of work
PATIENCE = 60.0  # seconds for a node to give its next page
TRIES = 3  # until a node that gives no page is left out
PAUSE = 1.0  # seconds between two tries

T = TypeVar("T")
Read = TypeVar("Read", covariant=True)


@frozen
class Sight:
    """
    One blob as a census sees it.

    `row` is as the catalog had it when the census began, None when it had none.  `held` is
    what each node has of it.
    """

    incarnation: str
    row: Blob | None
    held: Mapping[str, Shelf]


@frozen
class Batch:
    """Sights in order; `answered` are the nodes whose disks were looked at for all of them."""

    sights: Sequence[Sight]
    answered: frozenset[str]


class _Source(Protocol[Read]):
    """A sorted list that is read page by page."""

    async def next(self) -> Sequence[tuple[str, Read]]:
        """The next entries with their incarnations; () after the last."""


@define(eq=False)
class _Stream(Generic[T]):
    """What was read of a source and not used yet."""

    source: _Source[T]
    over: bool = False
    ahead: list[tuple[str, T]] = field(factory=list)

    @deferred
    async def more(self) -> None:
        """Read one page."""
        page = await self.source.next()
        self.over = not page
        self.ahead += page

    @property
    def told(self) -> str | None:
        """It may have more of this incarnation and of later ones; None when it has no more."""
        return None if self.over else self.ahead[-1][0]

    def until(self, horizon: str | None) -> list[tuple[str, T]]:
        """Take what is before the horizon."""
        end = len(self.ahead)
        while horizon is not None and end and self.ahead[end - 1][0] >= horizon:
            end -= 1
        taken, self.ahead = self.ahead[:end], self.ahead[end:]
        return taken


class _Rows:
    """The rows of a tally."""

    def __init__(self, tally: Tally, in_thread: InThread, limit: int) -> None:
        self._tally, self._in_thread, self._limit = tally, in_thread, limit
        self._after = ""

    async def next(self) -> Sequence[tuple[str, Blob]]:
        rows = await self._in_thread(self._tally.page, self._after, self._limit)
        if rows:
            self._after = rows[-1].incarnation
        return [(row.incarnation, row) for row in rows]


class Shelves:
    """
    The inventory of a node.

    `silent`: it did not answer, and counts as a node that does not from there on.
    """

    _log = Logger()

    def __init__(self, node: str, members: IMembers, clock: IReactorTime, limit: int) -> None:
        self.node = node
        self.silent = False
        self._members, self._clock, self._limit = members, clock, limit
        self._after: FragmentName | None = None

    async def next(self) -> Sequence[tuple[str, Held]]:
        """The next fragments; () also when the node falls silent."""
        for attempt in range(TRIES if self._lives() else 1):
            if attempt:
                await deferLater(self._clock, PAUSE)
            try:
                page = await self._page()
            except CancelledError:
                raise
            except (GodosError, TimeoutError) as error:
                why = error
            else:
                if page:
                    self._after = page[-1].name
                return [(held.name.incarnation, held) for held in page]
        self.silent = True
        self._log.warn("node {node} is not counted: {why}", node=self.node, why=str(why))
        return ()

    def _lives(self) -> bool:
        return any(node.id == self.node for node in self._members.live())

    async def _page(self) -> Sequence[Held]:
        store = self._members.fragments(self.node)
        if store is None:
            raise GodosError("it left")
        asked = store.inventory(self._after, self._limit)
        page: Sequence[Held] = await within(PATIENCE, asked, self._clock)
        return page


class Merge:
    """
    Rows and inventories, merged.

    Args:
        nodes: whose inventories are read.
    """

    def __init__(
        self,
        tally: Tally,
        in_thread: InThread,
        members: IMembers,
        clock: IReactorTime,
        nodes: Sequence[str],
        limit: int = PAGE,
    ) -> None:
        self._rows: _Stream[Blob] = _Stream(_Rows(tally, in_thread, limit))
        self._shelves = [Shelves(node, members, clock, limit) for node in nodes]
        self._held: list[_Stream[Held]] = [_Stream(shelves) for shelves in self._shelves]

    @property
    def answered(self) -> frozenset[str]:
        """The nodes that have not fallen silent."""
        return frozenset(shelves.node for shelves in self._shelves if not shelves.silent)

    async def next(self) -> Batch | None:
        """The next sights; None after the last.  Fails only as the tally does."""
        streams: list[_Stream[Blob] | _Stream[Held]] = [self._rows, *self._held]
        await together(each.more() for each in streams if not (each.ahead or each.over))
        while any(each.ahead for each in streams):
            horizon = min(
                (told for each in streams if (told := each.told) is not None), default=None
            )
            sights = self._sights(horizon)
            if sights:
                return Batch(sights, self.answered)
            # one page was not enough for all that a source has of one incarnation
            await together(each.more() for each in streams if each.told == horizon)
        return None

    def _sights(self, horizon: str | None) -> list[Sight]:
        rows = dict(self._rows.until(horizon))
        held: dict[str, dict[str, dict[int, float]]] = {name: {} for name in rows}
        for shelves, stream in zip(self._shelves, self._held, strict=True):
            for incarnation, one in stream.until(horizon):
                nodes = held.setdefault(incarnation, {})
                nodes.setdefault(shelves.node, {})[one.name.index] = one.verified
        return [Sight(name, rows.get(name), held[name]) for name in sorted(held)]
