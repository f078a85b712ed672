"""What the cluster knows of its own health, and the long work that operators ask for."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen


@frozen
class Census:
    """
    What one census counted: all blobs of the catalog against all that is on disks.

    Counts are of blobs (the stored bytes of an object, or of one part of it).  `members`
    tells between which members it was true: see `protocol.upkeep.members_mark`.
    """

    started: float  # seconds since the epoch
    finished: float
    members: str
    epoch: int
    blobs: int
    bytes: int  # of all blobs, once each
    fragments: int  # that were found on disks
    below_target: int  # fewer good fragments on disks that answered than the policy asks for
    lost: int  # fewer than reading needs, and every registered disk answered
    unverified: int  # with a fragment that nobody read for longer than `verify_days`
    verify_days: float
    strays: int  # fragments on disks that no layout names
    silent: tuple[str, ...] = ()  # nodes that did not answer; their fragments count as missing
    unreachable: int = 0  # fewer than reading needs, on the disks that answered


class JobKind(StrEnum):
    """Of long work that an operator asked for."""

    DRAIN = "drain"  # move all fragments off `node`
    REPLACE = "replace"  # the same, to `successor`
    REBALANCE = "rebalance"  # move fragments to where placement would put them now
    CONVERT = "convert"  # store blobs with the policy that is wanted now
    REMOVE = "remove"  # always done: the node was removed, and must not come back unasked


class JobState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


@frozen
class Job:
    """
    One piece of long work, and how far it is.

    The lease holder works on it and writes its progress; whoever asked reads it.  A job
    that is interrupted goes on at `cursor`.  There is one of each kind and node at a time.
    """

    id: str
    kind: JobKind
    node: str = ""
    successor: str = ""
    state: JobState = JobState.RUNNING
    started: float = 0.0  # seconds since the epoch
    updated: float = 0.0
    cursor: str = ""
    total: int = 0  # blobs to look at; 0: not known yet
    done: int = 0  # blobs that were looked at
    moved: int = 0  # fragments
    moved_bytes: int = 0
    failed: int = 0  # blobs that could not be brought where they belong in this round
    trouble: str = ""  # the last reason why
    rev: str = ""


@frozen
class Stray:
    """
    A fragment on a disk that no layout names, in quarantine: removed after its grace.

    `since` is when a census first saw it so, in seconds since the epoch.
    """

    node: str
    name: str  # a FragmentName's text
    reason: str  # "no blob" | "condemned" | "not in the layout"
    since: float
