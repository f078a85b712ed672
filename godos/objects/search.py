"""
Who may be asked for the fragments of a blob: the layout first, then whoever says it has them.

A "no" from a node only moves the search on; that nobody has the bytes is `BytesNotFound`,
never a missing object.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import frozen
from twisted.internet.defer import TimeoutError
from twisted.logger import Logger
from twisted.python.failure import Failure

from godos.model.blobs import Blob, Placed
from godos.model.errors import (
    FragmentDamaged,
    GodosError,
    NodeFailed,
    NodeUnreachable,
    NoSuchFragment,
    WrongNode,
)
from godos.objects.beyond import Beyond
from godos.objects.lanes import Lane
from godos.objects.layouts import Correction
from godos.objects.reach import Reach
from godos.objects.suspicion import Suspicion
from godos.objects.troubles import Troubles

GOOD, SHUNNED, DEAD = range(3)  # how gladly a node is asked

_AWAY = (NodeUnreachable, NodeFailed, WrongNode, TimeoutError)


class Converted(Exception):
    """
    The blob has fragments of another generation now: `blob` is its new row.

    Never leaves `BlobRead`.
    """

    def __init__(self, blob: Blob) -> None:
        super().__init__("the blob was converted meanwhile")
        self.blob = blob


@frozen
class _Refusal:
    """
    Why a place did not do: at which byte of the blob, what was asked there, and up to which
    byte of the fragment.
    """

    error: Exception
    position: int
    store: Any
    stop: int

    @property
    def lacks(self) -> bool:
        """Whether its node says that it does not have the fragment."""
        return isinstance(self.error, NoSuchFragment)


class Search:
    """The places of one blob's fragments, as one read learns about them."""

    _log = Logger()

    def __init__(self, reach: Reach, blob: Blob) -> None:
        self.blob = blob
        self._reach = reach
        self._failed: dict[Placed, _Refusal] = {}
        self._again: set[tuple[Placed, int]] = set()  # broke off there, and may be asked once more
        self._elsewhere: list[Placed] = []  # what was found outside the layout
        self._written: set[Placed] = set()  # of these, what is being written down
        self._suspicion: Suspicion | None = None
        self._excluded: frozenset[Placed] = frozenset()
        self._troubles = Troubles()
        self._correction: Correction | None = None
        self._stage = 0
        self._looked_at = -1  # the byte for which was looked beyond the layout

    # -- who may be asked -----------------------------------------------------------------------
    def places(self) -> list[tuple[int, Placed]]:
        """
        Who may be asked, the best first, each with how gladly.

        The layout's order spreads the load; of a code, data shards come first.
        """
        fit = self._fit()
        coded = self.blob.policy.coded
        ranked = [(self._rank(placed), placed) for placed in fit]
        ranked.sort(key=lambda one: (one[0], one[1].shard if coded else 0))
        return ranked

    def first(self) -> Placed | None:
        """The place of the layout that is asked when nothing is known yet, and all is well."""
        layout = self.blob.layout
        if self._failed or self._elsewhere or self._excluded or not layout:
            return None
        return layout[0] if len(layout) == 1 or self._rank(layout[0]) == GOOD else None

    def _known(self) -> list[Placed]:
        return list(dict.fromkeys((*self.blob.layout, *self._elsewhere)))

    def _fit(self) -> list[Placed]:
        return [
            placed
            for placed in self._known()
            if placed not in self._failed and placed not in self._excluded
        ]

    def _rank(self, placed: Placed) -> int:
        if not self._reach.members.alive(placed.node):
            return DEAD
        return SHUNNED if self._reach.hedging.shuns(placed.node) else GOOD

    # -- what answers teach -----------------------------------------------------------------------
    def gave(self, lane: Lane) -> None:
        """Its first bytes came: if that was elsewhere, what was found is written down."""
        if not self._elsewhere or lane.placed in self.blob.layout:
            return
        self._correction = self._correction or Correction(self._reach)
        known = (*self.blob.layout, *self._written)
        fresh = [placed for placed in dict.fromkeys(self._elsewhere) if placed not in known]
        if fresh:
            self._written.update(fresh)
            self._correction.found(self.blob, fresh)

    def failed(self, lane: Lane, error: Exception, position: int) -> None:
        """Remember why a place did not do, and let the cluster learn from it."""
        placed = lane.placed
        broke_off = isinstance(error, NodeUnreachable) and lane.began
        if broke_off and (placed, position) not in self._again:
            # It is gone, or met damage after its answer had begun: asked again it tells which.
            self._again.add((placed, position))
            return
        if not isinstance(error, GodosError | TimeoutError):  # a bug; the others may do without
            self._log.failure("node {node} failed", Failure(error), node=placed.node)
        self._failed[placed] = _Refusal(error, position, lane.store, lane.stop)
        self._trouble(placed, str(error) or type(error).__name__)
        if isinstance(error, _AWAY) and lane.store is not None:
            self._reach.members.suspect(placed.node)
        if placed in self._elsewhere:
            self._reach.locator.forget(self.blob.incarnation)
        self._report([placed], error)

    def refuse(self, used: frozenset[Placed], error: GodosError) -> None:
        """
        What these places gave together turned out to be wrong.

        The same places are not asked together again: see `Suspicion`.

        Raises:
            BytesNotFound: too much was wrong.
        """
        nodes = " and ".join(sorted(placed.node for placed in used))
        self._troubles.add(f"{nodes}: {error}")
        self._log.warn(
            "the bytes of blob {incarnation} are not right by what {nodes} gave: {why}",
            incarnation=self.blob.incarnation,
            nodes=nodes,
            why=str(error),
        )
        self._report(used, error)
        self._stage, self._looked_at = 0, -1
        self._suspicion = self._suspicion or Suspicion()
        guess = self._suspicion.refused(used, self._known(), self._failed, self.blob.policy.data)
        if guess is None:
            raise self._troubles.not_found()
        self._excluded = guess

    def _report(self, places: Iterable[Placed], error: Exception) -> None:
        if isinstance(error, FragmentDamaged | NoSuchFragment):
            for placed in places:
                reason = f"{type(error).__name__} on node {placed.node}"
                self._reach.reports.trouble(self.blob, placed, reason)

    def _trouble(self, placed: Placed, why: str) -> None:
        self._troubles.add(f"{placed.node}: {why}")
        self._log.warn(
            "fragment {incarnation}.{index} could not be read from node {node}: {why}",
            incarnation=self.blob.incarnation,
            index=placed.index,
            node=placed.node,
            why=why,
        )

    # -- beyond the layout ------------------------------------------------------------------------
    async def further(self, position: int) -> None:
        """
        Those who may be asked do not suffice: look for more of them.

        First at the catalog, where members may have moved and the blob's row may be newer,
        then by asking all nodes.

        Raises:
            Converted: the blob has other fragments now.
            BytesNotFound: there is nobody more; says what each answered.
        """
        if position > self._looked_at:
            self._stage, self._looked_at = 0, position
        stage, self._stage = self._stage, self._stage + 1
        beyond = Beyond(self._reach, self._troubles)
        if stage == 0:
            await beyond.members()
            await self._newer(beyond)
            self._forgive(position)
        elif stage == 1:
            lacking = {placed for placed, one in self._failed.items() if one.lacks}
            self._elsewhere += await beyond.holders(self.blob, lacking)
        elif stage > 2 or not await self._newer(beyond):
            raise self._troubles.not_found()

    async def _newer(self, beyond: Beyond) -> bool:
        """Read the blob's row anew; tells whether its layout is another."""
        newer = await beyond.row(self.blob)
        if newer is None or newer.layout == self.blob.layout:
            return False
        if (newer.policy, newer.generation) != (self.blob.policy, self.blob.generation):
            raise Converted(newer)
        self.blob = newer
        return True

    def _forgive(self, position: int) -> None:
        """
        Let those be asked again who may do better by now: who has moved, and who failed at
        another byte.
        """
        for placed, refusal in list(self._failed.items()):
            moved = self._reach.members.fragments(placed.node) is not refusal.store
            away = isinstance(refusal.error, _AWAY) and moved
            passed = position > refusal.position
            if away or (passed and not refusal.lacks):
                del self._failed[placed]

    def forgive_damage(self, stop: int) -> bool:
        """
        Let those be asked again who were asked for more than up to byte `stop` of their
        fragment, and found damage, maybe behind it; tells whether there are any.
        """
        damaged = [
            placed
            for placed, refusal in self._failed.items()
            if isinstance(refusal.error, FragmentDamaged) and refusal.stop > stop
        ]
        for placed in damaged:
            del self._failed[placed]
        return bool(damaged)
