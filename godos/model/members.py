"""Who takes part: the cluster itself, its nodes, its API servers."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

FORMAT = 1  # of rows, files and messages


@frozen
class Cluster:
    """
    The META row.  `secret` (hex) signs what servers say to each other; never log it.

    `epoch` rises when a catalog is imported or rebuilt: it may know less than the disks do,
    so nothing that only disks know is removed until an operator confirms that epoch.
    """

    id: str
    secret: str
    policy: str  # "auto" or what Policy.parse reads
    epoch: int
    created: float
    format: int = FORMAT
    confirmed: int = 1  # the epoch up to which the operator allowed to remove stray fragments

    def __repr__(self) -> str:
        return f"<Cluster {self.id} epoch {self.epoch}>"


class NodeState(StrEnum):
    """`failed` nodes serve again only after `godos disk check`."""

    UP = "up"
    DRAINING = "draining"
    FAILED = "failed"


@frozen
class Node:
    """
    One storage directory with a persistent id.

    `beat` is a value that changes while the node lives; who reads it measures on its own
    monotonic clock how long it has not changed.  `address` is `host:port`.  Every fragment
    that the node has was read back whole, or written, since `verified_since`.
    """

    id: str
    boot_id: str
    address: str
    zone: str
    capacity: int  # bytes
    free: int  # bytes
    state: NodeState = NodeState.UP
    beat: int = 0
    reason: str = ""  # why it failed
    rev: str = ""
    verified_since: float = 0.0  # seconds since the epoch; 0: not known
    joined: float = 0.0  # when it first registered, in seconds since the epoch


@frozen
class ApiServer:
    """An API server that answers clients at `address` and takes handed-over replies there."""

    id: str
    address: str
    beat: int = 0
    rev: str = ""
