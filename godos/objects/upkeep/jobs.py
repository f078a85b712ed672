"""
Long work that operators ask for, done by whoever holds the lease.

What there is to do is in the jobs' rows.  A job that is interrupted, with its server or by
it, goes on at the row's cursor; doing a piece of it twice does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from godos.cluster.periodic import Periodic
from godos.deferreds import deferred
from godos.model.catalog import ICatalog
from godos.model.errors import CatalogUnavailable, GodosError, NotEnoughNodes
from godos.model.upkeep import Job, JobKind, JobState
from godos.objects.upkeep.abreast import abreast
from godos.objects.upkeep.record import Record
from godos.objects.upkeep.tasks import Batch, ITask, Settled

LEASE = "jobs"
EVERY = 2.0  # seconds between two looks for work
LOOK = 1.0  # seconds between two looks whether the work is cancelled
SAVED = 3  # looks between two writes of the progress
PATIENCE = 15.0  # seconds that the lease lasts without being renewed
REST = 20.0  # seconds between two rounds of a job that could not bring all where it belongs
AT_ONCE = 4  # blobs

MakeTask = Callable[[Job], ITask]
Followed = Callable[[Job], "Deferred[Any]"]


@frozen
class _Rest:
    """Of a job that cannot go on now: until then, or until somebody writes its row."""

    rev: str
    until: float  # seconds of the clock


class JobRunner(Periodic):
    """
    Takes the running jobs one after the other, and ends one when nothing of it is left.

    A blob that cannot be brought where it belongs is counted in the row (`failed`), with the
    reason (`trouble`).  A job that must be complete goes on, round after round with a rest
    between; another ends when a round moved nothing, and says how many it left.

    Args:
        tasks: what each kind of job is made of.
        ended: called with a job that is done, before its row says so.
        at_once: how many blobs are worked on at a time.
        rest: seconds between rounds that did not bring all where it belongs.
    """

    _log = Logger()

    def __init__(
        self,
        catalog: ICatalog,
        clock: IReactorTime,
        holder: str,
        tasks: Mapping[JobKind, MakeTask],
        ended: Followed | None = None,
        every: float = EVERY,
        at_once: int = AT_ONCE,
        rest: float = REST,
        patience: float = PATIENCE,
    ) -> None:
        super().__init__("working on jobs", self.round, every, clock)
        self._catalog = catalog
        self._clock = clock
        self._holder = holder
        self._tasks = tasks
        self._ended_job = ended
        self._abreast = at_once
        self._rest = rest
        self._patience = patience
        self._rests: dict[str, _Rest] = {}  # by id of the job
        self.working_on: Job | None = None

    @deferred
    async def round(self) -> None:
        """Work on what is to be done, if it is ours to do.  Fails as the catalog does."""
        jobs: Sequence[Job] = await self._catalog.jobs()
        running = [job for job in jobs if job.state is JobState.RUNNING]
        self._rests = {job.id: self._rests[job.id] for job in running if job.id in self._rests}
        ready = [job for job in running if self._is_rested(job)]
        if not ready or not await self._lease():
            return
        for job in ready:
            if job.kind in self._tasks:
                await self._work_on(job)

    def _is_rested(self, job: Job) -> bool:
        rest = self._rests.get(job.id)
        return rest is None or rest.rev != job.rev or rest.until <= self._clock.seconds()

    async def _lease(self) -> bool:
        ours: bool = await self._catalog.try_lease(LEASE, self._holder, self._patience)
        return ours

    async def _work_on(self, job: Job) -> None:
        """Until it is done, rests, or is somebody else's."""
        record = Record(self._catalog, self._clock, job)
        if not await record.look():
            return  # cancelled, or worked on, while we were at another
        self.working_on = job
        work = self._rounds(record)
        watch = self._watch(record).addErrback(self._unwatched)
        watch.addCallback(lambda _: work.cancel())
        try:
            await work
        except CancelledError:
            if not record.overtaken:
                raise
            self._log.info("{kind} job {id} ended or changed hands", kind=job.kind, id=job.id)
        finally:
            self.working_on = None
            watch.cancel()

    # -- beside the work ----------------------------------------------------------------------
    @deferred
    async def _watch(self, record: Record) -> None:
        """Write the progress now and then; ends when the row is not ours any more."""
        looks = 0
        while not record.overtaken:
            await deferLater(self._clock, LOOK)
            looks += 1
            try:
                if looks % SAVED:
                    await record.look()
                elif not await self._lease():
                    record.overtaken = True
                else:
                    await record.save()
            except CatalogUnavailable as error:
                self._log.warn("looking after job {id}: {error}", id=record.job.id, error=error)

    def _unwatched(self, failure: Failure) -> None:
        if failure.check(CancelledError) is None:
            self._log.failure("looking after a job", failure)

    # -- the work -----------------------------------------------------------------------------
    @deferred
    async def _rounds(self, record: Record) -> None:
        task = self._tasks[record.job.kind](record.job)
        try:
            while await self._one_round(task, record):
                pass
        except NotEnoughNodes as error:
            record.complain(str(error))
            await self._take_rest(record)
        finally:
            await task.close()

    async def _one_round(self, task: ITask, record: Record) -> bool:
        """Tells whether another one is to follow at once."""
        if not record.job.cursor:
            record.begin_round(await task.begin())
        if not record.job.total:
            record.expect(await task.total())
            if not await record.save():  # whoever watches sees at once how much there is
                return False
        cursor: str | None = record.job.cursor
        while cursor is not None:
            batch: Batch = await task.batch(cursor)
            await abreast(batch.items, self._abreast, lambda item: self._settle(task, record, item))
            cursor = batch.next
            record.advance(cursor or record.job.cursor, batch.others)
            if batch.again:
                record.recount()
        job = record.job
        if job.failed == 0 and task.complete:
            return await self._finish(record)
        if task.persists:
            record.end_round(JobState.RUNNING)
            at_once = not job.failed and record.moved_in_round > 0
            if not at_once:
                await self._take_rest(record)
                return False
            return await record.save()
        if job.failed and record.moved_in_round:
            record.end_round(JobState.RUNNING)
            return await record.save()
        return await self._finish(record)

    async def _settle(self, task: ITask, record: Record, item: Any) -> None:
        try:
            settled = await task.settle(item)
        except (CancelledError, CatalogUnavailable):
            raise
        except GodosError as error:
            settled = Settled(trouble=str(error))
        except Exception as error:
            self._log.failure("a blob of job {id}", id=record.job.id)
            settled = Settled(trouble=f"{type(error).__name__}: {error}")
        record.add(settled)

    async def _take_rest(self, record: Record) -> None:
        if not await record.save():
            return
        job = record.job
        self._rests[job.id] = _Rest(job.rev, self._clock.seconds() + self._rest)
        if not job.failed:
            return
        self._log.warn(
            "{kind} job {id} left {failed} blobs where they were: {trouble}",
            kind=job.kind,
            id=job.id,
            failed=job.failed,
            trouble=job.trouble,
        )

    async def _finish(self, record: Record) -> bool:
        record.end_round(JobState.DONE, record.job.cursor)
        if self._ended_job is not None:
            await self._ended_job(record.job)
        if await record.save():
            self._log.info(
                "{kind} job {id} is done: {moved} fragments moved, {failed} blobs left",
                kind=record.job.kind,
                id=record.job.id,
                moved=record.job.moved,
                failed=record.job.failed,
            )
        return False
