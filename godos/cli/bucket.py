"""`godos bucket`: what an operator looks at and limits, whoever owns the bucket."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from godos.cli.keys import json_option
from godos.cli.opening import state_option, with_catalog
from godos.cli.parameters import Parsed, count, in_words, size
from godos.model.catalog import ICatalog
from godos.model.members import Node
from godos.model.policy import Policy
from godos.model.versions import Bucket, Versioning
from godos.objects.compressing import CODECS
from godos.objects.quotas import QUOTA, USAGE
from godos.objects.redundancy import (
    COMPRESSION,
    NO_COMPRESSION,
    POLICY,
    STORAGE,
    checked_policy,
)
from godos.protocol.placement import AUTO, failure_domains
from godos.service.values import State

_DEFAULT = "default"  # the policy of the servers
_VERSIONING = {"enabled": Versioning.ENABLED, "suspended": Versioning.SUSPENDED}

Pictured = tuple[Bucket, Mapping[str, Any]]  # with its settings


@click.group()
def bucket() -> None:
    """Buckets: their quotas, their versioning, and how they are stored."""


@bucket.command("list")
@json_option
@state_option
def list_buckets(as_json: bool, where: State | None) -> None:
    """Show all buckets, and who owns them."""

    async def work(catalog: ICatalog) -> Sequence[Pictured]:
        return [(one, await catalog.settings(one)) for one in await catalog.buckets()]

    found = with_catalog(where, work)
    if as_json:
        click.echo(json.dumps([picture(*one) for one in found], ensure_ascii=False))
        return
    for one, settings in found:
        click.echo(f"{_time(one.created)}  {one.name}  owner={one.owner}{_limits(settings)}")


@bucket.command()
@click.argument("name", metavar="BUCKET")
@json_option
@state_option
def show(name: str, as_json: bool, where: State | None) -> None:
    """Show what is known of BUCKET; the documents of its settings with --json."""
    one, settings = with_catalog(where, lambda catalog: pictured(catalog, name))
    if as_json:
        document = {**picture(one, settings), "settings": settings}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    click.echo(f"bucket      {one.name}\nowner       {one.owner}\nmade        {_time(one.created)}")
    click.echo(f"versioning  {str(one.versioning) or 'never on'}")
    click.echo(f"locks       {'possible' if one.object_lock else 'none'}")
    for line in _quota_lines(settings):
        click.echo(line)
    for line in _storage_lines(settings):
        click.echo(line)
    others = sorted(set(settings) - {QUOTA, USAGE, STORAGE})
    click.echo(f"settings    {', '.join(others) or 'none'}")


@bucket.command()
@click.argument("name", metavar="BUCKET")
@click.option("--bytes", "most_bytes", type=Parsed("size", size), help="Such as 500MB or 10GiB.")
@click.option("--objects", "most_objects", type=Parsed("number", count), help="Versions count.")
@click.option("--none", is_flag=True, help="No limit any more.")
@json_option
@state_option
def quota(
    name: str,
    most_bytes: int | None,
    most_objects: int | None,
    none: bool,
    as_json: bool,
    where: State | None,
) -> None:
    """
    Limit what BUCKET may hold, or show its limits and what it holds.

    A limit that is not named stays as it is.  Servers know of a change within 2 seconds;
    what a bucket holds is counted every five minutes.
    """
    asked = {"bytes": most_bytes, "objects": most_objects}
    changes = {what: limit for what, limit in asked.items() if limit is not None}
    if none and changes:
        raise click.UsageError("Either limits or --none.")

    async def work(catalog: ICatalog) -> Pictured:
        one, settings = await pictured(catalog, name)
        if none:
            await catalog.set_setting(one, QUOTA, None)
            await catalog.set_setting(one, USAGE, None)  # nobody counts it any more
            return one, {}
        if changes:
            limits = {**(settings.get(QUOTA) or {}), **changes}
            await catalog.set_setting(one, QUOTA, limits)
            return one, {**settings, QUOTA: limits}
        return one, settings

    one, settings = with_catalog(where, work)
    if as_json:
        click.echo(json.dumps({key: picture(one, settings)[key] for key in (QUOTA, USAGE)}))
        return
    for line in _quota_lines(settings):
        click.echo(line)


@bucket.command()
@click.argument("name", metavar="BUCKET")
@click.argument("become", metavar="[enabled|suspended]", type=click.Choice(list(_VERSIONING)))
@state_option
def versioning(name: str, become: str, where: State | None) -> None:
    """
    Keep older versions of BUCKET's objects from now on, or no more new ones.

    With a catalog in DynamoDB this takes ten seconds, until all servers know.
    """

    async def work(catalog: ICatalog) -> Bucket:
        return await catalog.set_versioning(name, _VERSIONING[become])

    one = with_catalog(where, work)
    click.echo(f"The versioning of {one.name} is {become}.")


@bucket.command()
@click.argument("name", metavar="BUCKET")
@click.argument(
    "become",
    metavar=f"{'|'.join(CODECS)}|{NO_COMPRESSION}",
    type=click.Choice([*CODECS, NO_COMPRESSION]),
)
@state_option
def compression(name: str, become: str, where: State | None) -> None:
    """
    Compress what is stored in BUCKET from now on, or do not.

    What is stored already stays as it is and is read as before.  Objects that do not become
    a tenth smaller are stored as they come.  Servers know of it within 2 seconds.
    """
    changed = None if become == NO_COMPRESSION else become
    one = with_catalog(where, lambda catalog: _stored_with(catalog, name, COMPRESSION, changed))
    click.echo(f"The compression of {one.name} is {become} for what is stored from now on.")


@bucket.command()
@click.argument("name", metavar="BUCKET")
@click.argument("become", metavar="POLICY|default", type=Parsed("policy", lambda text: _wish(text)))
@state_option
def policy(name: str, become: str, where: State | None) -> None:
    """
    Say how many copies of BUCKET's objects are stored, or with which code.

    POLICY is copies=N, ec=K+M or auto; with default the bucket has none of its own and
    follows the servers' --policy.  A storage class that the servers map to a policy counts
    more.  Servers know of it within 2 seconds; `godos convert` moves what is stored already.
    """
    changed = None if become == _DEFAULT else become

    async def work(catalog: ICatalog) -> tuple[Bucket, Sequence[Node]]:
        return await _stored_with(catalog, name, POLICY, changed), await catalog.nodes()

    one, nodes = with_catalog(where, work)
    click.echo(f"The policy of {one.name} is {become} for what is stored from now on.")
    _warn_of_few(become, failure_domains(nodes))


def _warn_of_few(become: str, nodes: int) -> None:
    """A code needs all its nodes to be there before anything can be stored with it."""
    if become in (_DEFAULT, AUTO):
        return
    wanted = Policy.parse(become)
    if wanted.width > nodes:
        what = "uploads into it are refused" if wanted.coded else "what is stored is below target"
        click.echo(
            f"Warning: {become} needs {wanted.width} nodes and there are {nodes}: {what} until "
            "there are more.",
            err=True,
        )


def _wish(text: str) -> str:
    return text if text == _DEFAULT else checked_policy(text)


async def _stored_with(catalog: ICatalog, name: str, what: str, become: str | None) -> Bucket:
    """Change one word of how a bucket is stored; None takes it away."""
    one, settings = await pictured(catalog, name)
    words = {**_storage(settings), what: become}
    words = {each: word for each, word in words.items() if word is not None}
    await catalog.set_setting(one, STORAGE, words or None)
    return one


def _storage(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the bucket says; what is no document says nothing, and is written anew."""
    found = settings.get(STORAGE)
    return found if isinstance(found, Mapping) else {}


async def pictured(catalog: ICatalog, name: str) -> Pictured:
    """A bucket with its settings.  Fails with NoSuchBucket."""
    one = await catalog.bucket(name)
    return one, await catalog.settings(one)


def picture(one: Bucket, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """For machines."""
    return {
        "name": one.name,
        "id": one.id,
        "owner": one.owner,
        "created": one.created,
        "versioning": str(one.versioning),
        "object_lock": one.object_lock,
        QUOTA: settings.get(QUOTA),
        USAGE: settings.get(USAGE),
        STORAGE: settings.get(STORAGE),
    }


def _storage_lines(settings: Mapping[str, Any]) -> list[str]:
    storage = _storage(settings)
    return [
        f"policy      {storage.get(POLICY, 'that of the servers')}",
        f"compression {storage.get(COMPRESSION, NO_COMPRESSION)}",
    ]


def _quota_lines(settings: Mapping[str, Any]) -> list[str]:
    limits, usage = settings.get(QUOTA), settings.get(USAGE)
    if not limits:
        return ["quota       none"]
    if not usage:
        return [f"quota       {_words(limits)}", "holds       not counted yet"]
    counted = f"{_words(usage)}, counted {_time(usage.get('surveyed', 0.0))}"
    return [f"quota       {_words(limits)}", f"holds       {counted}"]


def _words(amount: Mapping[str, Any]) -> str:
    words = [in_words(amount["bytes"])] if "bytes" in amount else []
    words += [f"{amount['objects']} objects"] if "objects" in amount else []
    return ", ".join(words)


def _limits(settings: Mapping[str, Any]) -> str:
    limits = settings.get(QUOTA)
    return f"  quota={_words(limits)}" if limits else ""


def _time(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
