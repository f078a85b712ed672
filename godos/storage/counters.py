"""What a node counts."""

from __future__ import annotations

from attrs import asdict, define


@define
class Counters:
    """
    Since this process opened the storage directory.  Threads add to them without a lock,
    each field from one place only.
    """

    puts: int = 0  # small fragments that became durable
    put_bytes: int = 0  # their payload
    seals: int = 0  # large fragments that became durable
    seal_bytes: int = 0
    reads: int = 0  # fragments opened
    removals: int = 0  # fragments removed
    groups: int = 0  # writes of the volume log
    log_syncs: int = 0  # its flushes
    file_syncs: int = 0  # flushes of files and folders for large fragments
    compactions: int = 0
    compacted_bytes: int = 0  # freed by them
    damaged: int = 0  # times that something failed its check
    cuts: int = 0  # unfinished writes that were cut off at start

    def as_dict(self) -> dict[str, int]:
        """For metrics."""
        return asdict(self)
