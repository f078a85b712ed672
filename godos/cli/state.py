"""`godos state`: the catalog and the queues of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from godos.cli.opening import named_state
from godos.cli.parameters import Parsed
from godos.cli.rebuild import rebuild
from godos.cli.running import run
from godos.cli.state_files import export, import_
from godos.deferreds import WorkerPool, deferred
from godos.messaging.addresses import SqsAddress, parse_queue
from godos.model.members import Cluster
from godos.service import values
from godos.service.identity import begin_cluster
from godos.service.pools import stop_pool
from godos.service.state import OpenCatalog
from godos.service.values import AUTO, State, anchored

_THREADS = 2


@click.group()
def state() -> None:
    """The catalog and the queues of a cluster."""


state.add_command(export)
state.add_command(import_)
state.add_command(rebuild)


@state.command()
@named_state("")
@click.option(
    "--queue",
    type=Parsed("queue", parse_queue),
    default="none",
    envvar="GODOS_QUEUE",
    show_default=True,
    help="Also make the queues of sqs:NAME[?region=…&endpoint=…].",
)
@click.option(
    "--policy",
    type=Parsed("policy", values.policy),
    default=AUTO,
    envvar="GODOS_POLICY",
    show_default=True,
    help="Of a new cluster: copies=N, ec=K+M, or auto for as many copies as there are nodes, "
    "up to 3.",
)
def init(where: State, queue: SqsAddress | None, policy: str) -> None:
    """
    Prepare a catalog, once, before the first server starts.

    Makes the SQLite file or the DynamoDB table, the first bucket, and the queues.  What is
    there already stays as it is, so it may be run again.
    """
    here: Any = anchored(where, Path.cwd())
    cluster, made = run(lambda reactor: prepare(reactor, here, queue, policy))
    click.echo(f"{where} is the catalog of cluster {cluster.id}, policy {cluster.policy}")
    for name in made:
        click.echo(f"made queue {name}")
    if cluster.policy != policy:
        click.echo(f"The cluster was there already: its policy is not changed to {policy}.")


@deferred
async def prepare(
    reactor: Any, where: State, queue: SqsAddress | None, policy: str
) -> tuple[Cluster, Sequence[str]]:
    """
    Make catalog and queues ready; answers the cluster that stands then, and the new queues.

    Fails:
        CannotStart: one line that says what is not permitted, or stands in the way.
    """
    catalog = OpenCatalog(reactor, where)
    await catalog.create()
    await catalog.open()
    try:
        cluster = await begin_cluster(catalog.get(), policy)
    finally:
        await catalog.close()
    return cluster, await make_queues(reactor, queue)


@deferred
async def make_queues(reactor: Any, queue: SqsAddress | None) -> Sequence[str]:
    """Make the queues that do not exist; answers their names.  Fails with CannotStart."""
    if queue is None:
        return []
    from godos.messaging.sqs_queues import SqsQueues

    pool = WorkerPool(reactor, "sqs", _THREADS)
    pool.start()
    try:
        made: Sequence[str] = await SqsQueues(queue, reactor, pool).create_queues()
        return made
    finally:
        await stop_pool(reactor, pool)
