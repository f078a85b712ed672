"""`godos explain`: where the bytes of an object are, and why there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from godos.cli.keys import json_option
from godos.cli.parameters import Parsed, in_words, on_one_line
from godos.cli.server import Server
from godos.cli.status import table
from godos.cli.store import Place, endpoint_option
from godos.cli.times import moment

_Document = Mapping[str, Any]


def _object(text: str) -> Place:
    """`BUCKET/KEY`, or `s3://BUCKET/KEY`."""
    bucket, _, key = text.removeprefix("s3://").partition("/")
    if not bucket or not key:
        raise ValueError(f"{text!r} names no object: BUCKET/KEY")
    return Place(bucket, key)


@click.command()
@click.argument("of", metavar="BUCKET/KEY", type=Parsed("place", _object))
@click.option("--version-id", metavar="ID", help="Of an older version; `null` is one.")
@click.option("--verify", is_flag=True, help="Let the nodes read the fragments back.")
@json_option
@endpoint_option
def explain(of: Place, version_id: str | None, verify: bool, as_json: bool, endpoint: str) -> None:
    """
    Tell where the fragments of an object are, and what would happen without a node.

    Nodes are asked now.  The exit code is 0 when the object can be read, else 1.
    """
    server = Server(endpoint)
    can = True
    for page in _pages(server, of, version_id, verify):
        can = can and page["readable"]
        if as_json:
            click.echo(json.dumps(page, ensure_ascii=False))
        else:
            for line in lines(page):
                click.echo(line)
    if not can:
        raise SystemExit(1)


def _pages(server: Server, of: Place, version_id: str | None, verify: bool) -> Iterator[_Document]:
    part: int | None = None
    while True:
        page = server.get(
            f"/-/explain/{of.bucket}/{of.key}",
            "readable",
            versionId=version_id,
            part=None if part is None else str(part),
            verify="" if verify else None,
        )
        yield page
        part = page["next"]
        if part is None:
            return


def lines(page: _Document) -> Iterator[str]:
    """One page for people."""
    version = page["version"]
    yield f"{on_one_line(page['bucket'])}/{on_one_line(page['key'])}"
    latest = "the latest version" if version["latest"] else "an older version"
    if version["delete_marker"]:
        yield f"version {version['id']} ({latest}) is a delete marker: it has no bytes."
        return
    parts = f", in {version['parts']} parts" if version["parts"] else ""
    encrypted = ", encrypted" if version["encrypted"] else ""
    yield (
        f"version {version['id']} ({latest}), {in_words(version['size'])}{parts}{encrypted}, "
        f"etag {version['etag']}, {version['storage_class']}, of {moment(version['modified'])}"
    )
    if not page["blobs"]:
        yield "It has no bytes that could be lost."
        return
    for blob in page["blobs"]:
        yield ""
        yield from _of_blob(blob)
    yield ""
    yield from _what_if(page)


def _of_blob(blob: _Document) -> Iterator[str]:
    part = "" if blob["part"] is None else f"part {blob['part']}: "
    if "policy" not in blob:
        yield f"{part}blob {blob['blob']}: {blob['reason']}"
        return
    yield (
        f"{part}blob {blob['blob']}, {in_words(blob['size'])} stored as {blob['policy']}, "
        f"{blob['codec']}: {blob['good']} of {blob['wanted']} fragments, "
        f"{blob['needed']} needed to read"
    )
    yield from (f"  {line}" for line in table(_fragments(blob["fragments"])))
    for each in blob["fragments"]:
        if each["trouble"]:
            yield f"  fragment {each['shard']}: {on_one_line(each['trouble'])}"
    for each in blob["elsewhere"]:
        yield f"  fragment {each['shard']} is also on node {each['node']}, beside the layout"
    if blob["missing"]:
        yield f"  missing: {', '.join(map(str, blob['missing']))}"
    if not blob["readable"]:
        yield f"  It cannot be read: {on_one_line(blob['reason'])}"


def _fragments(fragments: Sequence[_Document]) -> Iterator[Sequence[str]]:
    yield "fragment", "node", "zone", "address", "there", "read back", "why there"
    for each in fragments:
        state = "" if each["node_state"] == "up" else f" ({each['node_state']})"
        yield (
            str(each["shard"]),
            each["node"] + state,
            on_one_line(each["zone"]),
            each["address"],
            each["present"],
            moment(each["verified"]) if each["verified"] else "not known",
            each["why"],
        )


def _what_if(page: _Document) -> Iterator[str]:
    if not page["readable"]:
        yield "It cannot be read now."
    else:
        yield f"It can be read, and {_more(page['losses'])}."
    for node in page["nodes"]:
        if node["readable_without"]:
            yield f"  without node {node['node']}: yes, and {_more(node['losses_then'])}"
        else:
            yield f"  without node {node['node']}: no"


def _more(losses: int) -> str:
    if not losses:
        return "no further node may die"
    return f"any {losses} further node{'' if losses == 1 else 's'} may die"
