"""`godos disk`: the storage directory of a node.  Exit codes are part of the interface."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from attrs import define, field

from godos.cli.unpack import unpack_file
from godos.model.errors import GodosError
from godos.model.names import FragmentName
from godos.storage.check import DirectoryCheck, Watch, locked
from godos.storage.dump import Dump, open_dump
from godos.storage.files import LocalFiles
from godos.storage.findings import Finding, Findings, Sort
from godos.storage.past_cache import PastCacheFiles

INTERRUPTED = 130  # exit code.  Source: POSIX shells, 128 + SIGINT


@click.group()
def disk() -> None:
    """The storage directory of a node."""


disk.add_command(unpack_file)


# -- check --------------------------------------------------------------------------------
@disk.command()
@click.argument("directory", metavar="DIR", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line, the summary last.")
def check(directory: str, as_json: bool) -> None:
    """
    Read all of the storage directory DIR again, and verify it.

    Reads past the page cache, while no daemon has the directory, and tells what is damaged.
    When the disk gave every byte, a node that left service may serve again: damaged fragments
    are never served, and are repaired from other nodes.

    Exit codes: 0 all is well; 1 something is damaged, or the check was refused; 130 it was
    interrupted.
    """
    if not _checked(PastCacheFiles(), directory, Teller(as_json)):
        raise SystemExit(1)


def _checked(files: PastCacheFiles, directory: str, teller: Teller) -> bool:
    """Check, tell, and let the node back; whether all is well."""
    with teller.refusals(), locked(files, directory) as identity:
        reading = DirectoryCheck.of(files, directory, teller.watch)
        try:
            with teller:
                reading.run()
        except KeyboardInterrupt:
            click.echo("interrupted: nothing was changed", err=True)
            raise SystemExit(INTERRUPTED) from None
        back = reading.let_back(identity)
        teller.summary(identity.node, reading.findings, reading.failure, back)
        return reading.findings.clean


@define
class Teller:
    """Says what a check finds; on a terminal also how far it is."""

    as_json: bool
    _bar: Any = field(default=None, init=False)

    @property
    def watch(self) -> Watch:
        return Watch(self._found, self._expect, self._progress)

    def __enter__(self) -> Teller:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.render_finish()

    def _expect(self, size: int) -> None:
        if size and sys.stderr.isatty():
            self._bar = click.progressbar(
                length=size, label="reading", file=sys.stderr, update_min_steps=size // 200 or 1
            )
            self._bar.render_progress()

    def _progress(self, size: int) -> None:
        if self._bar is not None:
            self._bar.update(size)

    def _found(self, finding: Finding) -> None:
        if self._bar is not None:
            click.echo("\r\x1b[K", nl=False, err=True)  # the bar comes again with its next step
        click.echo(json.dumps(finding.as_dict()) if self.as_json else str(finding))

    @contextmanager
    def refusals(self) -> Iterator[None]:
        """Tell an error in one line, and end with exit code 1."""
        try:
            yield
        except (GodosError, OSError) as error:
            what = str(error)
            if self.as_json:
                click.echo(json.dumps({"sort": "refused", "what": what}))
                raise SystemExit(1) from error
            raise click.ClickException(what) from error

    def summary(self, node: str, findings: Findings, failure: str | None, back: bool) -> None:
        """The last line or two."""
        if self.as_json:
            click.echo(json.dumps(_summary(node, findings, failure, back)))
            return
        read = (
            f"node {node}: {findings.fragments} fragments in {findings.volumes} volumes and "
            f"{findings.files} files, {findings.size} bytes"
        )
        counts = [f"{count} {sort}" for sort, count in findings.seen.items() if count]
        click.echo(f"{read}: {', '.join(counts) or 'all is well'}")
        if not back:
            click.echo("The disk did not give every byte: the node must not serve again.")
        elif failure is not None:
            click.echo(f"The node had left service ({failure}), and may serve again.")


def _summary(node: str, findings: Findings, failure: str | None, back: bool) -> dict[str, Any]:
    return {
        "sort": "summary",
        "node": node,
        "clean": findings.clean,
        "volumes": findings.volumes,
        "files": findings.files,
        "fragments": findings.fragments,
        "bytes": findings.size,
        **{str(sort): findings.seen[sort] for sort in Sort},
        "failure": failure,
        "may_serve": back,
    }


# -- dump ---------------------------------------------------------------------------------
@disk.command()
@click.argument("file", type=click.Path())
@click.option(
    "--payload",
    metavar="NAME",
    help="Write the verified bytes of this fragment to standard output instead.",
)
def dump(file: str, payload: str | None) -> None:
    """
    Show what FILE of a storage directory holds, as JSON, a line each.

    FILE may be node.json, failed.json, checked.json, a volume, or the file of a large
    fragment; a daemon may be using it.

    Exit codes: 0 all of it verifies; 1 something does not, or FILE is none of these.
    """
    files = LocalFiles()
    with Teller(as_json=False).refusals():
        shown = open_dump(files, file)
        try:
            _show(shown) if payload is None else _write(shown, payload)
        finally:
            files.close(shown.fd)
    if not shown.sound:
        raise SystemExit(1)


def _show(shown: Dump) -> None:
    for line in shown.lines():
        click.echo(json.dumps(line))


def _write(shown: Dump, payload: str) -> None:
    try:
        name = FragmentName.parse(payload)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--payload") from error
    out = sys.stdout.buffer
    for piece in shown.payload(name):
        out.write(piece)
    out.flush()
