"""
Half-open ranges of byte strings as inclusive ones.

DynamoDB takes one condition on the sort key, and the only one with two edges, BETWEEN,
includes both.  As no sort key is longer than MAX_S, every string has a last one before it
and every range an inclusive equivalent, so that pages need no trimming.
"""

from __future__ import annotations

from godos.catalog.rows import MAX_S


def inclusive(start: bytes, stop: bytes | None) -> tuple[bytes | None, bytes | None] | None:
    """
    `low <= s <= high` for `start <= s < stop`, over all s of 1 to MAX_S bytes.

    A None edge is open; None instead of the pair says that the range is empty.
    """
    low = _first_from(start) if start else None
    high = None if stop is None else _last_before(stop)
    if (start and low is None) or (stop is not None and not high):
        return None
    if low is not None and high is not None and low > high:
        return None
    return low, high


def _first_from(start: bytes) -> bytes | None:
    """The first string of at most MAX_S bytes that is not before `start`."""
    if len(start) <= MAX_S:
        return start
    kept = start[:MAX_S].rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1]) if kept else None


def _last_before(stop: bytes) -> bytes:
    """The last string of at most MAX_S bytes before `stop`; b"" when there is none."""
    if len(stop) > MAX_S:
        return stop[:MAX_S]
    if not stop or stop.endswith(b"\0"):
        return stop[:-1]
    before = stop[:-1] + bytes([stop[-1] - 1])
    return before + b"\xff" * (MAX_S - len(before))
