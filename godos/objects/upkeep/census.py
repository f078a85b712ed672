"""
When a census is taken: every few hours, after members changed, and after repairs are done.

By whoever holds the lease; two at once do no harm, for each action compares and sets, and
the one that started later is kept.
"""

from __future__ import annotations

from collections.abc import Collection

from attrs import define, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from godos.cluster.members import IMembers
from godos.cluster.periodic import Periodic
from godos.deferreds import InThread, deferred
from godos.model.catalog import ICatalog
from godos.model.errors import Unavailable
from godos.model.members import Node, NodeState
from godos.model.upkeep import Census
from godos.objects.upkeep.counting import PAUSE, Counting, Sums
from godos.objects.upkeep.merging import PAGE
from godos.objects.upkeep.strays import GRACE, Quarantine, Swept
from godos.protocol.upkeep import DAY, members_mark

LEASE = "census"
EVERY = 6 * 3600.0  # seconds between two
TURN = 10.0  # seconds between two looks whether one is due
SETTLE = 30.0  # seconds for which members must not have changed
AGAIN = 300.0  # seconds until nodes are asked again that beat and did not tell what they have
REPAIR_AFTER = 600.0  # seconds of silence after which a node's fragments are to be made anew
VERIFY_WITHIN = 30 * DAY  # seconds


class LeaseLost(Unavailable):
    """Another server takes the census now."""


@frozen
class Seen:
    """
    The members as they look from here: when this changes and stays so, a census is due.

    `gone` are those that are silent for longer than a repair waits.
    """

    mark: str
    silent: frozenset[str]
    gone: frozenset[str]


def seen(members: IMembers, repair_after: float) -> Seen:
    """How the members look now.  A failed disk tells nothing, whether its server beats or not."""
    nodes = members.registered()
    live = {node.id for node in members.live()}
    silent = frozenset(node.id for node in nodes if node.id not in live or _failed(node))
    gone = frozenset(
        node.id
        for node in nodes
        if _failed(node) or (node.id in silent and members.silence(node.id) > repair_after)
    )
    return Seen(members_mark(nodes, silent), silent, gone)


def _failed(node: Node) -> bool:
    return node.state is NodeState.FAILED


@define
class _Watch:
    """What makes the next census due."""

    counted: Seen | None = None  # the members of the last one that we began
    changed: Seen | None = None  # what they look like since `since`
    since: float = 0.0
    woken: bool = False
    again: float | None = None  # when to take one although nothing changed
    repairs: bool = False  # some were waiting


class CensusTaker(Periodic):
    """
    Looks every `turn` seconds whether a census is due and ours to take, and takes it.

    `sums` are those of the one under way, None between two; `taken` counts them, `last` is
    the last that this server took, and `swept` what was done to strays after it.

    Args:
        in_thread: where the temporary file is written and read.
        every: seconds between two when nothing happens.
        settle: seconds for which members must look the same before one is taken of them.
        repair_after: seconds of a node's silence until its fragments are to be made anew.
        verify_within: seconds after which what was not read back is unverified.
        stray_grace: seconds in quarantine.
        folder: for the temporary file; None for the system's.
    """

    _log = Logger()

    def __init__(
        self,
        catalog: ICatalog,
        members: IMembers,
        clock: IReactorTime,
        in_thread: InThread,
        holder: str,
        every: float = EVERY,
        turn: float = TURN,
        settle: float = SETTLE,
        again: float = AGAIN,
        repair_after: float = REPAIR_AFTER,
        verify_within: float = VERIFY_WITHIN,
        stray_grace: float = GRACE,
        folder: str | None = None,
        pause: float = PAUSE,
        page: int = PAGE,
    ) -> None:
        turn = min(turn, every)
        super().__init__("taking the census", self.round, turn, clock)
        self._catalog = catalog
        self._members = members
        self._clock = clock
        self._in_thread = in_thread
        self._holder = holder
        self._census_every = every
        self._turn_every = turn
        self._settle = min(settle, every)
        self._asked_again = min(again, every)
        self._repair_after = repair_after
        self._verify_within = verify_within
        self._folder = folder
        self._pause = pause
        self._page = page
        self._quarantine = Quarantine(catalog, members, clock, stray_grace)
        self._watch = _Watch()
        self._patience = max(120.0, 3 * turn)  # of the lease
        self._leased = 0.0
        self._wanted = 0  # repairs that the last census asked for
        self.sums: Sums | None = None
        self.taken = 0
        self.last: Census | None = None
        self.swept = Swept()

    @property
    def longest(self) -> float:
        """Seconds after which the last census is so old that something must be wrong."""
        return max(DAY, 3 * self._census_every)

    def wake(self) -> None:
        """Take one with the next turn."""
        self._watch.woken = True

    @deferred
    async def round(self) -> None:
        """Take a census if it is time and ours to do.  Fails as the catalog does."""
        if not await self._is_ours():
            self._watch = _Watch(woken=self._watch.woken)
            return
        if await self._is_due():
            await self.take()

    async def _is_ours(self) -> bool:
        self._leased = self._clock.seconds()
        return await self._catalog.try_lease(LEASE, self._holder, self._patience)

    # -- when ----------------------------------------------------------------------------------
    async def _is_due(self) -> bool:
        watch, now = self._watch, self._clock.seconds()
        members = seen(self._members, self._repair_after)
        if members != watch.changed:
            watch.changed, watch.since = members, now
        if watch.woken:
            return True
        if now - watch.since < self._settle:
            return False
        census = await self._catalog.census()
        if census is None or abs(now - census.started) >= self._census_every:
            return True  # one of the future is of a clock that was wrong
        if watch.again is not None and now >= watch.again:
            return True
        if watch.counted is None:  # the lease is new: another may have counted just before
            if census.members != members.mark:
                return True
            watch.counted = members
        return watch.counted != members or await self._repaired(census)

    async def _repaired(self, census: Census) -> bool:
        """Whether nothing waits for repair any more, and something did."""
        if census.below_target or self._watch.repairs:
            self._watch.repairs = bool(await self._catalog.repairs(1))
            return not self._watch.repairs and self._is_new(census)
        return False

    def _is_new(self, census: Census) -> bool:
        """
        Whether counting again may tell something else than the last time.

        What no repair was asked for, such as what is on nodes that are away for a moment,
        needs no look every few seconds.
        """
        return self._clock.seconds() - census.finished >= self._settle and bool(
            self.last is None or self._wanted
        )

    # -- a census --------------------------------------------------------------------------------
    @deferred
    async def take(self, forced: bool = False) -> Census:
        """
        Take one now.

        Args:
            forced: whoever holds the lease.

        Fails: LeaseLost; as the catalog does.
        """
        members = seen(self._members, self._repair_after)
        self._watch.woken, self._watch.counted = False, members
        started = self._clock.seconds()
        cluster = await self._catalog.cluster()
        nodes = self._members.registered()
        registered = frozenset(node.id for node in nodes)
        counting = Counting(
            self._catalog,
            self._members,
            self._clock,
            self._in_thread,
            self._quarantine,
            registered,
            members.gone,
            started - self._verify_within,
            _go_on if forced else self._keep,
            self._folder,
            self._pause,
            self._page,
        )
        self.sums = counting.sums
        try:
            sums = await counting.count()
            self.swept = await self._quarantine.sweep(registered, registered - set(sums.silent))
        finally:
            self.sums = None
        census = self._census(started, cluster.epoch, nodes, sums)
        await self._catalog.put_census(census)
        self._noted(census, sums, members)
        return census

    def _census(self, started: float, epoch: int, nodes: Collection[Node], sums: Sums) -> Census:
        return Census(
            started=started,
            finished=self._clock.seconds(),
            members=members_mark(nodes, sums.silent),
            epoch=epoch,
            blobs=sums.blobs,
            bytes=sums.bytes,
            fragments=sums.fragments,
            below_target=sums.below_target,
            lost=sums.lost,
            unverified=sums.unverified,
            verify_days=self._verify_within / DAY,
            strays=sums.strays,
            silent=sums.silent,
            unreachable=sums.unreachable,
        )

    def _noted(self, census: Census, sums: Sums, members: Seen) -> None:
        self.last, self._wanted = census, sums.wanted
        self.taken += 1
        self._watch.repairs = bool(sums.wanted)
        unexpected = set(census.silent) != members.silent
        self._watch.again = self._clock.seconds() + self._asked_again if unexpected else None
        self._log.info(
            "census: {blobs} blobs, {below} below target, {lost} lost, {unreachable} "
            "unreachable, {strays} stray fragments, {silent} nodes silent",
            blobs=census.blobs,
            below=census.below_target,
            lost=census.lost,
            unreachable=census.unreachable,
            strays=census.strays,
            silent=len(census.silent),
        )

    async def _keep(self) -> None:
        """Renew the lease now and then, as long as it is ours."""
        if self._clock.seconds() - self._leased < self._patience / 4:
            return
        if not await self._is_ours():
            raise LeaseLost("another server takes the census now")


async def _go_on() -> None:
    """Nothing ends it."""
