"""Asking for long work, and taking that back."""

from __future__ import annotations

from attrs import evolve

from godos.model.catalog import ICatalog
from godos.model.errors import Conflict
from godos.model.upkeep import Job, JobKind, JobState

TRIES = 20  # the job's worker writes its row every few seconds


async def ask_for(catalog: ICatalog, job: Job) -> Job:
    """
    Begin a job; one of its kind and node that runs already is answered instead.

    If that one rests it goes on at once: who asks again has changed something.

    Raises:
        Conflict: others keep writing it.
    """
    for _ in range(TRIES):
        standing = await job_of(catalog, job.kind, job.node)
        wanted = job
        if standing is not None and standing.state is JobState.RUNNING:
            if not is_resting(standing):
                return standing
            wanted = evolve(standing, failed=0, trouble="")
        try:
            made: Job | None = await catalog.put_job(wanted)
        except Conflict:
            continue  # somebody else began it just now
        if made is not None:
            return made
    raise Conflict(f"the {job.kind} job keeps changing: try again")


async def cancel(catalog: ICatalog, kind: JobKind, node: str = "") -> Job | None:
    """
    End a job that runs; answers it, None when none does.  Its worker stops within seconds.

    Raises:
        Conflict: others keep writing it.
    """
    for _ in range(TRIES):
        standing = await job_of(catalog, kind, node)
        if standing is None or standing.state is not JobState.RUNNING:
            return None
        written: Job | None = await catalog.put_job(evolve(standing, state=JobState.CANCELLED))
        if written is not None:
            return written
    raise Conflict(f"the {kind} job keeps changing: try again")


async def job_of(catalog: ICatalog, kind: JobKind, node: str = "") -> Job | None:
    """The job of this kind and node, running or ended."""
    for job in await catalog.jobs():
        if (job.kind, job.node) == (kind, node):
            return job
    return None


def is_resting(job: Job) -> bool:
    """Whether a round just ended that could not bring everything where it belongs."""
    return job.state is JobState.RUNNING and bool(job.failed) and not job.cursor
