"""A few of many at once."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred

from godos.model.errors import NodeUnreachable
from godos.objects.upkeep.abreast import abreast
from tests.unit.objects.stores import now


class Work:
    """What was begun, and has not ended."""

    def __init__(self) -> None:
        self.running: dict[int, Deferred[None]] = {}
        self.cancelled: list[int] = []

    def __call__(self, item: int) -> Deferred[None]:
        self.running[item] = Deferred(lambda _: self.cancelled.append(item))
        return self.running[item]


def test_in_order_and_no_more_than_asked_for() -> None:
    """The next begins when one ends."""
    work = Work()
    done = abreast(range(4), 2, work)
    assert list(work.running) == [0, 1]
    work.running[1].callback(None)
    assert list(work.running) == [0, 1, 2]
    for item in (2, 3, 0):
        work.running[item].callback(None)
    assert now(done) is None


def test_nothing_to_do() -> None:
    """It is over at once."""
    now(abreast([], 3, Work()))


def test_the_first_failure_ends_all() -> None:
    """What runs is cancelled, what waits never begins, and the failure is told."""
    work = Work()
    done = abreast(range(9), 3, work)
    work.running[1].errback(NodeUnreachable("gone"))
    assert sorted(work.cancelled) == [0, 2]
    assert list(work.running) == [0, 1, 2]
    with pytest.raises(NodeUnreachable):
        now(done)


def test_cancelling_ends_all() -> None:
    """And it has ended then."""
    work = Work()
    done = abreast(range(9), 3, work)
    done.cancel()
    assert sorted(work.cancelled) == [0, 1, 2]
    with pytest.raises(CancelledError):
        now(done)
