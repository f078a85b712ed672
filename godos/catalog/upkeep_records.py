"""
Rows of upkeep to records and back.

There are few of them, so their fields have the names of the records' own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import asdict, fields_dict

from godos.catalog.items import Item
from godos.catalog.places import CENSUS, Place, job_place, stray_place
from godos.catalog.records import fields, row
from godos.model.members import FORMAT
from godos.model.upkeep import Census, Job, JobKind, JobState, Stray

_BESIDE = ("rev", "state")  # what stands in a row beside its data


def census_item(census: Census, rev: str) -> Item:
    return _item(CENSUS, census, rev)


def census_of(item: Item) -> Census:
    return Census(**_known(Census, item))


def job_item(job: Job) -> Item:
    return _item(job_place(job.kind, job.node), job, job.rev, job.state.value)


def job_of(item: Item) -> Job:
    known = _known(Job, item)
    kind, state = JobKind(known.pop("kind")), JobState(item.state or "")
    return Job(kind=kind, state=state, rev=item.rev or "", **known)


def stray_item(stray: Stray, rev: str) -> Item:
    place = stray_place(stray.node, stray.name)
    return row(*place, rev, reason=stray.reason, since=stray.since)


def stray_of(item: Item) -> Stray:
    data = fields(item)
    node = item.p.removeprefix("Q#")
    return Stray(node, item.s.decode(), data.get("reason", ""), data["since"])


def _item(place: Place, record: Census | Job, rev: str, state: str | None = None) -> Item:
    written = asdict(record, filter=lambda attribute, _: attribute.name not in _BESIDE)
    return Item(*place, {"f": FORMAT, **written}, rev, state)


def _known(kind: type[Census | Job], item: Item) -> dict[str, Any]:
    """What this godos knows of a row's fields; the others have their defaults."""
    data: Mapping[str, Any] = fields(item)
    return {
        name: tuple(data[name]) if isinstance(data[name], list) else data[name]
        for name in fields_dict(kind)
        if name in data
    }
