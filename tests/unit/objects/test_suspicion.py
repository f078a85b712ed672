"""Guessing who is to blame for wrong bytes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from godos.model.blobs import Placed
from godos.objects.suspicion import TRIES, Suspicion

PLACES = [Placed(shard, f"n{shard}") for shard in range(8)]


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 5), st.data())
def test_the_false_ones_are_found(data: int, draw: st.DataObject) -> None:
    """However many of the parity shards' number are false: soon others are asked that are right."""
    width = draw.draw(st.integers(data + 1, 7))
    known = PLACES[:width]
    false = draw.draw(st.sets(st.sampled_from(known), min_size=1, max_size=width - data))
    suspicion, excluded = Suspicion(), frozenset[Placed]()
    for _ in range(TRIES + 1):
        used = frozenset([one for one in known if one not in excluded][:data])
        if not used & false:
            return
        guess = suspicion.refused(used, known, (), data)
        assert guess is not None
        assert guess & used
        excluded = guess
    raise AssertionError("it never came to the right ones")


def test_one_false_one_needs_few_tries() -> None:
    """Each of those who gave the wrong bytes is suspected alone, before any two of them."""
    for false in PLACES[:4]:
        suspicion, tries = Suspicion(), 0
        used = frozenset(PLACES[:4])
        while false in used:
            tries += 1
            guess = suspicion.refused(used, PLACES[:6], (), 4)
            assert guess is not None
            assert len(guess) == 1
            used = frozenset([one for one in PLACES if one not in guess][:4])
        assert tries <= 4


def test_guesses_leave_enough_to_read() -> None:
    """Where one explanation leaves too few, another that leaves enough is preferred."""
    twin = Placed(0, "other")
    known = [*PLACES[:2], twin]
    guess = Suspicion().refused(frozenset(known), known, (), 2)
    assert guess is not None
    assert guess != {PLACES[1]}
    guess = Suspicion().refused(frozenset(PLACES[:3]), PLACES[:4], {PLACES[3]}, 2)
    assert guess is not None
    assert len({*PLACES[:3]} - guess) == 2


def test_it_ends() -> None:
    """Whoever refuses everything is told that it is no use."""
    suspicion = Suspicion()
    for _ in range(TRIES):
        assert suspicion.refused(frozenset(PLACES), PLACES, (), 4)
    assert suspicion.refused(frozenset(PLACES), PLACES, (), 4) is None


def test_strangers() -> None:
    """Bytes of nobody who is known are nobody's fault that is known."""
    stranger = frozenset({Placed(0, "stranger")})
    assert Suspicion().refused(stranger, PLACES, (), 4) is None
