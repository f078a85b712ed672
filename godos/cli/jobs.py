"""Long work as commands ask for it, watch it, and tell how it went."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import click
from attrs import define, field

from godos.cli.opening import with_catalog
from godos.cli.parameters import in_words
from godos.cli.progress import Progress
from godos.cli.store import INTERRUPTED
from godos.cli.waiting import LOOK, now, pause
from godos.model.catalog import ICatalog
from godos.model.names import new_id
from godos.model.upkeep import Job, JobKind, JobState
from godos.objects.upkeep.asking import cancel, is_resting
from godos.service.values import State

IDLE = 20.0  # seconds without a sign of a worker until that is said

detach_option = click.option("--detach", is_flag=True, help="Do not wait for the end.")
cancel_option = click.option("--cancel", "cancelled", is_flag=True, help="End the work as it is.")

Begin = Callable[[ICatalog], Awaitable[Job]]
Last = Callable[[ICatalog, Job], Awaitable[None]]


def wanted(kind: JobKind, node: str = "", successor: str = "") -> Job:
    """A job to ask for."""
    return Job(new_id(), kind, node, successor, started=now())


@define
class Watch:
    """
    Follows one job until it ends, or cannot go on without the operator.

    Args:
        label: of the bar.
    """

    catalog: ICatalog
    label: str
    _signs: dict[str, str] = field(factory=dict)  # job -> rev, as last seen
    _idle: float = 0.0  # seconds
    _told: bool = False

    async def until_over(self, job: Job) -> Job:
        """
        The job as it is then: ended, or resting after a round that left something.

        Raises:
            ClickException: the row is gone.
        """
        bar: Progress | None = None
        shown = 0
        try:
            while job.state is JobState.RUNNING and not is_resting(job):
                if bar is None and job.total:
                    bar = Progress(self.label, job.total).__enter__()
                done = min(job.done, job.total)
                if bar is not None and done > shown:
                    bar.add(done - shown)
                    shown = done
                await pause(LOOK)
                job = await self._look(job)
            if bar is not None and job.state is JobState.DONE:
                bar.add(max(0, bar.size - shown))
        finally:
            if bar is not None:
                bar.__exit__()
        return job

    async def _look(self, job: Job) -> Job:
        jobs = {each.id: each for each in await self.catalog.jobs()}
        if job.id not in jobs:
            raise click.ClickException("the job is gone from the catalog: somebody began another")
        signs = {id_: each.rev for id_, each in jobs.items()}
        running = [each for each in jobs.values() if each.state is JobState.RUNNING]
        works = any(self._signs.get(each.id, each.rev) != each.rev for each in running)
        self._idle = 0.0 if works else self._idle + LOOK
        self._signs = signs
        if self._idle >= IDLE and not self._told:
            self._told = True
            click.echo(
                "No server works on it: is an API server running?  The job waits in the catalog.",
                err=True,
            )
        return jobs[job.id]


def do(
    where: State | None,
    begin: Begin,
    label: str,
    look: str,
    detach: bool,
    last: Last | None = None,
) -> Job | None:
    """
    Begin a job, and wait for its end; None when it was only begun.

    Args:
        label: of the bar.
        look: the command that shows and, with `--cancel`, ends it.
        last: called with the job as it ended, while the catalog is open.

    Raises:
        ClickException: it did not bring everything where it belongs.
        SystemExit: Ctrl-C, which leaves the job running.
    """
    begun: list[Job] = []

    async def work(catalog: ICatalog) -> Job:
        job = await begin(catalog)
        begun.append(job)
        if detach:
            return job
        job = await Watch(catalog, label).until_over(job)
        if last is not None:
            await last(catalog, job)
        return job

    try:
        job = with_catalog(where, work)
    except click.Abort:
        if not begun:
            raise
        click.echo(f"The work goes on.  {_how(look)}", err=True)
        raise SystemExit(INTERRUPTED) from None
    if detach:
        click.echo(f"Servers work on it.  {_how(look)}")
        return None
    return checked(job, look)


def _how(look: str) -> str:
    return f"Watch it again with `{look}`, end it with `{look} --cancel`."


def checked(job: Job, look: str) -> Job:
    """
    A job that did all that it was to do.

    Raises:
        ClickException: what it did not do, and why.
    """
    moved = f"{job.moved} fragments, {in_words(job.moved_bytes)}, were moved"
    if job.state is JobState.CANCELLED:
        raise click.ClickException(f"it was cancelled; until then {moved}")
    if job.state is JobState.RUNNING:
        raise click.ClickException(
            f"{job.failed} blobs could not be moved: {job.trouble}.  {moved.capitalize()}.  The "
            f"work goes on and tries them again.  {_how(look)}"
        )
    if job.failed:
        raise click.ClickException(
            f"{job.failed} blobs stay as they are: {job.trouble}.  Of the others {moved}"
        )
    return job


def stop(where: State | None, kind: JobKind, node: Callable[[ICatalog], Awaitable[str]]) -> None:
    """End a job that runs.  Raises ClickException: none does."""

    async def work(catalog: ICatalog) -> Job | None:
        return await cancel(catalog, kind, await node(catalog))

    job = with_catalog(where, work)
    if job is None:
        raise click.ClickException("no such work is under way")
    click.echo(f"Cancelled, after {job.moved} fragments, {in_words(job.moved_bytes)}, were moved.")


async def no_node(_: ICatalog) -> str:
    """Of jobs that are of no node."""
    return ""
