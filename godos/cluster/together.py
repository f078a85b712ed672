"""Wait for several things at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from twisted.internet.defer import Deferred, FirstError, gatherResults

from godos.deferreds import deferred

T = TypeVar("T")


@deferred
async def together(work: Iterable[Deferred[T]]) -> list[T]:
    """
    The results of all, in order.

    The first failure is the failure of the whole, as it is and not wrapped; cancelling
    cancels all.
    """
    try:
        return await gatherResults(list(work), consumeErrors=True)
    except FirstError as first:
        first.subFailure.raiseException()
