"""`godos rebalance`: existing data on new nodes, too."""

from __future__ import annotations

import click

from godos.cli.jobs import cancel_option, detach_option, do, no_node, stop, wanted
from godos.cli.opening import state_option, with_catalog
from godos.cli.parameters import in_words
from godos.cli.waiting import beating
from godos.model.catalog import ICatalog
from godos.model.upkeep import Job, JobKind
from godos.objects.upkeep.asking import ask_for
from godos.objects.upkeep.rebalancing import Imbalance, imbalance
from godos.service.values import State


@click.command()
@click.option("--dry-run", is_flag=True, help="Only count what would be moved.")
@detach_option
@cancel_option
@state_option
def rebalance(dry_run: bool, detach: bool, cancelled: bool, where: State | None) -> None:
    """
    Move fragments to where they would be placed today, as after a node was added.

    New data goes to new nodes anyway.  Ctrl-C leaves the work running, and the same command
    watches it again.
    """
    if dry_run:
        _tell(with_catalog(where, _imbalance))
        return
    if cancelled:
        stop(where, JobKind.REBALANCE, no_node)
        return

    async def begin(catalog: ICatalog) -> Job:
        return await ask_for(catalog, wanted(JobKind.REBALANCE))

    job = do(where, begin, "rebalancing", "godos rebalance", detach)
    if job is not None:
        moved = f"{job.moved} fragments, {in_words(job.moved_bytes)}, were moved"
        click.echo(f"{job.done} blobs are where they belong: {moved}.")


async def _imbalance(catalog: ICatalog) -> Imbalance:
    alive = await beating(catalog)
    live = [node for node in await catalog.nodes() if node.id in alive]
    return await imbalance(catalog, live)


def _tell(found: Imbalance) -> None:
    click.echo(
        f"{found.fragments} fragments, {in_words(found.bytes)}, of {found.misplaced} blobs would "
        f"be moved; {found.blobs - found.misplaced} blobs are where they belong."
    )
