"""A bound on bytes per second."""

from __future__ import annotations

from twisted.internet.task import Clock

from godos.objects.upkeep.pace import BURST, Pace


def test_without_a_rate_nothing_waits() -> None:
    """0 bounds nothing."""
    pace = Pace(0, Clock())
    assert all(pace.take(1 << 30).called for _ in range(5))


def test_bytes_pass_at_the_rate() -> None:
    """After what may pass at once, each waits for those before it."""
    clock = Clock()
    pace = Pace(100.0, clock)
    assert pace.take(int(100 * BURST)).called
    first, second = pace.take(50), pace.take(100)
    clock.advance(0.4)
    assert not first.called
    clock.advance(0.1)
    assert first.called
    clock.advance(0.9)
    assert not second.called
    clock.advance(0.1)
    assert second.called


def test_a_rest_is_not_saved_up() -> None:
    """However long nothing passed, no more than one burst passes at once."""
    clock = Clock()
    pace = Pace(100.0, clock)
    clock.advance(3600)
    assert pace.take(100).called
    assert not pace.take(10).called
    for call in clock.getDelayedCalls():
        call.cancel()


def test_whoever_leaves_does_not_hold_up_the_others() -> None:
    """A wait that is cancelled leaves no timer."""
    clock = Clock()
    pace = Pace(100.0, clock)
    pace.take(100)
    waiting = pace.take(100)
    waiting.addErrback(lambda _: None)
    waiting.cancel()
    assert not clock.getDelayedCalls()


def test_the_rate_may_change() -> None:
    """What is taken from then on passes at the new rate."""
    clock = Clock()
    pace = Pace(1.0, clock)
    pace.take(1)
    pace.rate = 0
    assert pace.take(1 << 30).called
