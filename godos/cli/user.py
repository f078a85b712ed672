"""`godos user`: who may sign requests, in the catalog.  Servers know of a change in 2 seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import click
from attrs import evolve

from godos.cli.keys import drawn, json_option, output_option, shown_once
from godos.cli.opening import state_option, with_catalog
from godos.cli.parameters import on_one_line
from godos.cli.user_key import key
from godos.cli.users import found, owned_by, picture, policy_in
from godos.model.catalog import ICatalog
from godos.model.users import ANONYMOUS, User
from godos.model.versions import Bucket
from godos.service.credentials import USER_ID
from godos.service.values import State

FIRST = (
    "This is the first user: from now on servers want requests to be signed.  What was stored "
    "before has no owner, and only --root users may use it."
)
LAST = (
    "That was the last user: servers that were not started with --credentials are open again to "
    "everybody on their machine."
)


@click.group()
def user() -> None:
    """Users and their keys, kept in the catalog."""


user.add_command(key)


# -- add ----------------------------------------------------------------------------------
@user.command()
@click.argument("name")
@click.option("--id", "user_id", help="What their buckets are owned by, for ever.  Else the name.")
@click.option("--email", default="", help="How access control lists may name them.")
@click.option("--root", is_flag=True, help="They may do everything, in all buckets.")
@click.option(
    "--policy",
    "policy_file",
    metavar="FILE",
    type=click.File(encoding="utf-8"),
    help="They may do only what this document of the AWS policy language allows.",
)
@output_option
@json_option
@state_option
def add(
    name: str,
    user_id: str | None,
    email: str,
    root: bool,
    policy_file: TextIO | None,
    output: str | None,
    as_json: bool,
    where: State | None,
) -> None:
    """Add a user, with a key that is shown once."""
    new = User(
        _checked_id(user_id, name),
        _printable("NAME", name),
        _printable("--email", email),
        (drawn(),),
        root,
        policy_in(policy_file),
    )

    async def work(catalog: ICatalog) -> bool:
        is_first = not await catalog.users()
        await catalog.put_user(new)
        return is_first

    with shown_once(new.keys[0], output, as_json):
        is_first = with_catalog(where, work)
    if is_first:
        click.echo(FIRST, err=True)


def _checked_id(given: str | None, name: str) -> str:
    chosen = name if given is None else given
    if chosen == ANONYMOUS.id:
        raise click.UsageError(f"{chosen!r} is the id of those who do not sign.")
    if USER_ID.fullmatch(chosen) is None or not chosen.isprintable():
        what = "NAME is no id" if given is None else "this is no id"
        raise click.UsageError(
            f"{what}, a text without spaces, slashes and colons: give one with --id."
        )
    return chosen


def _printable(what: str, text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise click.UsageError(f"{what} is a text in one line, with no space around it.")
    return text


# -- list ---------------------------------------------------------------------------------
@user.command("list")
@json_option
@state_option
def list_users(as_json: bool, where: State | None) -> None:
    """Show the users of the catalog; those of a --credentials file are not among them."""

    async def work(catalog: ICatalog) -> Sequence[User]:
        return await catalog.users()

    users = with_catalog(where, work)
    if as_json:
        click.echo(json.dumps([picture(one) for one in users], ensure_ascii=False))
        return
    for one in users:
        click.echo(_line(one))
    if not users:
        click.echo("The catalog has no users.", err=True)


def _line(one: User) -> str:
    inactive = sum(not each.active for each in one.keys)
    words = [one.id]
    words += [f"name={one.name}"] if one.name != one.id else []
    words += [f"email={one.email}"] if one.email else []
    words += [f"keys={len(one.keys)}" + (f" ({inactive} disabled)" if inactive else "")]
    words += ["root"] if one.root else []
    words += ["policy"] if one.policy is not None else []
    return on_one_line("  ".join(words))


# -- policy -------------------------------------------------------------------------------
@user.command()
@click.argument("user_name", metavar="USER")
@click.argument("file", type=click.File(encoding="utf-8"), required=False)
@click.option("--none", is_flag=True, help="They may do all that ownership and grants allow.")
@state_option
def policy(user_name: str, file: TextIO | None, none: bool, where: State | None) -> None:
    """
    Let USER do only what the document in FILE (- for standard input) allows.

    With neither FILE nor --none, show the policy they have.
    """
    if file is not None and none:
        raise click.UsageError("Either FILE or --none.")
    if file is None and not none:
        _show_policy(user_name, where)
        return
    document = policy_in(file)

    async def work(catalog: ICatalog) -> User:
        return await catalog.put_user(evolve(await found(catalog, user_name), policy=document))

    changed = with_catalog(where, work)
    if changed.root:
        click.echo(f"{changed.id} is a root user, who may do everything anyway.", err=True)


def _show_policy(name: str, where: State | None) -> None:
    async def work(catalog: ICatalog) -> Mapping[str, Any] | None:
        return (await found(catalog, name)).policy

    document = with_catalog(where, work)
    if document is None:
        click.echo(f"{name} has no policy.", err=True)
    else:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))


# -- remove -------------------------------------------------------------------------------
@user.command()
@click.argument("user_name", metavar="USER")
@click.option("--force", is_flag=True, help="Even when they own buckets.")
@state_option
def remove(user_name: str, force: bool, where: State | None) -> None:
    """
    Remove USER and their keys.

    Somebody who owns buckets is not removed without --force: only root users may use those
    then, and whoever gets the same id later.
    """

    async def work(catalog: ICatalog) -> tuple[User, Sequence[Bucket], bool]:
        gone = await found(catalog, user_name)
        owned = await owned_by(catalog, gone)
        if owned and not force:
            names = ", ".join(bucket.name for bucket in owned[:5])
            more = f" and {len(owned) - 5} more" if len(owned) > 5 else ""
            raise click.ClickException(
                f"{gone.id} owns {names}{more}: empty and delete them first, disable the keys "
                "instead, or say --force"
            )
        await catalog.remove_user(gone)
        return gone, owned, not await catalog.users()

    gone, owned, none_left = with_catalog(where, work)
    click.echo(f"{gone.id} is removed.")
    if owned:
        click.echo(f"{len(owned)} buckets have no owner now.", err=True)
    if none_left:
        click.echo(LAST, err=True)
