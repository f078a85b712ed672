"""
Bringing one blob to target: every shard good, on a node of its own, and in the layout.

The order of the steps is what keeps readers and crashes from harm.  New fragments are made
durable and read back; then the layout is corrected by compare-and-set; only then does what
left it go.  Whoever loses the comparison begins anew, and finds what it wrote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from attrs import frozen
from twisted.internet.defer import DeferredLock
from twisted.internet.interfaces import IReactorTime

from godos.cluster.members import IMembers
from godos.deferreds import Background, InThread, deferred
from godos.model.blobs import Blob, BlobState, Placed
from godos.model.catalog import ICatalog
from godos.model.policy import Policy
from godos.objects.sources import Sources
from godos.objects.upkeep.clearing import Clearing
from godos.objects.upkeep.converting import Converter
from godos.objects.upkeep.examining import REPAIR_AFTER, Examiner, Finding, State
from godos.objects.upkeep.filling import Effort, Filler
from godos.objects.upkeep.genuine import of_generation
from godos.objects.upkeep.pace import Pace
from godos.objects.upkeep.rebuilding import Goal, Rebuilder
from godos.objects.upkeep.seating import layout_of, missing_of, trouble_of

ATTEMPTS = 5  # how often work begins anew because others changed the row meanwhile
OVERTAKEN = "others keep changing the blob's row"


@frozen
class Mended:
    """
    What became of one blob.

    `blob` is its row as it stands, None when it is gone or being removed.  `fragments`
    were written, of `bytes` bytes.  `missing` are shards that have no good fragment, or one
    on a node that is silent since not long.  `trouble` says why it is not as it was asked
    for; empty when it is.
    """

    blob: Blob | None
    fragments: int = 0
    bytes: int = 0
    missing: tuple[int, ...] = ()
    trouble: str = ""


class Mender:
    """
    Args:
        in_thread: where bytes are hashed and coded.
        pace: bounds the bytes that are read.
        background: looks after uploads that are dropped.
        repair_after: seconds of silence after which a node's fragments are made anew.
    """

    def __init__(
        self,
        catalog: ICatalog,
        members: IMembers,
        sources: Sources,
        clock: IReactorTime,
        in_thread: InThread,
        pace: Pace,
        background: Background,
        repair_after: float = REPAIR_AFTER,
    ) -> None:
        self.repair_after = repair_after
        self._catalog = catalog
        self._sources = sources
        self._examiner = Examiner(catalog, members, clock, repair_after)
        rebuilder = Rebuilder(members, sources, clock, in_thread, pace, background)
        self._filler = Filler(members, self._examiner, rebuilder)
        self._converter = Converter(catalog, members, sources, clock, self._examiner, self._filler)
        self._clearing = Clearing(catalog, members, clock)
        self._locks: dict[str, DeferredLock] = {}  # of the blobs that are worked on

    @deferred
    async def mend(
        self,
        blob: Blob,
        avoid: frozenset[str] = frozenset(),
        prefer: Sequence[str] = (),
        thorough: bool | None = None,
    ) -> Mended:
        """
        Bring a blob to target, as far as there are nodes for it.

        Args:
            blob: which; its row is read anew.
            avoid: nodes that it has to leave.
            prefer: nodes that it had better go to.
            thorough: whether all its fragments are read back; else nodes are believed what
                they say they hold, and only what moves is read.  None: unless it leaves nodes.

        Fails: as the catalog does.  What cannot be done is said in the answer.
        """
        effort = Effort(avoid, tuple(prefer), not avoid if thorough is None else thorough)
        return await self._alone(blob, effort, lambda standing: self._mend(standing, effort))

    @deferred
    async def convert(self, blob: Blob, policy: Policy) -> Mended:
        """
        Store a blob under another policy, a small one under `policy.for_size`.

        Fails: as the catalog does.  What cannot be done is said in the answer, and then all
        is as it was.
        """
        effort = Effort()
        wanted = policy.for_size(blob.size)
        return await self._alone(
            blob, effort, lambda standing: self._convert(standing, wanted, effort)
        )

    # -- one at a time ------------------------------------------------------------------
    async def _alone(
        self, blob: Blob, effort: Effort, work: Callable[[Blob], Awaitable[Mended | None]]
    ) -> Mended:
        """Do `work` while nobody else of this process works on the blob."""
        lock = self._locks.setdefault(blob.incarnation, DeferredLock())
        try:
            async with lock:
                return await self._attempts(blob, effort, work)
        finally:
            if not lock.locked and self._locks.get(blob.incarnation) is lock:
                del self._locks[blob.incarnation]

    async def _attempts(
        self, blob: Blob, effort: Effort, work: Callable[[Blob], Awaitable[Mended | None]]
    ) -> Mended:
        """Do `work` with the row as it stands, again when others changed that meanwhile."""
        for _ in range(ATTEMPTS):
            standing: Blob | None = await self._catalog.blob(blob.incarnation)
            if standing is None or standing.state is not BlobState.LIVE:
                await self._clearing.unused(blob, effort.written)
                return _ended(None, effort)
            mended = await work(standing)
            if mended is not None:
                return mended
        return _ended(standing, effort, tuple(range(blob.policy.width)), OVERTAKEN)

    # -- mending --------------------------------------------------------------------------
    async def _mend(self, blob: Blob, effort: Effort) -> Mended | None:
        goal = Goal(blob, blob.policy, blob.generation)
        findings = await self._filler.fill(goal, await self._examined(blob, effort), effort)
        plan = effort.seating(blob, findings)
        corrected = await self._corrected(blob, layout_of(blob, plan, findings), effort)
        if corrected is None or not await self._entered(blob, corrected):
            return None
        await self._clearing.left(blob, corrected, findings)
        trouble = trouble_of(plan, findings, effort.troubles)
        return _ended(corrected, effort, missing_of(plan), trouble)

    async def _entered(self, before: Blob, now: Blob) -> bool:
        """
        Whether what is new in the layout is on its nodes still.

        It may have been in quarantine, and removed until the row said that it is needed.
        """
        entered = set(now.layout).difference(before.layout)
        findings = await self._examiner.ask(now, entered)
        return all(finding.state is not State.MISSING for finding in findings)

    async def _corrected(
        self, blob: Blob, layout: tuple[Placed, ...], effort: Effort
    ) -> Blob | None:
        """The row with this layout; None when others changed it meanwhile."""
        standing: Blob | None
        if set(layout) != set(blob.layout):
            standing = await self._catalog.correct_layout(blob, layout)
            self._sources.rows.forget(blob.incarnation)
            return standing
        if not effort.written and not effort.unreadable:
            return blob
        standing = await self._catalog.blob(blob.incarnation)  # it may be gone, or going
        return standing if standing is not None and standing.rev == blob.rev else None

    async def _examined(self, blob: Blob, effort: Effort) -> list[Finding]:
        """What there is of the blob: in its layout, written just now, and left by others."""
        ours = [at for at in effort.written if of_generation(at.index, blob.generation)]
        places = [*blob.layout, *ours]
        if effort.thorough:
            findings = await self._examiner.read_back(blob, places)
        else:
            findings = await self._examiner.ask(blob, places)
            findings = await self._doubles_read(blob, findings)
        plan = effort.seating(blob, findings)
        shards = {want.shard for want in plan.wants if want.source is None}
        if not shards:
            return findings
        known = {finding.placed for finding in findings}
        holding = {placed.node for placed in plan.kept}
        others = await self._examiner.elsewhere(blob, blob.generation, shards, holding)
        return findings + [finding for finding in others if finding.placed not in known]

    async def _doubles_read(self, blob: Blob, findings: list[Finding]) -> list[Finding]:
        """Of two fragments of a shard one will go: only when the other was read back."""
        times = Counter(finding.shard for finding in findings)
        places = [finding.placed for finding in findings if times[finding.shard] > 1]
        read = {found.placed: found for found in await self._examiner.read_back(blob, places)}
        return [read.get(finding.placed, finding) for finding in findings]

    # -- another policy -------------------------------------------------------------------
    async def _convert(self, blob: Blob, policy: Policy, effort: Effort) -> Mended | None:
        if blob.policy == policy:
            return _ended(blob, effort)
        converted = await self._converter.convert(blob, policy, effort)
        if converted is None:
            return None
        trouble = "" if converted.policy == policy else "; ".join(effort.troubles) or OVERTAKEN
        return _ended(converted, effort, trouble=trouble)


def _ended(
    blob: Blob | None, effort: Effort, missing: tuple[int, ...] = (), trouble: str = ""
) -> Mended:
    written = effort.written.values()
    return Mended(blob, len(written), sum(written), missing, trouble)
