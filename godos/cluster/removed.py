"""Nodes that an operator removed do not come back by being started."""

from __future__ import annotations

from attrs import evolve

from godos.model.catalog import ICatalog
from godos.model.errors import CannotStart
from godos.model.upkeep import Job, JobKind, JobState


async def refuse_removed(catalog: ICatalog, node: str) -> None:
    """
    Raises:
        CannotStart: the node was removed, and nobody let it back.
    """
    if await removal_of(catalog, node) is None or await catalog.node(node) is not None:
        return
    raise CannotStart(
        f"node {node} was removed from this cluster, and what its storage directory holds may be "
        "needed no more: start with an empty directory, as a new node, or let this one back with "
        f"`godos node readmit {node}`"
    )


async def removal_of(catalog: ICatalog, node: str) -> Job | None:
    """The note that a node was removed; None: it was not, or may come back."""
    for job in await catalog.jobs():
        if (job.kind, job.node, job.state) == (JobKind.REMOVE, node, JobState.DONE):
            return job
    return None


async def readmit(catalog: ICatalog, node: str) -> bool:
    """Let a node that was removed come back; tells whether it had been."""
    note = await removal_of(catalog, node)
    if note is None:
        return False
    return await catalog.put_job(evolve(note, state=JobState.CANCELLED)) is not None
