"""Noticing that other policies are wanted than blobs were stored with, and asking for a job."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from godos.cluster.members import IMembers
from godos.cluster.periodic import Periodic
from godos.deferreds import deferred
from godos.model.catalog import ICatalog
from godos.model.names import new_id
from godos.model.upkeep import Job, JobKind, JobState
from godos.objects.redundancy import Redundancy
from godos.objects.upkeep.asking import ask_for
from godos.objects.upkeep.wanting import mark_of

LEASE = "policies"
EVERY = 60.0  # seconds between two looks
AGAIN = 6 * 3600.0  # seconds after which what could not be converted is tried again
SETTLED = 300.0  # seconds for which policies must stay the same before anything is converted


class PolicyChanges(Periodic):
    """
    Asks for a conversion when what is wanted differs from what the last one went by.

    It waits until nothing changed for `settled` seconds: nodes that join one after the other,
    or one that is drained and undrained, would else have everything stored anew each time.  A
    conversion that an operator cancelled is not asked for again, until something changes.
    """

    def __init__(
        self,
        catalog: ICatalog,
        members: IMembers,
        redundancy: Redundancy,
        clock: IReactorTime,
        holder: str,
        every: float = EVERY,
        settled: float = SETTLED,
    ) -> None:
        super().__init__("comparing policies", self.round, every, clock)
        self._catalog = catalog
        self._members = members
        self._redundancy = redundancy
        self._clock = clock
        self._holder = holder
        self._every = every
        self._settled = settled
        self._seen = ""
        self._since = 0.0  # seconds of the clock

    @deferred
    async def round(self) -> None:
        """Look, if it is ours to do.  Fails as the catalog does."""
        if not await self._catalog.try_lease(LEASE, self._holder, 3 * self._every):
            self._seen = ""
            return
        mark = await mark_of(self._catalog, self._redundancy, self._members.registered())
        now = self._clock.seconds()
        if mark != self._seen:
            self._seen, self._since = mark, now
        if now - self._since >= self._settled and await self._is_news(mark, now):
            asked = Job(new_id(), JobKind.CONVERT, started=now, cursor=f"{mark}:")
            await ask_for(self._catalog, asked)

    async def _is_news(self, mark: str, now: float) -> bool:
        for job in await self._catalog.jobs():
            if job.kind is not JobKind.CONVERT:
                continue
            if job.state is JobState.RUNNING:
                return False
            left = job.state is JobState.DONE and job.failed > 0
            known = job.cursor.partition(":")[0] == mark
            return not known or (left and now - job.updated >= AGAIN)
        return True
