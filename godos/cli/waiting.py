"""Pauses of commands that look at the catalog again and again."""

from __future__ import annotations

import signal
import time
from collections.abc import Collection

import click
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from godos.model.catalog import ICatalog

BEAT_WITHIN = 7.0  # seconds; nodes beat every 5
LOOK = 0.5  # seconds between two looks


def pause(seconds: float) -> Deferred[None]:
    """Fires then.  A caller of the command (a test) may bring its own, as click's `obj`."""
    own = getattr(click.get_current_context().obj, "pause", None)
    if own is not None:
        waited: Deferred[None] = own(seconds)
        return waited
    from twisted.internet import reactor

    return deferLater(reactor, seconds)


def now() -> float:
    """Seconds since the epoch."""
    own = getattr(click.get_current_context().obj, "seconds", None)
    return time.time() if own is None else float(own())


async def beating(
    catalog: ICatalog, among: Collection[str] | None = None, patience: float = BEAT_WITHIN
) -> set[str]:
    """
    The ids of nodes whose beats change while we watch, for `patience` seconds at most.

    Args:
        among: only these matter; None: all.
    """
    first = {node.id: (node.boot_id, node.beat) for node in await catalog.nodes()}
    wanted = set(first) if among is None else set(first).intersection(among)
    found: set[str] = set()
    waited = 0.0
    while not wanted <= found and waited < patience:
        await pause(LOOK)
        waited += LOOK
        later = {node.id: (node.boot_id, node.beat) for node in await catalog.nodes()}
        found |= {node for node in wanted if node in later and later[node] != first[node]}
    return found


def confirmed(question: str) -> None:
    """
    Ask the person, also while the reactor runs, which rests meanwhile.

    Raises:
        Abort: they said no, or pressed Ctrl-C.
    """
    try:
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
    except ValueError:  # not the main thread
        click.confirm(question, abort=True, err=True)
        return
    try:
        click.confirm(question, abort=True, err=True)
    finally:
        signal.signal(signal.SIGINT, before)
