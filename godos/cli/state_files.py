"""`godos state export` and `godos state import`: the catalog in a file."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, TypeVar

import click

from godos.catalog.export_format import ExportReader, ExportWriter, Header
from godos.catalog.exporting import Progress, export_running, export_snapshot
from godos.catalog.findings import Finding
from godos.catalog.importing import Imported, Importing
from godos.catalog.spool import Spool
from godos.catalog.sqlite_snapshot import Snapshot
from godos.catalog.writing import Backoff, Writer
from godos.cli.counting import Counting
from godos.cli.opening import chosen, named_state, state_option
from godos.cli.parameters import on_one_line
from godos.cli.running import run
from godos.deferreds import WorkerPool, deferred
from godos.model.errors import CannotStart, CatalogEmpty
from godos.model.names import new_id
from godos.service.pools import stop_pool
from godos.service.state import OpenCatalog
from godos.service.values import SqliteState, State, anchored

T = TypeVar("T")
STANDARD = "-"  # standard input or output


@click.command("export")
@click.argument("file")
@state_option
def export(file: str, where: State | None) -> None:
    """
    Write the catalog to FILE, while servers use it; `-` is standard output.

    FILE appears when it is whole.  Keep it like a key: the cluster's secret, and those of all
    users, are in it.
    """
    found = chosen(where, Path.cwd())
    if file == STANDARD:
        if sys.stdout.isatty():
            raise click.UsageError("An export is no text: send it to a file or a program.")
        with _unbuffered(sys.stdout.fileno(), "wb") as pipe:
            output: Any = _Whole(pipe)
            count = run(lambda reactor: write_export(reactor, found, output, None))
    else:
        count = _to_file(Path(file), found)
    click.echo(f"exported {count} rows of {found}", err=True)


def _unbuffered(descriptor: int, mode: str) -> FileIO:
    """
    A pipe on which a thread may be left waiting when the process ends.

    The interpreter does not bear that on what it buffers itself.
    """
    return FileIO(descriptor, mode, closefd=False)


class _Whole:
    """Writes all that it is given, where a pipe takes some of it."""

    def __init__(self, pipe: FileIO) -> None:
        self._pipe = pipe

    def write(self, data: bytes) -> int:
        left = memoryview(data)
        while left:
            left = left[self._pipe.write(left) or 0 :]
        return len(data)


def _to_file(file: Path, found: State) -> int:
    if file.exists() and not file.is_file():  # the export would take a device's place
        raise click.ClickException(
            f"cannot write {file}: it is no file; `{STANDARD}` is standard output"
        )
    file = file.resolve()  # a link stays one
    partial = file.with_name(f".{file.name}.{new_id()[:8]}.partial")
    try:
        descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as sink:
            count = run(lambda reactor: write_export(reactor, found, sink, file.parent))
            sink.flush()
            os.fsync(sink.fileno())
        partial.rename(file)
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise click.ClickException(f"cannot write {file}: {error.strerror}") from error
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
    return count


@deferred
async def write_export(reactor: Any, where: State, sink: BinaryIO, beside: Path | None) -> int:
    """
    Write an export of the catalog `where`; answers how many rows it has.

    Args:
        beside: the folder that has room for a copy of a SQLite catalog; None: the usual one.

    Fails:
        CannotStart: there is no catalog.
    """
    if isinstance(where, SqliteState) and not where.path.exists():
        raise CannotStart(f"there is no catalog at {where.path}")
    opening = OpenCatalog(reactor, where)
    await opening.open()
    try:
        cluster = await opening.get().cluster()
        engine = "sqlite" if isinstance(where, SqliteState) else "dynamodb"
        header = Header(
            cluster.id, cluster.epoch, engine, engine == "sqlite", float(reactor.seconds())
        )
        writer = ExportWriter(sink, header)

        async def work(folder: Path, pool: WorkerPool, progress: Progress) -> int:
            if isinstance(where, SqliteState):
                snapshot = Snapshot(str(where.path), str(folder / "catalog"))
                try:
                    await export_snapshot(snapshot, writer, pool, progress)
                finally:
                    await pool(snapshot.close)
            else:
                seen = await pool(Spool, str(folder / "seen"))
                try:
                    await export_running(opening.items(), writer, seen, pool, progress)
                finally:
                    await pool(seen.close)
            return writer.items

        return await _aside(reactor, beside, work)
    except CatalogEmpty as error:
        raise CannotStart(f"{where} holds no cluster: there is nothing to export") from error
    finally:
        await opening.close()


@click.command("import")
@click.argument("file")
@named_state("The empty catalog: ")
def import_(file: str, where: State) -> None:
    """
    Fill an empty catalog from FILE, which `godos state export` wrote; `-` is standard input.

    No server may use the catalog meanwhile; none starts before it is whole.  Interrupted, do
    it again with the same file.  What no longer fits together is dropped, and told.
    """
    anchor: Any = anchored
    here: State = anchor(where, Path.cwd())
    try:
        if file == STANDARD:
            with _unbuffered(sys.stdin.fileno(), "rb") as pipe:
                input_: Any = pipe
                done = run(lambda reactor: read_export(reactor, here, input_))
        else:
            with open(file, "rb") as source:
                done = run(lambda reactor: read_export(reactor, here, source))
    except OSError as error:
        raise click.ClickException(f"cannot read {file}: {error.strerror}") from error
    for line in told(done, here):
        click.echo(line)


@deferred
async def read_export(reactor: Any, where: State, source: BinaryIO) -> Imported:
    """
    Take an export over into the catalog `where`, made when it is missing.

    Fails: see `Importing.run`.
    """
    opening = OpenCatalog(reactor, where)
    await opening.create()
    await opening.open()
    try:
        items = opening.items()
        backoff = Backoff(reactor, Random())
        writer = Writer(items, backoff, reactor, time.monotonic, new_id)

        async def work(folder: Path, pool: WorkerPool, progress: Progress) -> Imported:
            spool = await pool(Spool, str(folder / "rows"))
            try:
                importing = Importing(items, writer, spool, pool, reactor, new_id, progress)
                return await importing.run(await pool(ExportReader, source))
            finally:
                await pool(spool.close)

        return await _aside(reactor, None, work)
    finally:
        await opening.close()


async def _aside(
    reactor: Any,
    beside: Path | None,
    work: Callable[[Path, WorkerPool, Progress], Awaitable[T]],
) -> T:
    """Work with a temporary folder, a thread of its own, and a count that a person sees."""
    pool = WorkerPool(reactor, "export", 1)
    pool.start()
    try:
        with TemporaryDirectory(prefix=".godos-", dir=beside) as folder, Counting() as counting:
            return await work(Path(folder), pool, counting.at)
    finally:
        await stop_pool(reactor, pool)


def told(done: Imported, where: State) -> list[str]:
    """What a person reads after an import."""
    lines = [f"imported {done.items} rows into {where}"]
    for verb, among in (("dropped", done.findings.dropped), ("added", done.findings.added)):
        lines += [_told(verb, what, finding) for what, finding in sorted(among.items())]
    epoch = done.cluster.epoch
    return [
        *lines,
        f"Cluster {done.cluster.id} is in epoch {epoch} now.  Fragments that this catalog does "
        f"not know stay on the disks until `godos gc --confirm-epoch {epoch}`.",
    ]


def _told(verb: str, what: str, finding: Finding) -> str:
    more = ", …" if finding.count > len(finding.examples) else ""
    examples = ", ".join(map(on_one_line, finding.examples))
    return f"{verb}: {finding.count} {what} ({examples}{more})"
