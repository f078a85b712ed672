"""`godos convert`: existing data under today's policies, too."""

from __future__ import annotations

import click

from godos.cli.jobs import cancel_option, detach_option, do, no_node, stop, wanted
from godos.cli.opening import state_option
from godos.cli.parameters import in_words
from godos.model.catalog import ICatalog
from godos.model.upkeep import Job, JobKind
from godos.objects.upkeep.asking import ask_for
from godos.service.values import State


@click.command()
@detach_option
@cancel_option
@state_option
def convert(detach: bool, cancelled: bool, where: State | None) -> None:
    """
    Store all objects with the policy that is wanted of them today.

    That is, as if they were uploaded now: by their storage class, their bucket, or the
    servers' --policy.  Servers do this by themselves five minutes after a policy changed.
    Ctrl-C leaves the work running, and the same command watches it again.
    """
    if cancelled:
        stop(where, JobKind.CONVERT, no_node)
        return

    async def begin(catalog: ICatalog) -> Job:
        return await ask_for(catalog, wanted(JobKind.CONVERT))

    job = do(where, begin, "converting", "godos convert", detach)
    if job is not None:
        written = f"{job.moved} fragments, {in_words(job.moved_bytes)}, were written"
        click.echo(f"{job.done} blobs have the policy that is wanted of them: {written}.")
