"""Putting the versions of each key in order, as an import finds them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from attrs import evolve

from godos.catalog.closing_context import Closing
from godos.catalog.items import Item
from godos.catalog.places import ObjectKey
from godos.catalog.records import Head, fields, head_item, head_of, older_item, older_of
from godos.model.versions import ObjectVersion


def close_histories(closing: Closing) -> Iterator[int]:
    """
    The latest version of each key is the head, and knows of the others.

    Keys without older versions need no look.
    """
    partition = ""
    for page in closing.spool.pages("H#"):
        for item in page:
            if item.p != partition:
                partition = item.p
                rows = sorted(closing.spool.partition(partition), key=_key)
                for key, older in groupby(rows, _key):
                    _close_key(closing, key, list(older))
        yield len(page)


def _key(item: Item) -> str:
    key: str = fields(item)["key"]
    return key


def _close_key(closing: Closing, key: str, rows: Sequence[Item]) -> None:
    bucket = closing.buckets[rows[0].p.split("#")[1]]
    at = ObjectKey(bucket, key)
    standing = closing.spool.get(*at.head)
    head = None if standing is None else head_of(at, standing)
    older = [older_of(at, item) for item in rows]
    if head is not None and _is_closed(head, older):
        return
    what = f"{bucket.name}/{key}"
    if head is None:
        closing.findings.add("latest versions, out of older ones", what)
    versions = _in_order(closing, what, head, older)
    latest, others = versions[0], versions[1:]
    null = next((version.seq for version in others if version.is_null), None)
    closing.spool.drop((item.p, item.s) for item in rows)
    put = Head(evolve(latest, rev=closing.draw_id()), bool(others), null)
    closing.spool.put([head_item(at, put), *(older_item(at, one, one.rev) for one in others)])


def _is_closed(head: Head, older: Sequence[ObjectVersion]) -> bool:
    nulls = [version.seq for version in older if version.is_null]
    return (
        head.older
        and all(version.seq < head.version.seq for version in older)
        and all(version.reference != head.version.reference for version in older)
        and (not nulls or (nulls == [head.null_seq] and not head.version.is_null))
    )


def _in_order(
    closing: Closing, what: str, head: Head | None, older: Sequence[ObjectVersion]
) -> list[ObjectVersion]:
    """The newest first; each once, and one null version at most."""
    found = [*older] if head is None else [head.version, *older]
    kept: list[ObjectVersion] = []
    for version in sorted(found, key=lambda one: -one.seq):  # the head comes first of equals
        if any(version.reference == other.reference for other in kept):
            continue
        if any(version.seq == other.seq or (version.is_null and other.is_null) for other in kept):
            closing.findings.drop("versions that another has taken the place of", what)
            continue
        kept.append(version)
    return kept
