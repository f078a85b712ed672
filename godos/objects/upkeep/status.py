"""
How the store is, in one document: what `GET /-/status`, `godos status` and metrics tell.

Everything comes from the catalog and from the members, so that every server tells the same;
only how fast repairs go is known best by the one that does them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from attrs import asdict, define, field, frozen
from twisted.internet.defer import CancelledError, TimeoutError
from twisted.internet.interfaces import IReactorTime

from godos.cluster.members import IMembers
from godos.deferreds import deferred, within
from godos.model.catalog import ICatalog, RepairWork
from godos.model.errors import GodosError
from godos.model.members import Node, NodeState
from godos.model.upkeep import Census, Job, JobState
from godos.objects.upkeep.census import EVERY, CensusTaker
from godos.objects.upkeep.progress import Progress
from godos.protocol.upkeep import DAY, Assessment, Facts, assess

FRESH = 5.0  # seconds for which an answer is given again
EXAMPLES = 10  # repairs that are shown
JOBS = 10  # ended jobs that are shown
WINDOW = 600.0  # seconds over which it is seen how fast the repairs get fewer
ASK = 2.0  # seconds for a node to say whether it is empty
SLACK = 120.0  # seconds that a disk may be replaced before its silence was noticed


class IProgress(Protocol):
    """How far the repairer of this server is."""

    progress: Progress


@define
class Trend:
    """How fast a number gets less, as seen from here."""

    seen: deque[tuple[float, int]] = field(factory=deque)

    def saw(self, now: float, number: int) -> None:
        """It was so many at that time."""
        if self.seen and number > self.seen[-1][1]:
            self.seen.clear()  # more came: what was seen before tells nothing of the end
        self.seen.append((now, number))
        while self.seen[0][0] < now - WINDOW:
            self.seen.popleft()

    def seconds_left(self) -> float | None:
        """Until it is nothing; None when it does not get less."""
        (first, more), (last, less) = self.seen[0], self.seen[-1]
        if not less:
            return 0.0
        return less * (last - first) / (more - less) if more > less else None


@frozen
class Gauges:
    """What metrics show of the store's health; `census` is None before there was one."""

    census: Census | None
    health: Assessment
    waiting: int
    progress: Progress
    rate: float
    nodes: Mapping[str, int]  # up, draining, failed, silent -> how many
    oldest_verified: float  # of all nodes, in seconds since the epoch; 0.0: not known
    taken: int  # censuses, by this server
    removed: int  # stray fragments, after the last census of this server


@frozen
class _Seen:
    """All that was read at one time."""

    facts: Facts
    repairs: Sequence[RepairWork]
    jobs: Sequence[Job]
    at: float


class StatusReporter:
    """
    Args:
        repairer: has the `progress` of this server's repairs; None where there is none.
        taker: takes the census on this server, perhaps; likewise.
    """

    def __init__(
        self,
        catalog: ICatalog,
        members: IMembers,
        clock: IReactorTime,
        repairer: Callable[[], IProgress | None] = lambda: None,
        taker: Callable[[], CensusTaker | None] = lambda: None,
    ) -> None:
        self._catalog = catalog
        self._members = members
        self._clock = clock
        self._repairer = repairer
        self._taker = taker
        self._last: _Seen | None = None
        self._trend = Trend()

    @deferred
    async def document(self) -> Mapping[str, Any]:
        """The status, JSON-able; see docs/health.rst.  Fails as the catalog does."""
        seen = await self._see()
        facts, assessment = seen.facts, assess(seen.facts)
        taker, now = self._taker(), self._clock.seconds()
        sums = None if taker is None else taker.sums
        return {
            "health": assessment.health.value,
            "reasons": list(assessment.reasons),
            "advice": await self._advice(facts),
            "time": now,
            "cluster": {
                "id": facts.cluster.id,
                "policy": facts.cluster.policy,
                "epoch": facts.cluster.epoch,
                "confirmed": facts.cluster.confirmed,
            },
            "nodes": [self._node(node, facts) for node in facts.nodes],
            "census": None if facts.census is None else asdict(facts.census),
            "counting": None if sums is None else {"looked": sums.rows, "of": sums.expected},
            "repairs": self._repairs(seen),
            "jobs": [_job(job) for job in _shown(seen.jobs)],
        }

    @deferred
    async def gauges(self) -> Gauges:
        """What metrics show.  Fails as the catalog does."""
        facts = (await self._see()).facts
        progress, taker = self._progress(), self._taker()
        nodes = dict.fromkeys((*(state.value for state in NodeState), "silent"), 0)
        for node in facts.nodes:
            silent = node.state is not NodeState.FAILED and node.id in facts.silent
            nodes["silent" if silent else node.state.value] += 1
        return Gauges(
            facts.census,
            assess(facts),
            facts.waiting,
            progress,
            progress.rate(self._clock.seconds()),
            nodes,
            min((node.verified_since for node in facts.nodes), default=0.0),
            0 if taker is None else taker.taken,
            0 if taker is None else taker.swept.removed,
        )

    # -- reading --------------------------------------------------------------------------------
    async def _see(self) -> _Seen:
        """What stands in the catalog; read again only after a few seconds."""
        now = self._clock.seconds()
        if self._last is not None and now - self._last.at < FRESH:
            return self._last
        nodes = self._members.registered()
        live = {node.id for node in self._members.live()}
        census = await self._catalog.census()
        facts = Facts(
            cluster=await self._catalog.cluster(),
            nodes=nodes,
            silent=_silent(nodes, live),
            census=census,
            waiting=await self._catalog.waiting_repairs(),
            overdue=census is not None and abs(now - census.finished) > self._longest(),
        )
        repairs = await self._catalog.repairs(EXAMPLES)
        self._last = _Seen(facts, repairs, await self._catalog.jobs(), now)
        self._trend.saw(now, facts.waiting)
        return self._last

    def _longest(self) -> float:
        """Seconds after which a census is overdue."""
        taker = self._taker()
        return max(DAY, 3 * EVERY) if taker is None else taker.longest

    def _progress(self) -> Progress:
        repairer = self._repairer()
        return Progress() if repairer is None else repairer.progress

    # -- the parts of the document --------------------------------------------------------------
    def _node(self, node: Node, facts: Facts) -> Mapping[str, Any]:
        return {
            "id": node.id,
            "address": node.address,
            "zone": node.zone,
            "state": node.state.value,
            "reason": node.reason,
            "answers": node.id not in facts.silent,
            "silence": round(self._members.silence(node.id), 1),
            "capacity": node.capacity,
            "free": node.free,
            "verified_since": node.verified_since,
            "joined": node.joined,
        }

    def _repairs(self, seen: _Seen) -> Mapping[str, Any]:
        progress, now = self._progress(), self._clock.seconds()
        eta = progress.eta(now) if progress.rate(now) else self._trend.seconds_left()
        return {
            "waiting": seen.facts.waiting,
            "mended": progress.mended,
            "failed": progress.failed,
            "bytes": progress.bytes,
            "rate": round(progress.rate(now), 1),
            "eta": eta if seen.facts.waiting else 0.0,
            "trouble": progress.trouble,
            "examples": [
                {"blob": work.incarnation, "since": work.since, "reason": work.reason}
                for work in seen.repairs
            ],
        }

    # -- advice ---------------------------------------------------------------------------------
    async def _advice(self, facts: Facts) -> list[str]:
        """What an operator may do about it, as commands."""
        advice = []
        for node in facts.nodes:
            if node.id not in facts.silent:
                continue
            new = await self._successor(node, facts)
            if new is not None:
                advice.append(
                    f"node {node.id} is gone, and there is a new disk at its address: "
                    f"godos node replace {node.id} {new.id}"
                )
            elif node.state is NodeState.FAILED:
                advice.append(
                    f"look at the disk of node {node.id} with `godos disk check`, or give it up: "
                    f"godos node remove {node.id}"
                )
        cluster = facts.cluster
        if cluster.epoch > cluster.confirmed:
            advice.append(
                "when all objects that should be there are there: "
                f"godos gc --confirm-epoch {cluster.epoch}"
            )
        return advice

    async def _successor(self, old: Node, facts: Facts) -> Node | None:
        """
        The node that took the place of one that is gone.

        It is at the same address and came later.  So may another disk that was added to the
        same server; but that was before the other fell silent, and has something on it.
        """
        fell_silent = self._clock.seconds() - self._members.silence(old.id)
        later = [
            node
            for node in facts.nodes
            if node.address == old.address
            and node.id not in facts.silent
            and node.joined > old.joined
        ]
        for node in sorted(later, key=lambda node: -node.joined):
            if node.joined >= fell_silent - SLACK or await self._is_empty(node):
                return node
        return None

    async def _is_empty(self, node: Node) -> bool:
        store = self._members.fragments(node.id)
        try:
            return store is not None and not await within(
                ASK, store.inventory(None, 1), self._clock
            )
        except CancelledError:
            raise
        except (GodosError, TimeoutError):
            return False


def _silent(nodes: Sequence[Node], live: set[str]) -> frozenset[str]:
    """Those whose fragments cannot be read: also of failed disks, whose servers beat."""
    return frozenset(
        node.id for node in nodes if node.id not in live or node.state is NodeState.FAILED
    )


def _shown(jobs: Sequence[Job]) -> list[Job]:
    """Those that run, and the last ones that ended."""
    ended = [job for job in jobs if job.state is not JobState.RUNNING]
    ended = sorted(ended, key=lambda job: job.updated)[-JOBS:]
    return [job for job in jobs if job.state is JobState.RUNNING or job in ended]


def _job(job: Job) -> Mapping[str, Any]:
    shown = asdict(job)
    del shown["rev"]
    return {**shown, "kind": job.kind.value, "state": job.state.value}
