"""When a node is slow, and whether another may be asked for the same bytes meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

from attrs import define, field
from twisted.internet.interfaces import IReactorTime

FLOOR = 0.02  # seconds: nobody is slow before
CEILING = 2.0  # seconds: whoever gives nothing for so long is slow, whatever is usual
UNKNOWN = 0.1  # seconds until a node is slow while nothing is known about nodes of its kind
STALLED = 1.0  # seconds, at least, after which another is asked without counting it
SHARE = 0.05  # fragments that are asked for in addition, of those that are asked for
BURST = 10.0  # of them at once
SHUNNED = 2.0  # seconds for which a node that was overtaken is asked last
_SAMPLES = 1000  # times that are remembered
_REVIEW = 64  # times after which the quantile is looked at again


@define
class _Times:
    """What was usual lately."""

    lately: deque[float] = field(factory=lambda: deque(maxlen=_SAMPLES))
    fresh: int = 0
    usual: float = UNKNOWN

    def add(self, seconds: float) -> None:
        self.lately.append(seconds)
        self.fresh += 1
        if self.fresh >= _REVIEW:
            self.fresh = 0
            ordered = sorted(self.lately)
            self.usual = min(CEILING, max(FLOOR, ordered[len(ordered) * 99 // 100]))


class Hedging:
    """
    What this process knows of the speed of nodes, and how much it may ask in addition.

    Slow is who takes longer than 99 of 100 lately did, nodes of one kind compared with each
    other.  What is asked for because of that is a small share of all that is asked for: when
    everything is slow, it does not become slower by being asked twice.
    """

    def __init__(self, clock: IReactorTime, share: float = SHARE, burst: float = BURST) -> None:
        self._clock = clock
        self._share = share
        self._burst = burst
        self._left = burst
        self._times: dict[Hashable, _Times] = {}
        self._shunned: dict[str, float] = {}  # node -> until when

    def delay(self, kind: Hashable) -> float:
        """Seconds after which one of this kind is slow."""
        times = self._times.get(kind)
        return UNKNOWN if times is None else times.usual

    def stalled(self, kind: Hashable) -> float:
        """Seconds after which one of this kind hardly works for us any more."""
        return max(STALLED, 2 * self.delay(kind))

    def took(self, kind: Hashable, seconds: float) -> None:
        """
        One of this kind gave its next bytes after so long.

        Those who were overtaken do not count: they would make slowness usual.
        """
        times = self._times.get(kind)
        if times is None:
            times = self._times[kind] = _Times()
        times.add(seconds)

    def asked(self) -> None:
        """A fragment was asked for that a reader needs."""
        if self._left < self._burst:
            self._left = min(self._burst, self._left + self._share)

    def grant(self, number: int) -> bool:
        """Whether `number` fragments may be asked for in addition now; counts them."""
        price = min(float(number), self._burst)
        if self._left < price:
            return False
        self._left -= price
        return True

    def shun(self, node: str) -> None:
        """It was overtaken: ask it last for a while."""
        self._shunned[node] = self._clock.seconds() + SHUNNED

    def shuns(self, node: str) -> bool:
        """Whether a node was overtaken lately."""
        if not self._shunned:
            return False
        until = self._shunned.get(node)
        if until is None:
            return False
        if self._clock.seconds() < until:
            return True
        del self._shunned[node]
        return False
