"""How long a value has not changed."""

from __future__ import annotations

from twisted.internet.task import Clock

from godos.catalog.watching import Watch


def test_only_what_was_seen_counts() -> None:
    """The age of a value begins when it is first seen, and again when it changes."""
    clock = Clock()
    watch = Watch(clock.seconds)
    clock.advance(1000)
    assert watch.unchanged("lease", "1") == 0
    clock.advance(5)
    assert watch.unchanged("lease", "1") == 5
    assert watch.unchanged("other", "1") == 0
    assert watch.unchanged("lease", "2") == 0
    clock.advance(3)
    assert watch.unchanged("lease", "2") == 3
    assert watch.unchanged("lease", "1") == 0


def test_forgetting() -> None:
    """What is forgotten is new when it is seen again."""
    clock = Clock()
    watch = Watch(clock.seconds)
    watch.unchanged("lease", "1")
    clock.advance(5)
    watch.forget("lease")
    watch.forget("never seen")
    assert watch.unchanged("lease", "1") == 0
