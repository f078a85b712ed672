"""Rows of upkeep: the last census, jobs, and fragments in quarantine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve
from twisted.internet.interfaces import IReactorTime

from godos.catalog.items import Absent, Condition, Delete, IItemStore, Item, Put, RevIs
from godos.catalog.places import CENSUS, JOBS, job_place, stray_place, strays_partition
from godos.catalog.upkeep_records import (
    census_item,
    census_of,
    job_item,
    job_of,
    stray_item,
    stray_of,
)
from godos.catalog.writing import Backoff, Turns, Writer
from godos.model.errors import Conflict
from godos.model.upkeep import Census, Job, JobState, Stray

_AHEAD = 3600.0  # seconds that clocks may differ


class Upkeep:
    def __init__(
        self,
        items: IItemStore,
        writer: Writer,
        backoff: Backoff,
        clock: IReactorTime,
        draw_id: Callable[[], str],
    ) -> None:
        self._items, self._writer = items, writer
        self._backoff, self._clock, self._draw_id = backoff, clock, draw_id

    # -- the census ----------------------------------------------------------------------
    async def census(self) -> Census | None:
        """As ICatalog.census."""
        item = await self._items.get(*CENSUS)
        return None if item is None else census_of(item)

    async def put_census(self, census: Census) -> None:
        """As ICatalog.put_census."""
        turns = Turns(self._backoff, "the row of the census")
        while await turns.next():
            item = await self._items.get(*CENSUS)
            if item is not None and self._is_later(census_of(item), census):
                return
            if await self._wrote(census_item(census, self._draw_id()), _as_it_is(item)):
                return
        raise AssertionError("unreachable")

    def _is_later(self, standing: Census, census: Census) -> bool:
        """One of the future is of a clock that was wrong, and would stand for ever."""
        of_future = standing.finished > self._clock.seconds() + _AHEAD
        return standing.started > census.started and not of_future

    # -- jobs ----------------------------------------------------------------------------
    async def jobs(self) -> Sequence[Job]:
        """As ICatalog.jobs."""
        found: list[Job] = []
        start: bytes | None = b""
        while start is not None:
            page = await self._items.query(JOBS, start)
            found += map(job_of, page.items)
            start = page.cursor
        return sorted(found, key=lambda job: (job.started, job.id))

    async def put_job(self, job: Job) -> Job | None:
        """As ICatalog.put_job."""
        if not job.rev:
            return await self._begun(job)
        written = evolve(job, rev=self._draw_id())
        return written if await self._wrote(job_item(written), RevIs(job.rev)) else None

    async def _begun(self, job: Job) -> Job:
        """A new job, unless one of its kind and node is running.  Fails: Conflict."""
        turns = Turns(self._backoff, "the row of the job")
        while await turns.next():
            item = await self._items.get(*job_place(job.kind, job.node))
            if item is not None and job_of(item).state is JobState.RUNNING:
                raise Conflict(f"a job of this kind is running: {job_of(item).id}")
            begun = evolve(job, rev=self._draw_id())
            if await self._wrote(job_item(begun), _as_it_is(item)):
                return begun
        raise AssertionError("unreachable")

    # -- quarantine ----------------------------------------------------------------------
    async def strays(self, node: str, after: str, limit: int) -> Sequence[Stray]:
        """As ICatalog.strays."""
        found: list[Stray] = []
        start: bytes | None = after.encode() + b"\0" if after else b""
        while start is not None and len(found) < limit:
            page = await self._items.query(strays_partition(node), start, limit=limit - len(found))
            found += map(stray_of, page.items)
            start = page.cursor
        return found

    async def put_stray(self, stray: Stray) -> None:
        """As ICatalog.put_stray."""
        turns = Turns(self._backoff, "the row of a stray fragment")
        while await turns.next():
            item = await self._items.get(*stray_place(stray.node, stray.name))
            put = stray if item is None else evolve(stray, since=stray_of(item).since)
            if item is not None and stray_of(item) == put:
                return
            if await self._wrote(stray_item(put, self._draw_id()), _as_it_is(item)):
                return
        raise AssertionError("unreachable")

    async def remove_stray(self, stray: Stray) -> None:
        """As ICatalog.remove_stray."""
        refusal = await self._writer.write([Delete(*stray_place(stray.node, stray.name))])
        if refusal is not None:
            refusal.or_unknown()

    async def _wrote(self, item: Item, condition: Condition) -> bool:
        refusal = await self._writer.write([Put(item, condition)])
        if refusal is None or refusal.is_own(item.rev or ""):
            return True
        refusal.or_unknown()
        return False


def _as_it_is(item: Item | None) -> Condition:
    """Nobody wrote the row since it was read."""
    return Absent() if item is None else RevIs(item.rev or "")
