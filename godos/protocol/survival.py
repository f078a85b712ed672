"""How many nodes may die until a blob cannot be read.  Without I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from godos.model.blobs import Placed


def readable(good: Iterable[Placed], data: int) -> bool:
    """Whether these fragments are enough."""
    return len({placed.shard for placed in good}) >= data


def losses(good: Iterable[Placed], data: int) -> int:
    """
    How many nodes may die, whichever they are, and the blob can be read still.

    A shard that is on several nodes counts for the first only, so that the answer may be
    too low, and never too high; of whole copies it is exact.
    """
    held: dict[str, set[int]] = defaultdict(set)
    seen: set[int] = set()
    for placed in good:
        if data == 1:
            held[placed.node].add(0)
        elif placed.shard not in seen:
            held[placed.node].add(placed.shard)
        seen.add(placed.shard)
    if data == 1:
        return max(0, len(held) - 1)
    left, died = len(seen), 0
    for shards in sorted(held.values(), key=len, reverse=True):
        left -= len(shards)
        if left < data:
            break
        died += 1
    return died
