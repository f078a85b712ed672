"""`godos state rebuild`: a lost catalog is made again from the fragments on disks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from godos.cli.opening import named_state
from godos.cli.parameters import Parsed, in_words
from godos.cli.rebuilding import Report
from godos.cli.rebuilding import rebuild as rebuilt
from godos.cli.running import run
from godos.objects.keys import Keys
from godos.service import values
from godos.service.master_key import read_kms_keys, read_master_key
from godos.service.settings import SettingError
from godos.service.values import AUTO, State, anchored

UNKNOWN = """\
What fragments cannot tell:
- Deletions: objects that were deleted shortly before are back, as long as their bytes were there.
- Copies, and names of bytes that were stored once for several equal objects: only the name
  under which the bytes were stored first is back.
- Objects without bytes, and delete markers.
- Changes after the upload: metadata, tags, ACLs, retention and legal holds.
- Buckets' settings: policies, lifecycle, object lock, quotas, notifications, CORS, websites.
- Users and their keys that were kept in the catalog.
- Version ids: they are new.  The order of versions follows the time of their upload.
- Uploads in parts: those that were never completed are objects now, when their parts have no
  gap; parts that were left out on completion are in; what was lost behind the last part is not
  missed."""


@click.command()
@named_state("The new catalog: ")
@click.option(
    "--storage",
    "folders",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    multiple=True,
    help="A storage folder, whose server is stopped; may be given several times.",
)
@click.option(
    "--master-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The servers' file of keys, for objects that are encrypted with it.",
)
@click.option(
    "--kms-keys",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The servers' file of named keys, likewise.",
)
@click.option(
    "--policy",
    type=Parsed("policy", values.policy),
    default=AUTO,
    show_default=True,
    help="Of the cluster, for new objects: it is not known what it was.",
)
def rebuild(
    where: State,
    folders: tuple[Path, ...],
    master_key: Path | None,
    kms_keys: Path | None,
    policy: str,
) -> None:
    """
    Make a lost catalog again from what the fragments on disks say of themselves.

    Stop all servers first.  The catalog must be empty, or one that this command began: it may
    be run on one machine after the other, or again after Ctrl-C, and adds to what is there.
    """
    here: Any = anchored(where, Path.cwd())
    try:
        master = None if master_key is None else read_master_key(master_key)
        named = None if kms_keys is None else read_kms_keys(kms_keys)
    except SettingError as error:
        raise click.ClickException(str(error)) from error
    keys, folders = Keys(master, named), tuple(folder.absolute() for folder in folders)
    report = run(lambda reactor: rebuilt(reactor, here, folders, policy, keys, click.echo))
    for line in told(where, report):
        click.echo(line)


def told(where: State, report: Report) -> list[str]:
    """What a person reads at the end."""
    tally, cluster = report.tally, report.cluster
    lines = [
        f"{where} is the catalog of cluster {cluster.id}, epoch {cluster.epoch}",
        f"{tally.versions} objects and versions were added, {in_words(tally.bytes)}",
    ]
    counted = [
        (tally.completed, "blobs that were known before have more fragments now"),
        (tally.overwritten, "older objects were left out: newer ones have their names"),
        (tally.below_target, "blobs have fewer fragments than they should, so far"),
        (tally.unfinished, "uploads lack a part so far: they are no objects"),
        (report.damaged, "fragments are too damaged to say what they are"),
    ]
    lines += [f"{number} {what}" for number, what in counted if number]
    lines += [f"{number} blobs {why}: they were left out" for why, number in report.silent.items()]
    lines += [
        f"{number} blobs are of a bucket {name} that was deleted before this one was made: "
        "they were left out"
        for name, number in report.former.items()
    ]
    return [
        *lines,
        "",
        UNKNOWN,
        "",
        "Nothing that only disks know is removed until you have looked, and say "
        f"`godos gc --confirm-epoch {cluster.epoch}`.",
    ]
