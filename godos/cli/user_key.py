"""`godos user key`: keys are added before the old ones go, so that they change without a pause."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import chain

import click
from attrs import evolve

from godos.cli.keys import drawn, json_option, output_option, shown_once
from godos.cli.opening import state_option, with_catalog
from godos.cli.parameters import on_one_line
from godos.cli.users import found, picture
from godos.model.catalog import ICatalog
from godos.model.users import AccessKey, User
from godos.service.values import State

user_argument = click.argument("user_name", metavar="USER")
key_argument = click.argument("key_id", metavar="KEY")


@click.group()
def key() -> None:
    """The keys of a user.  Secrets are shown when they are drawn, and never again."""


@key.command()
@user_argument
@output_option
@json_option
@state_option
def add(user_name: str, output: str | None, as_json: bool, where: State | None) -> None:
    """Draw another key for USER, and show it once."""
    new = drawn()

    async def work(catalog: ICatalog) -> User:
        user = await found(catalog, user_name)
        return await catalog.put_user(evolve(user, keys=(*user.keys, new)))

    with shown_once(new, output, as_json):
        with_catalog(where, work)


@key.command("list")
@user_argument
@json_option
@state_option
def list_keys(user_name: str, as_json: bool, where: State | None) -> None:
    """Show the ids of USER's keys, and which are disabled."""

    async def work(catalog: ICatalog) -> User:
        return await found(catalog, user_name)

    user = with_catalog(where, work)
    if as_json:
        click.echo(json.dumps(picture(user)["keys"]))
        return
    for one in user.keys:
        click.echo(on_one_line(one.id) + ("" if one.active else "  disabled"))


@key.command()
@user_argument
@key_argument
@state_option
def disable(user_name: str, key_id: str, where: State | None) -> None:
    """Refuse what KEY signs, until it is enabled."""
    _change(where, user_name, key_id, lambda one: (evolve(one, active=False),))


@key.command()
@user_argument
@key_argument
@state_option
def enable(user_name: str, key_id: str, where: State | None) -> None:
    """Take again what KEY signs."""
    _change(where, user_name, key_id, lambda one: (evolve(one, active=True),))


@key.command()
@user_argument
@key_argument
@state_option
def remove(user_name: str, key_id: str, where: State | None) -> None:
    """Remove KEY for good."""
    _change(where, user_name, key_id, lambda _: ())


def _change(
    where: State | None,
    user_name: str,
    key_id: str,
    become: Callable[[AccessKey], tuple[AccessKey, ...]],
) -> None:
    """Put what the key is to `become` in its place."""

    async def work(catalog: ICatalog) -> User:
        user = await found(catalog, user_name)
        if key_id not in [one.id for one in user.keys]:
            raise click.ClickException(f"user {user.id!r} has no key {key_id!r}")
        keys = [(one,) if one.id != key_id else become(one) for one in user.keys]
        return await catalog.put_user(evolve(user, keys=tuple(chain.from_iterable(keys))))

    user = with_catalog(where, work)
    if not any(one.active for one in user.keys):
        click.echo(f"{user.id} has no key now that works.", err=True)
