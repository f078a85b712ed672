"""`godos node remove` and `readmit`: forgetting a node, unless data would be lost."""

from __future__ import annotations

from collections.abc import Sequence

import click
from attrs import frozen

from godos.cli.nodes import NODE, found, short
from godos.cli.opening import state_option, with_catalog
from godos.cli.parameters import Parsed, count, on_one_line
from godos.cli.waiting import beating, confirmed, now, pause
from godos.cluster.removed import readmit as let_back
from godos.model.catalog import ICatalog
from godos.model.members import Node, NodeState
from godos.objects.upkeep.removal import Leftovers, forget, leftovers, objects_of, want_repairs
from godos.service.values import State


@frozen
class _Removed:
    node: Node
    left: Leftovers


@click.command()
@NODE
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--i-accept-losing-data",
    "accepted",
    metavar="N",
    type=Parsed("number", count),
    default="0",
    help="Even when that many blobs, exactly, can never be read again.",
)
@state_option
def remove(name: str, yes: bool, accepted: int, where: State | None) -> None:
    """
    Forget NODE: one that was drained, or one that is dead for good.

    Refused as long as it lives and has data, and where data would be lost with it.
    """

    async def work(catalog: ICatalog) -> _Removed:
        one, left = await _checked(catalog, name, accepted)
        if not yes:
            confirmed(f"Forget node {short(one)}, {_what_is_left(left)}?")
            one, left = await _checked(catalog, name, accepted)  # thinking may have taken hours
        await forget(catalog, one.id, now())
        # whatever was found: an upload that began before may have been committed meanwhile
        await want_repairs(catalog, one.id, f"node {one.id} was removed")
        return _Removed(one, left)

    done = with_catalog(where, work)
    click.echo(f"Node {short(done.node)} is removed.")
    if done.left.lost:
        click.echo(f"{done.left.lost} blobs are lost.", err=True)
    if done.left.below:
        click.echo(
            f"{done.left.below} blobs have fewer fragments than they should: repair restores "
            f"them, see `godos status`.{_no_spare(done.left)}",
            err=True,
        )


async def _checked(catalog: ICatalog, name: str, accepted: int) -> tuple[Node, Leftovers]:
    """
    The node, and what layouts say of it.

    Raises:
        ClickException: it must not be forgotten.
    """
    beats = await beating(catalog)
    serving = {node.id for node in await catalog.nodes() if node.state is not NodeState.FAILED}
    one = await found(catalog, name)
    left = await leftovers(catalog, one.id, serving & beats)
    if one.id in serving & beats and (left.blobs or one.state is NodeState.UP):
        has = f"has fragments of {left.blobs} blobs" if left.blobs else "takes new data"
        raise click.ClickException(
            f"node {short(one)} lives and {has}: drain it first, with `godos node drain {name}`"
        )
    if left.lost not in (0, accepted):
        raise _loss(one, left, await objects_of(catalog, left.examples, pause))
    return one, left


def _loss(one: Node, left: Leftovers, examples: Sequence[str]) -> click.ClickException:
    named = ", ".join(map(on_one_line, examples))
    more = ", …" if left.lost > len(examples) else ""
    return click.ClickException(
        f"{left.lost} blobs would be lost with node {short(one)}, for no other nodes that live "
        f"have enough of their fragments: {named}{more}.  If it can come back, start it and drain "
        f"it.  Otherwise say --i-accept-losing-data {left.lost}"
    )


def _no_spare(left: Leftovers) -> str:
    return f"  Until then {left.bare} of them survive no further loss." if left.bare else ""


def _what_is_left(left: Leftovers) -> str:
    if not left.blobs:
        return "of which nothing is needed"
    words = [f"which {left.blobs} blobs name"]
    words += [f"{left.lost} will be lost"] if left.lost else []
    if left.below:
        words += [f"{left.below} will have less than their policy asks for until repaired"]
    words += [f"{left.bare} of these will survive no further loss"] if left.bare else []
    return ": ".join((words[0], ", ".join(words[1:])) if words[1:] else words)


@click.command()
@click.argument("node_id", metavar="ID")
@state_option
def readmit(node_id: str, where: State | None) -> None:
    """
    Let a node that was removed come back, with what its storage directory holds.

    ID is its whole id, as the data server says when it refuses to start.
    """
    if not with_catalog(where, lambda catalog: let_back(catalog, node_id)):
        raise click.ClickException(f"no node {node_id!r} was removed")
    click.echo(f"Node {node_id} may be started again.")
