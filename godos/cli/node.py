"""`godos node`: the storage directories of a cluster, emptied, replaced and forgotten."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from godos.cli.jobs import cancel_option, detach_option, do, stop, wanted
from godos.cli.keys import json_option
from godos.cli.node_removal import readmit, remove
from godos.cli.nodes import NODE, SHORT, found, line, picture, short
from godos.cli.opening import state_option, with_catalog
from godos.cli.parameters import in_words
from godos.cli.waiting import beating
from godos.model.catalog import ICatalog
from godos.model.members import Node, NodeState
from godos.model.upkeep import Job, JobKind
from godos.objects.upkeep.asking import ask_for, cancel
from godos.protocol.placement import takes_new
from godos.service.values import State


@click.group()
def node() -> None:
    """
    Nodes: the storage directories that data servers keep.

    NODE is a node's id, the beginning of it, or its address.
    """


node.add_command(remove)
node.add_command(readmit)


# -- list ---------------------------------------------------------------------------------
@node.command("list")
@json_option
@state_option
def list_nodes(as_json: bool, where: State | None) -> None:
    """Show all nodes.  Watches them for as long as a beat takes, to tell which live."""

    async def work(catalog: ICatalog) -> tuple[Sequence[Node], set[str], Sequence[Job]]:
        alive = await beating(catalog)
        return await catalog.nodes(), alive, await catalog.jobs()

    nodes, alive, jobs = with_catalog(where, work)
    if as_json:
        click.echo(json.dumps([picture(one, one.id in alive, jobs) for one in nodes]))
        return
    for one in nodes:
        click.echo(line(one, one.id in alive, jobs))
    if not nodes:
        click.echo("The catalog has no nodes.", err=True)


# -- drain --------------------------------------------------------------------------------
@node.command()
@NODE
@detach_option
@cancel_option
@state_option
def drain(name: str, detach: bool, cancelled: bool, where: State | None) -> None:
    """
    Move all that NODE has to other nodes, so that it may be removed.

    It takes no new data from now on, also with --cancel: see `godos node undrain`.  Ctrl-C
    leaves the work running, and the same command watches it again.
    """
    if cancelled:
        stop(where, JobKind.DRAIN, lambda catalog: _id(catalog, name))
        return

    async def begin(catalog: ICatalog) -> Job:
        one = await found(catalog, name)
        await _leave(catalog, one)
        return await ask_for(catalog, wanted(JobKind.DRAIN, one.id))

    look = f"godos node drain {name}"
    job = do(where, begin, f"draining {name[:SHORT]}", look, detach)
    if job is not None:
        click.echo(_drained(job))


@node.command()
@NODE
@state_option
def undrain(name: str, where: State | None) -> None:
    """Let NODE take new data again, and end what was emptying it."""

    async def work(catalog: ICatalog) -> Node:
        one = await found(catalog, name)
        await catalog.set_node_state(one.id, NodeState.UP)
        await cancel(catalog, JobKind.DRAIN, one.id)
        await cancel(catalog, JobKind.REPLACE, one.id)
        return one

    one = with_catalog(where, work)
    click.echo(f"Node {short(one)} takes new data again.")
    click.echo("What was moved off it comes back with `godos rebalance`.", err=True)


# -- replace ------------------------------------------------------------------------------
@node.command()
@click.argument("old")
@click.argument("new")
@detach_option
@cancel_option
@state_option
def replace(old: str, new: str, detach: bool, cancelled: bool, where: State | None) -> None:
    """
    Bring all that the node OLD has, or had, to the node NEW.

    OLD may be dead: then what it had is rebuilt from other nodes, and it is forgotten at the
    end.  If it lives it is drained, and may be removed then.
    """
    if cancelled:
        stop(where, JobKind.REPLACE, lambda catalog: _id(catalog, old))
        return

    async def begin(catalog: ICatalog) -> Job:
        leaving, successor = await found(catalog, old), await found(catalog, new)
        if leaving.id == successor.id:
            raise click.ClickException(f"{old} and {new} are the same node")
        if not takes_new(successor):
            raise click.ClickException(f"node {short(successor)} takes no new data")
        await _leave(catalog, leaving)
        return await ask_for(catalog, wanted(JobKind.REPLACE, leaving.id, successor.id))

    look = f"godos node replace {old} {new}"
    gone: list[bool] = []

    async def last(catalog: ICatalog, job: Job) -> None:
        gone.append(await catalog.node(job.node) is None)

    job = do(where, begin, f"replacing {old[:SHORT]}", look, detach, last)
    if job is not None:
        click.echo(_moved(job, "replaced, and forgotten") if gone[0] else _drained(job))


# -- what several need --------------------------------------------------------------------
async def _leave(catalog: ICatalog, leaving: Node) -> None:
    """Let it take no new data.  Raises ClickException: no other node does."""
    others = [one for one in await catalog.nodes() if one.id != leaving.id and takes_new(one)]
    if not others:
        raise click.ClickException(
            f"no other node takes new data: there is nowhere to bring what {short(leaving)} has"
        )
    if leaving.state is NodeState.UP:
        await catalog.set_node_state(leaving.id, NodeState.DRAINING)


async def _id(catalog: ICatalog, name: str) -> str:
    return (await found(catalog, name)).id


def _drained(job: Job) -> str:
    last = f"It may be removed now: godos node remove {job.node[:SHORT]}"
    return f"{_moved(job, 'drained')}\n{last}"


def _moved(job: Job, what: str) -> str:
    moved = f"{job.moved} fragments, {in_words(job.moved_bytes)}, were moved"
    return f"Node {job.node[:SHORT]} is {what}: {moved}."
