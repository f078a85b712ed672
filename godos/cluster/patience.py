"""The time-out of every wait for another server."""

from __future__ import annotations

from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from godos.model.errors import NodeUnreachable

T = TypeVar("T")


def within(seconds: float, clock: IReactorTime, work: Deferred[T], otherwise: str) -> Deferred[T]:
    """
    Cancel `work` when it takes longer than `seconds`; it then fails as NodeUnreachable.

    Args:
        otherwise: what is said then; the seconds are added.
    """

    def silent(_: Any, waited: float) -> Any:
        raise NodeUnreachable(f"{otherwise} for {waited:g} s")

    return work.addTimeout(seconds, clock, silent)
