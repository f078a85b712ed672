"""`godos ls`: what is in a store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from godos.cli.keys import json_option
from godos.cli.parameters import on_one_line
from godos.cli.store import PLACE, Place, connect, endpoint_option, told


@click.command()
@click.argument("of", metavar="[s3://BUCKET/PREFIX]", type=PLACE, required=False)
@click.option("-r", "--recursive", is_flag=True, help="All objects, not those below a slash.")
@json_option
@endpoint_option
def ls(of: Place | None, recursive: bool, as_json: bool, endpoint: str) -> None:
    """List your buckets, or the objects whose keys begin with PREFIX."""
    with told(lambda: "there is more"):
        s3 = connect(endpoint)
        found = _buckets(s3) if of is None else _objects(s3, of, recursive)
        for entry in found:
            click.echo(json.dumps(entry, ensure_ascii=False) if as_json else _line(entry))


def _buckets(s3: Any) -> Iterator[Mapping[str, Any]]:
    for page in s3.get_paginator("list_buckets").paginate():
        for bucket in page.get("Buckets", ()):
            yield {"bucket": bucket["Name"], "time": _time(bucket["CreationDate"])}


def _objects(s3: Any, of: Place, recursive: bool) -> Iterator[Mapping[str, Any]]:
    words = {} if recursive else {"Delimiter": "/"}
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=of.bucket, Prefix=of.key, **words)
    for page in pages:
        for prefix in page.get("CommonPrefixes", ()):
            yield {"prefix": prefix["Prefix"]}
        for entry in page.get("Contents", ()):
            yield {
                "key": entry["Key"],
                "size": entry["Size"],
                "time": _time(entry["LastModified"]),
                "etag": entry["ETag"].strip('"'),
            }


def _line(entry: Mapping[str, Any]) -> str:
    if "bucket" in entry:
        return f"{entry['time']}  {entry['bucket']}"
    if "prefix" in entry:
        return f"{'':20}  {'':>15}  {on_one_line(entry['prefix'])}"
    return f"{entry['time']}  {entry['size']:>15}  {on_one_line(entry['key'])}"


def _time(when: Any) -> str:
    return str(when.strftime("%Y-%m-%dT%H:%M:%SZ"))
