"""The row of a job, as whoever works on it writes it."""

from __future__ import annotations

from attrs import evolve
from twisted.internet.defer import DeferredLock
from twisted.internet.interfaces import IReactorTime

from godos.deferreds import deferred
from godos.model.catalog import ICatalog
from godos.model.upkeep import Job, JobState
from godos.objects.upkeep.tasks import Settled


class Record:
    """
    One job and how far it is.  Every write compares: who cancels it meanwhile wins.

    `overtaken` tells that the row is not ours any more; nothing more is written then.
    """

    def __init__(self, catalog: ICatalog, clock: IReactorTime, job: Job) -> None:
        self._catalog = catalog
        self._clock = clock
        self._writing = DeferredLock()
        self._moved_before = job.moved  # fragments, when the round began
        self.job = job
        self.overtaken = False

    @property
    def moved_in_round(self) -> int:
        """Fragments that were moved since `begin_round`, or since we took the job over."""
        return self.job.moved - self._moved_before

    def begin_round(self, cursor: str) -> None:
        """All is looked at from the beginning."""
        self._moved_before = self.job.moved
        self.job = evolve(self.job, cursor=cursor, total=0, done=0, failed=0, trouble="")

    def expect(self, total: int) -> None:
        """So many blobs are to be looked at; 0: nobody knows."""
        self.job = evolve(self.job, total=total)

    def add(self, settled: Settled) -> None:
        """One more blob was looked at."""
        job = self.job
        self.job = evolve(
            job,
            done=job.done + 1,
            moved=job.moved + settled.moved,
            moved_bytes=job.moved_bytes + settled.moved_bytes,
            failed=job.failed + bool(settled.trouble),
            trouble=settled.trouble or job.trouble,
        )

    def advance(self, cursor: str, others: int = 0) -> None:
        """Whoever takes the job over goes on at `cursor`; `others` needed nothing."""
        self.job = evolve(self.job, cursor=cursor, done=self.job.done + others)

    def recount(self) -> None:
        """What failed so far is looked at again."""
        self.job = evolve(self.job, failed=0, trouble="")

    def end_round(self, state: JobState, cursor: str = "") -> None:
        """All was looked at."""
        total = self.job.total or self.job.done
        self.job = evolve(self.job, cursor=cursor, state=state, total=total)

    def complain(self, trouble: str) -> None:
        """The work cannot even begin."""
        self.job = evolve(self.job, cursor="", failed=max(1, self.job.failed), trouble=trouble)

    @deferred
    async def save(self) -> bool:
        """
        Write the row; tells whether it is still ours.  Fails as the catalog does.
        """
        async with self._writing:
            if self.overtaken:
                return False
            sent = evolve(self.job, updated=self._clock.seconds())
            written: Job | None = await self._catalog.put_job(sent)
            if written is None:
                self.overtaken = True
                return False
            # what was added while it was on its way stays
            self.job = evolve(self.job, rev=written.rev, updated=written.updated)
            return True

    @deferred
    async def look(self) -> bool:
        """Read the row; tells whether it is still ours.  Fails as the catalog does."""
        async with self._writing:
            standing = {job.id: job.rev for job in await self._catalog.jobs()}
            if standing.get(self.job.id) != self.job.rev:
                self.overtaken = True
            return not self.overtaken
