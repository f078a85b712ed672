"""Users as commands find them, and as they show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import click

from godos.model.catalog import ICatalog
from godos.model.users import User
from godos.model.versions import Bucket
from godos.service.credentials import read_policy


async def found(catalog: ICatalog, text: str) -> User:
    """
    The user with this id; else the one with this name.

    Raises:
        ClickException: there is none.
    """
    users = await catalog.users()
    for named in (lambda user: user.id, lambda user: user.name):
        for user in users:
            if named(user) == text:
                return user
    raise click.ClickException(f"there is no user {text!r} in the catalog")


async def owned_by(catalog: ICatalog, user: User) -> Sequence[Bucket]:
    """Their buckets."""
    return [bucket for bucket in await catalog.buckets() if bucket.owner == user.id]


def picture(user: User) -> Mapping[str, Any]:
    """For machines; without secrets."""
    return {
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "root": user.root,
        "policy": user.policy,
        "tenant": user.tenant,
        "keys": [{"id": key.id, "active": key.active} for key in user.keys],
    }


def policy_in(file: TextIO | None) -> Mapping[str, Any] | None:
    """
    The policy in a file; None when there is no file.

    Raises:
        ClickException: it holds none.
    """
    if file is None:
        return None
    try:
        return read_policy(file.read())
    except (ValueError, OSError) as error:
        raise click.ClickException(f"{file.name}: {error}") from error
