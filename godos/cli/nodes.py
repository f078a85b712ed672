"""Nodes as commands find them, and as they show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from godos.cli.parameters import in_words, on_one_line
from godos.model.catalog import ICatalog
from godos.model.members import Node, NodeState
from godos.model.upkeep import Job, JobKind, JobState

NODE = click.argument("name", metavar="NODE")
SHORT = 8  # digits of an id that name a node in most clusters


async def found(catalog: ICatalog, text: str) -> Node:
    """
    The node with this id, this beginning of an id, or this address.

    Raises:
        ClickException: there is none, or more than one.
    """
    nodes: Sequence[Node] = await catalog.nodes()
    chosen = [node for node in nodes if text and (node.id.startswith(text) or node.address == text)]
    exact = [node for node in chosen if node.id == text]
    if len(exact or chosen) == 1:
        return (exact or chosen)[0]
    if not chosen:
        raise click.ClickException(f"there is no node {text!r}: `godos node list` shows them")
    ids = ", ".join(node.id for node in chosen)
    raise click.ClickException(f"{text!r} may be any of {ids}: say more")


def short(node: Node) -> str:
    """For people, in a line that says more."""
    return f"{node.id[:SHORT]} at {node.address}"


def picture(node: Node, beats: bool, jobs: Sequence[Job]) -> Mapping[str, Any]:
    """For machines."""
    return {
        "id": node.id,
        "address": node.address,
        "zone": node.zone,
        "state": node.state.value,
        "reason": node.reason,
        "beats": beats,
        "capacity": node.capacity,
        "free": node.free,
        "joined": node.joined,
        "verified_since": node.verified_since,
        "job": next((str(job.kind) for job in _running(node, jobs)), None),
    }


def line(node: Node, beats: bool, jobs: Sequence[Job]) -> str:
    """For people, without a line's end."""
    words = [node.id, node.address]
    words += [f"zone={node.zone}"] if node.zone else []
    words += [_state(node, jobs), "beats" if beats else "silent"]
    words += [f"{in_words(node.capacity - node.free)} of {in_words(node.capacity)}"]
    words += [f"since {_day(node.joined)}"] if node.joined else []
    words += [f"({node.reason})"] if node.state is NodeState.FAILED else []
    return on_one_line("  ".join(words))


def _state(node: Node, jobs: Sequence[Job]) -> str:
    if node.state is not NodeState.DRAINING:
        return node.state.value
    for job in jobs:
        if job.node == node.id and job.kind in (JobKind.DRAIN, JobKind.REPLACE):
            if job.state is JobState.DONE:
                return "drained"
            if job.state is JobState.RUNNING and job.total:
                return f"draining ({100 * min(job.done, job.total) // job.total} %)"
    return node.state.value


def _running(node: Node, jobs: Sequence[Job]) -> list[Job]:
    return [job for job in jobs if job.node == node.id and job.state is JobState.RUNNING]


def _day(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d")
