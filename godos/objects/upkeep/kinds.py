"""What each kind of job is made of, put together."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from godos.cluster.members import IMembers
from godos.deferreds import InThread, deferred
from godos.model.catalog import ICatalog
from godos.model.errors import NodeFailed, NodeUnreachable, WrongNode
from godos.model.upkeep import Job, JobKind
from godos.objects.redundancy import Redundancy
from godos.objects.upkeep.conversion import Conversion
from godos.objects.upkeep.jobs import EVERY, REST, JobRunner
from godos.objects.upkeep.moving import Leaving
from godos.objects.upkeep.rebalancing import Rebalancing
from godos.objects.upkeep.removal import forget
from godos.objects.upkeep.tasks import IMender, ITask


def job_runner(
    catalog: ICatalog,
    members: IMembers,
    mender: IMender,
    redundancy: Redundancy,
    clock: IReactorTime,
    in_thread: InThread,
    holder: str,
    every: float = EVERY,
    rest: float = REST,
) -> JobRunner:
    """
    A runner of all kinds of jobs.

    Args:
        redundancy: which policy is wanted of a version, for conversions.
        in_thread: where their temporary file is written.
        holder: id of this server.
        every: seconds between two looks for work.
        rest: seconds between rounds that did not bring all where it belongs.
    """

    def leave(job: Job) -> ITask:
        return Leaving(catalog, members, mender, job.node, job.successor)

    def rebalance(_: Job) -> ITask:
        return Rebalancing(catalog, members, mender)

    def convert(_: Job) -> ITask:
        return Conversion(catalog, members, mender, redundancy, clock, in_thread)

    tasks = {
        JobKind.DRAIN: leave,
        JobKind.REPLACE: leave,
        JobKind.REBALANCE: rebalance,
        JobKind.CONVERT: convert,
    }

    def ended(job: Job) -> Deferred[None]:
        return forget_replaced(catalog, members, job, clock.seconds())

    return JobRunner(catalog, clock, holder, tasks, ended, every=every, rest=rest)


@deferred
async def forget_replaced(catalog: ICatalog, members: IMembers, job: Job, now: float) -> None:
    """
    Forget a node that is replaced, unless it lives: nothing names it any more.

    One that lives is removed by its operator, once they stopped it or not.
    """
    if job.kind is JobKind.REPLACE and not await _answers(members, job.node):
        await forget(catalog, job.node, now)


async def _answers(members: IMembers, node: str) -> bool:
    store = members.fragments(node)
    if store is None or all(live.id != node for live in members.live()):
        return False
    try:
        await store.inventory(None, 1)
    except (NodeUnreachable, NodeFailed, WrongNode):
        return False
    return True
