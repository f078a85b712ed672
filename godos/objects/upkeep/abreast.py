"""Do the same with many things, a few of them at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from twisted.internet.defer import DeferredList
from twisted.python.failure import Failure

from godos.deferreds import deferred

T = TypeVar("T")


@deferred
async def abreast(items: Iterable[T], most: int, work: Callable[[T], Awaitable[object]]) -> None:
    """
    Do `work` with each item, with `most` of them at once, and begin them in order.

    The first failure, or being cancelled, cancels the rest; it fires when all have ended.
    """
    waiting = iter(items)

    @deferred
    async def labour() -> None:
        for item in waiting:
            await work(item)

    labourers = [labour() for _ in range(most)]
    failures: list[Failure] = []

    def failed(failure: Failure) -> None:
        failures.append(failure)
        for other in labourers:
            other.cancel()

    await DeferredList([each.addErrback(failed) for each in labourers])
    if failures:
        failures[0].raiseException()
