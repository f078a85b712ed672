"""Keys of users: drawn, and shown once."""

from __future__ import annotations

import json
import os
import secrets
import string
from collections.abc import Iterator
from contextlib import contextmanager

import click

from godos.model.users import AccessKey

_LETTERS = string.ascii_uppercase + "234567"  # those of base 32: none looks like another
_PREFIX, _LENGTH = "GODOS", 20  # as long as AWS's, for clients that check it
_SECRET = 30  # random bytes

output_option = click.option(
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Write the key to this new file, which only you can read, and not to the terminal.  It "
    "is what AWS_SHARED_CREDENTIALS_FILE may name.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="As JSON.")


def drawn() -> AccessKey:
    """A new key; 75 random bits in its id, 240 in its secret."""
    letters = (secrets.choice(_LETTERS) for _ in range(_LENGTH - len(_PREFIX)))
    return AccessKey(_PREFIX + "".join(letters), secrets.token_urlsafe(_SECRET))


@contextmanager
def shown_once(key: AccessKey, path: str | None, as_json: bool) -> Iterator[None]:
    """
    Show a new key once the body has made it one: on standard output, or in the file `path`.

    The file is written before, since a secret that nobody could be shown would be lost; it
    goes again when the body raises.

    Raises:
        ClickException: the file cannot be made, or is there already.
    """
    if path is None:
        yield
        _print(key, as_json)
        return
    _write(key, path)
    try:
        yield
    except BaseException:
        os.unlink(path)
        raise
    click.echo(f"The key is in {path}; it is not shown again.", err=True)


def _write(key: AccessKey, path: str) -> None:
    text = f"[default]\naws_access_key_id = {key.id}\naws_secret_access_key = {key.secret}\n"
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from error


def _print(key: AccessKey, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"access_key": key.id, "secret_key": key.secret}))
    else:
        click.echo(f"access key  {key.id}\nsecret key  {key.secret}")
        click.echo("The secret is not shown again.", err=True)
