"""Who is to blame when bytes are wrong that several nodes gave together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import combinations, islice

from godos.model.blobs import Placed

TRIES = 64  # wrong results of one read after which it is given up
_GUESSES = 5000  # sets of places that are considered for having caused them


class Suspicion:
    """
    Guesses which places are false, from the sets of them that gave wrong bytes.

    A guess is the smallest set that has a part in every wrong result: nobody is blamed
    without need, and where more than one explanation is possible they follow one another,
    since the next wrong result refutes the last one.
    """

    def __init__(self) -> None:
        self._wrong: list[frozenset[Placed]] = []

    def refused(
        self,
        used: frozenset[Placed],
        known: Sequence[Placed],
        failed: Collection[Placed],
        data: int,
    ) -> frozenset[Placed] | None:
        """
        These places gave wrong bytes together; answers those not to be asked from now on,
        None when it is no use any more.

        Args:
            known: all places that there are.
            failed: those of them that cannot be asked anyway.
            data: shards that suffice.  A guess that leaves them is preferred.
        """
        self._wrong.append(used)
        if len(self._wrong) > TRIES:
            return None
        guesses = [guess for guess in islice(_subsets(known), _GUESSES) if self._explains(guess)]
        if not guesses:
            return None

        def leaves_enough(guess: frozenset[Placed]) -> bool:
            left = {one.shard for one in known if one not in guess and one not in failed}
            return len(left) >= data

        return next(filter(leaves_enough, guesses), guesses[0])

    def _explains(self, guess: frozenset[Placed]) -> bool:
        return all(guess & used for used in self._wrong)


def _subsets(places: Sequence[Placed]) -> Iterable[frozenset[Placed]]:
    """All sets of places, the smaller ones first."""
    for number in range(1, len(places) + 1):
        yield from map(frozenset, combinations(places, number))
