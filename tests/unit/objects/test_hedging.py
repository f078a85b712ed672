"""When a node is slow, and how often another is asked because of that."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from godos.objects.hedging import BURST, CEILING, FLOOR, SHARE, SHUNNED, STALLED, UNKNOWN, Hedging


def hedging() -> tuple[Hedging, Clock]:
    clock = Clock()
    return Hedging(clock), clock


def test_slow_is_who_is_slower_than_usual() -> None:
    """Of a hundred times one is longer; nodes of another kind have another measure."""
    one, _ = hedging()
    assert one.delay("near") == one.delay("far") == UNKNOWN
    for number in range(1000):
        one.took("far", 0.2 if number % 100 else 1.5)
        one.took("near", 0.03)
    assert 0.2 <= one.delay("far") <= 1.5
    assert one.delay("near") == 0.03
    assert one.delay("other") == UNKNOWN


def test_what_is_usual_changes() -> None:
    """Only the last times count."""
    one, _ = hedging()
    for seconds in (0.5, 0.05):
        for _ in range(1100):
            one.took("far", seconds)
        assert one.delay("far") == seconds


@given(st.lists(st.floats(0, 1000), max_size=200))
def test_no_times_make_it_absurd(times: list[float]) -> None:
    """Nobody is slow at once, and nobody is waited for without end."""
    one, _ = hedging()
    for seconds in times:
        one.took("far", seconds)
    assert FLOOR <= one.delay("far") <= CEILING
    assert one.stalled("far") >= max(STALLED, 2 * one.delay("far"))


def test_the_extra_load_is_bounded() -> None:
    """When all are slow, a few in a hundred are asked twice, after a first handful."""
    one, _ = hedging()
    asked, extra = 10_000, 0
    for _ in range(asked):
        one.asked()
        extra += one.grant(1)
    assert asked * SHARE <= extra <= asked * SHARE + BURST + 1


def test_what_costs_more_than_there_ever_is() -> None:
    """Many fragments in place of one need all that is saved up."""
    one, _ = hedging()
    assert one.grant(30)
    assert not one.grant(1)
    for _ in range(int(BURST / SHARE) + 1):
        one.asked()
    assert one.grant(30)


def test_who_was_overtaken_is_asked_last_for_a_while() -> None:
    """Then it gets another chance."""
    one, clock = hedging()
    assert not one.shuns("n")
    one.shun("n")
    assert one.shuns("n")
    assert not one.shuns("m")
    clock.advance(SHUNNED + 0.01)
    assert not one.shuns("n")
