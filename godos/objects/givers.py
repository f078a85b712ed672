"""Who gave which bytes of a read."""

from __future__ import annotations

from godos.model.blobs import Placed

_MOST = 64  # changes that are remembered


class Givers:
    """For each byte, the places that its value rests on."""

    def __init__(self) -> None:
        self._given: list[tuple[int, frozenset[Placed]]] = []  # from which byte on

    def gave(self, position: int, *places: Placed) -> None:
        """What follows from `position` on comes from them."""
        givers = frozenset(places)
        if self._given and self._given[-1][1] == givers:
            return
        self._given.append((position, givers))
        del self._given[:-_MOST]

    def since(self, position: int) -> frozenset[Placed]:
        """All that gave bytes from `position` on; these bytes are forgotten."""
        used: frozenset[Placed] = frozenset()
        while self._given:
            start, places = self._given[-1]
            used |= places
            if start < position:
                break
            self._given.pop()
            if start == position:
                break
        return used
