"""`godos get`: an object into a file, which is there whole or not at all."""

from __future__ import annotations

import os
import tempfile

import click

from godos.cli.parameters import on_one_line
from godos.cli.progress import Progress
from godos.cli.receiving import Check, Expected, blocks, expected
from godos.cli.store import OBJECT, Place, connect, endpoint_option, told


@click.command()
@click.argument("of", metavar="s3://BUCKET/KEY", type=OBJECT)
@click.argument("file", type=click.Path())
@endpoint_option
def get(of: Place, file: str, endpoint: str) -> None:
    """
    Fetch an object into FILE, or into the folder FILE under the key's last part.

    FILE is replaced once all bytes are there and their checksum is right; until then, and
    when that fails, it stays as it was.
    """
    path = target(of, file)
    with told(lambda: f"{path} is as it was"):
        s3 = connect(endpoint)
        wanted = expected(s3, of)
        _fetch(s3, of, wanted, path)
    if wanted.proof is None:
        click.echo("The object has no checksum of its whole: only its size was compared.", err=True)


def target(of: Place, file: str) -> str:
    """
    Where the bytes go.

    Raises:
        UsageError: FILE is a folder, and the key's last part can be no file's name; or it is
            a device or a pipe, whose place a file would take.
    """
    if not os.path.isdir(file):
        if os.path.exists(file) and not os.path.isfile(file):
            raise click.UsageError(f"{file} is no file.")
        return file
    name = of.key.rpartition("/")[2]
    if name in ("", ".", "..") or "\0" in name:
        raise click.UsageError(f"{file} is a folder: say which file in it")
    return os.path.join(file, name)


def _fetch(s3: object, of: Place, wanted: Expected, path: str) -> None:
    check = Check(wanted)
    folder, name = os.path.split(path)
    fd, part = tempfile.mkstemp(prefix=f".{name[:100]}.", suffix=".part", dir=folder or ".")
    try:
        with os.fdopen(fd, "wb") as out, Progress(on_one_line(of.key), wanted.size) as progress:
            for block in blocks(s3, of, wanted):
                out.write(block)
                check.update(block)
                progress.add(len(block))
            check.end()
            out.flush()
            os.fchmod(fd, _mode(path))
            os.fsync(fd)
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise


def _mode(path: str) -> int:
    """The permissions of the file that is replaced; else what new files get."""
    try:
        return os.stat(path).st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
