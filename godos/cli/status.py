"""`godos status`: how the store is, in one word and in all that stands behind it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from godos.cli.keys import json_option
from godos.cli.parameters import in_words, on_one_line
from godos.cli.server import Server
from godos.cli.store import endpoint_option
from godos.cli.times import ago, moment, span

_Document = Mapping[str, Any]
_CLEAR = "\033[H\033[J"  # home, and clear from there.  Source: ECMA-48, CUP and ED


@click.command()
@json_option
@click.option(
    "--watch",
    type=click.FloatRange(min=0.5),
    metavar="SECONDS",
    help="Show it again every so often, until Ctrl-C.",
)
@endpoint_option
def status(as_json: bool, watch: float | None, endpoint: str) -> None:
    """
    Tell how the store is: its nodes, repairs, and what the last census counted.

    The exit code is 0 when it is healthy: a census that finished after the last change of
    members found all that should be there, and nothing waits for repair.  Else it is 1.
    """
    server, healthy = Server(endpoint), False
    try:
        while True:
            document = server.get("/-/status", "health")
            healthy = document["health"] == "healthy"
            _show(document, as_json, clear=watch is not None)
            if watch is None:
                break
            time.sleep(watch)
    except KeyboardInterrupt:
        click.echo("", err=True)
    if not healthy:
        raise SystemExit(1)


def _show(document: _Document, as_json: bool, clear: bool) -> None:
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    if clear and sys.stdout.isatty():
        click.echo(_CLEAR, nl=False)
    for line in lines(document):
        click.echo(line)


def lines(document: _Document) -> Iterator[str]:
    """The document for people."""
    yield f"The store is {document['health']}."
    for reason in document["reasons"]:
        yield f"  {on_one_line(reason)}"
    for advice in document["advice"]:
        yield f"  -> {on_one_line(advice)}"
    yield ""
    yield from _of_census(document)
    yield from _of_repairs(document["repairs"])
    yield from _of_jobs(document["jobs"])
    yield ""
    yield from table(_nodes(document))


def _of_census(document: _Document) -> Iterator[str]:
    census, now = document["census"], document["time"]
    if census is not None:
        yield (
            f"last census   {ago(census['finished'], now)}, took "
            f"{span(census['finished'] - census['started'])}: {many(census['blobs'], 'blob')}, "
            f"{in_words(census['bytes'])}, {many(census['fragments'], 'fragment')}"
        )
        yield (
            f"              {census['below_target']} below target, {census['lost']} lost, "
            f"{census['unreachable']} unreachable, {census['unverified']} unverified for "
            f"{census['verify_days']:g} days, {many(census['strays'], 'stray fragment')}"
        )
    if document["counting"] is not None:
        looked, of = document["counting"]["looked"], document["counting"]["of"]
        yield f"counting now  {looked} of {of} blobs"


def _of_repairs(repairs: _Document) -> Iterator[str]:
    if not repairs["waiting"]:
        yield "repairs       none waiting"
        return
    eta = "" if repairs["eta"] is None else f", done in {span(repairs['eta'])}"
    yield f"repairs       {repairs['waiting']} waiting, {in_words(int(repairs['rate']))}/s{eta}"
    if repairs["trouble"]:
        yield f"              the last trouble: {on_one_line(repairs['trouble'])}"


def _of_jobs(jobs: Sequence[_Document]) -> Iterator[str]:
    for job in jobs:
        if job["state"] != "running":
            continue
        # what is looked at more than once, or was added meanwhile, was not expected
        done = min(job["done"], job["total"] or job["done"])
        of = f" of {job['total']}" if job["total"] else ""
        to = f" to {job['successor']}" if job["successor"] else ""
        yield (
            f"job           {job['kind']} {job['node']}{to}: {done}{of} blobs, "
            f"{job['moved']} fragments ({in_words(job['moved_bytes'])}) moved, "
            f"{job['failed']} failed"
        )
        if job["trouble"]:
            yield f"              the last trouble: {on_one_line(job['trouble'])}"


def _nodes(document: _Document) -> Iterator[Sequence[str]]:
    yield "node", "address", "zone", "state", "used", "of", "all read back since"
    for node in document["nodes"]:
        state = node["state"]
        if not node["answers"] and state != "failed":
            state += f", silent for {span(node['silence'])}"
        since = node["verified_since"]
        yield (
            node["id"],
            node["address"],
            on_one_line(node["zone"]),
            state,
            in_words(node["capacity"] - node["free"]),
            in_words(node["capacity"]),
            moment(since) if since else "not yet",
        )


def many(number: int, what: str) -> str:
    """`1 blob`, `2 blobs`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def table(rows: Iterator[Sequence[str]]) -> Iterator[str]:
    """Rows in columns as wide as they need."""
    kept = list(rows)
    widths = [max(map(len, column)) for column in zip(*kept, strict=True)]
    for row in kept:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  ".join(cells).rstrip()
