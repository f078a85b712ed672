"""Who is alive."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from godos.protocol.membership import Pulses


def test_a_first_sight_counts_as_a_beat() -> None:
    """A server that just started does not call everybody dead."""
    pulses = Pulses(15.0)
    pulses.observed({"a": 1}, now=1000.0)
    assert pulses.alive("a", 1014.9)
    assert not pulses.alive("a", 1015.0)


def test_only_change_counts() -> None:
    """Reading the same beat again and again keeps nobody alive."""
    pulses = Pulses(15.0)
    for now in range(0, 30, 2):
        pulses.observed({"still": 7, "beating": now}, float(now))
    assert not pulses.alive("still", 28.0)
    assert pulses.alive("beating", 28.0)


def test_a_beat_that_goes_back_is_a_change() -> None:
    """A process that restarted counts from the start, and lives."""
    pulses = Pulses(15.0)
    pulses.observed({"a": ("boot1", 90)}, 0.0)
    pulses.observed({"a": ("boot2", 1)}, 20.0)
    assert pulses.alive("a", 21.0)


def test_who_fell_silent_is_dead_until_the_next_beat() -> None:
    """One unanswered request is enough to look elsewhere, one beat to be back."""
    pulses = Pulses(15.0)
    pulses.observed({"a": 1}, 0.0)
    pulses.suspect("a")
    pulses.observed({"a": 1}, 1.0)
    assert not pulses.alive("a", 1.0)
    pulses.observed({"a": 2}, 2.0)
    assert pulses.alive("a", 2.0)


def test_strangers_are_not_alive() -> None:
    """Neither those never registered nor those removed."""
    pulses = Pulses(15.0)
    pulses.suspect("nobody")
    pulses.observed({"a": 1}, 0.0)
    pulses.observed({}, 1.0)
    assert not pulses.alive("a", 1.0)


@given(st.lists(st.tuples(st.floats(0.1, 5.0), st.booleans()), max_size=40))
def test_alive_exactly_while_changes_come(steps: list[tuple[float, bool]]) -> None:
    """However looks and beats fall, a member is alive iff the last seen change is recent."""
    pulses, now, beat, changed = Pulses(3.0), 0.0, 0, 0.0
    pulses.observed({"a": beat}, now)
    for wait, beats in steps:
        now += wait
        if beats:
            beat, changed = beat + 1, now
        pulses.observed({"a": beat}, now)
        assert pulses.alive("a", now) == (now - changed < 3.0)
