"""Which events wait when queues do not take them."""

from __future__ import annotations

from godos.protocol.outbox import (
    FIRST_REST,
    FORGOTTEN,
    LONGEST_REST,
    MOST_KEYS,
    HeldBack,
    Rests,
)


def test_rests_grow() -> None:
    """A queue that fails again and again is tried after twice the time, up to five minutes."""
    rests, now, waits = Rests(), 1000.0, []
    for _ in range(12):
        rests.failed("q", now)
        waits.append(rests.until("q") - now)
        assert rests.rests("q", now)
        now = rests.until("q")
        assert not rests.rests("q", now)
    assert waits[:4] == [FIRST_REST, 2 * FIRST_REST, 4 * FIRST_REST, 8 * FIRST_REST]
    assert waits[-2:] == [LONGEST_REST, LONGEST_REST]


def test_failures_at_the_same_time() -> None:
    """Several messages that fail together count as one failure."""
    rests = Rests()
    assert [rests.failed("q", 10.0) for _ in range(8)] == [True] + [False] * 7
    assert rests.until("q") == 10.0 + FIRST_REST


def test_news() -> None:
    """The first failure is news, and the first success after it; all between is not."""
    rests = Rests()
    assert not rests.worked("q")
    assert rests.failed("q", 0.0)
    assert not rests.failed("q", 5.0)
    assert rests.worked("q")
    assert not rests.worked("q")
    assert not rests.rests("q", 5.0)
    assert rests.failed("q", 6.0)


def test_queues_that_are_configured_no_more() -> None:
    """Queues that nobody sends to any more are forgotten."""
    rests = Rests()
    for n in range(100):
        rests.failed(f"q{n}", float(n))
    rests.failed("new", 200.0 + FORGOTTEN)
    assert rests.until("new") > 0
    assert not any(rests.until(f"q{n}") for n in range(100))


def test_held_back() -> None:
    """A queue, or one key for one queue, is held back until the earliest time to try again."""
    held = HeldBack()
    assert not held
    held.hold("down", 30.0)
    held.hold_key("picky", ("b", "k"), 20.0)
    assert held
    assert held.until == 20.0
    assert held.holds("down", ("b", "anything"))
    assert held.holds("picky", ("b", "k"))
    assert not held.holds("picky", ("b", "l"))
    assert not held.holds("other", ("b", "k"))


def test_bounded() -> None:
    """However many keys a queue does not take, what is kept of them is bounded."""
    held = HeldBack()
    for n in range(MOST_KEYS):
        held.hold_key("picky", ("b", str(n)), 20.0)
    assert not held.holds("picky", ("b", "one more"))
    held.hold_key("picky", ("b", "one more"), 20.0)
    assert held.holds("picky", ("b", "any"))
    assert len(held._keys) == MOST_KEYS
