"""What is not taken over by an import: it is of the processes that were, or made anew."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from godos.catalog.closing_context import Closing
from godos.catalog.items import Item
from godos.catalog.members import node_item, node_of
from godos.catalog.places import (
    APIS,
    CENSUS,
    JOBS,
    NODES,
    USER_EMAILS,
    USER_KEYS,
    USER_NAMES,
    USERS,
)
from godos.catalog.records import row
from godos.catalog.upkeep_records import job_item, job_of
from godos.catalog.users import own_places, user_of
from godos.model.upkeep import JobState

# Leases and quarantine begin anew; the content index, the list of open uploads and what only
# one user can have are made of the rows they speak of.
_LEFT = ("L#", "Q#", "D#", "U#", f"{USER_NAMES}", f"{USER_KEYS}", f"{USER_EMAILS}")
_IMPORTED = "the catalog was imported: begin it again if it is still wanted"


def leave_out(closing: Closing) -> Iterator[int]:
    """
    Drop what tells of processes and of moments that are over, without a word.

    Nodes stay with their states, for layouts name them; no node is known to be verified.  A
    job that ran is over, so that nothing begins to move by itself.
    """
    spool = closing.spool
    for prefix in _LEFT:
        yield spool.drop_all(prefix)
    spool.drop((item.p, item.s) for item in spool.partition(APIS))
    spool.drop([CENSUS])
    spool.put(map(_quiet, spool.partition(NODES)))
    spool.put(_ended(item) for item in spool.partition(JOBS))
    yield 0


def claims(closing: Closing) -> Iterator[int]:
    """What only one user can have; of two who were read with the same, the first has it."""
    for item in closing.spool.partition(USERS):
        user = user_of(item)
        for place in sorted(own_places(user)):
            standing = closing.spool.get(*place)
            if standing is None:
                closing.spool.put([row(*place, user.rev, user=user.id)])
            else:
                who = standing.data["user"]
                closing.findings.drop(
                    "names and keys that another user has", f"{place[1].decode()} of {who}"
                )
        yield 1


def _quiet(item: Item) -> Item:
    return node_item(evolve(node_of(item), beat=0, verified_since=0.0))


def _ended(item: Item) -> Item:
    job = job_of(item)
    if job.state is not JobState.RUNNING:
        return item
    return job_item(evolve(job, state=JobState.CANCELLED, trouble=_IMPORTED))
