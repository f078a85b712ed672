"""Several reads at once."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


async def together(coroutines: Iterable[Coroutine[Deferred[Any], Any, T]]) -> list[T]:
    """
    What they return, in their order.

    The first failure is passed on as it is (Twisted's gatherResults would wrap it), and
    then, or when the caller is cancelled, what still runs is cancelled.
    """
    running = [Deferred.fromCoroutine(coroutine) for coroutine in coroutines]
    try:
        return [await each for each in running]
    finally:
        for each in running:
            each.addErrback(_told_already)
            each.cancel()


def _told_already(_failure: Failure) -> None:
    """The caller has one failure; the others, and our own cancelling, say nothing more."""
