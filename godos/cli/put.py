"""`godos put`: a file into a store, going on where it broke off."""

from __future__ import annotations

import mimetypes
import os
import stat

import click

from godos.cli.parameters import on_one_line
from godos.cli.progress import Progress
from godos.cli.sending import Sending, Source
from godos.cli.store import OBJECT, Place, connect, endpoint_option, told


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.argument("to", metavar="s3://BUCKET/KEY", type=OBJECT)
@click.option("--restart", is_flag=True, help="Begin anew, also where parts of it are there.")
@click.option("--content-type", help="Else guessed from the name.")
@endpoint_option
def put(file: str, to: Place, restart: bool, content_type: str | None, endpoint: str) -> None:
    """
    Store FILE.

    A large file is sent in parts.  When that breaks off, the same command goes on with the
    parts that are there; a server forgets them after seven days.  The server compares the
    checksum of the whole before there is an object.  Keys are taken from where the AWS tools
    look for them.
    """
    kind = content_type or mimetypes.guess_type(file)[0] or "application/octet-stream"
    sending: Sending | None = None

    def interrupted() -> str:
        if sending is not None and sending.upload:
            return "the same command goes on with the parts that are there"
        return "nothing was stored"

    with told(interrupted):
        fd = os.open(file, os.O_RDONLY)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise click.ClickException(f"{file} is no regular file")
            source = Source.of(fd, file)
            with Progress(on_one_line(to.key), source.size) as progress:
                sending = Sending(connect(endpoint), source, to, progress, kind)
                sending.run(restart)
        except ValueError as error:
            raise click.ClickException(f"{file}: {error}") from error
        finally:
            os.close(fd)
