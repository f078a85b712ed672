"""
Which events of an outbox must wait when queues do not take them.

Queues fail as a whole, so one that failed rests for a while, and then gets its oldest event
first.  A message that a queue refuses for what it says holds back its own key alone.
"""

from __future__ import annotations

from math import inf

from attrs import define, field, frozen

FIRST_REST = 1.0  # seconds
LONGEST_REST = 300.0
FORGOTTEN = 3600.0  # seconds after a rest until a queue that nobody sends to is forgotten
MOST_KEYS = 10_000  # that a reading holds back; then it holds back their queues as a whole

Place = tuple[str, str]  # bucket id, key


@frozen
class _Rest:
    """A queue is left alone until `until` (seconds), for the last of a row of rests."""

    until: float
    length: float


@define
class Rests:
    """When queues that failed are tried again: after twice the time, up to five minutes."""

    _rests: dict[str, _Rest] = field(factory=dict)

    def rests(self, queue: str, now: float) -> bool:
        """Whether it is left alone now."""
        rest = self._rests.get(queue)
        return rest is not None and now < rest.until

    def until(self, queue: str) -> float:
        """When it is tried again."""
        rest = self._rests.get(queue)
        return rest.until if rest is not None else 0.0

    def failed(self, queue: str, now: float) -> bool:
        """It took nothing; tells whether that is news."""
        rest = self._rests.get(queue)
        if rest is None:
            self._forget(now)
            self._rests[queue] = _Rest(now + FIRST_REST, FIRST_REST)
        elif now >= rest.until:  # else others failed at the same time
            length = min(2 * rest.length, LONGEST_REST)
            self._rests[queue] = _Rest(now + length, length)
        return rest is None

    def worked(self, queue: str) -> bool:
        """It took a message; tells whether that is news."""
        return self._rests.pop(queue, None) is not None

    def _forget(self, now: float) -> None:
        """So that queues which are configured no more do not pile up."""
        for queue in [q for q, rest in self._rests.items() if now > rest.until + FORGOTTEN]:
            del self._rests[queue]


@define
class HeldBack:
    """
    What must not be sent before an outbox is read from its start again.

    For what waits there is older, and goes first.  `until` is when that may be done.
    """

    until: float = inf
    _queues: set[str] = field(factory=set)
    _keys: set[tuple[str, Place]] = field(factory=set)

    def __bool__(self) -> bool:
        return bool(self._queues or self._keys)

    def holds(self, queue: str, place: Place) -> bool:
        """Whether an event of this key may not go to this queue."""
        return queue in self._queues or (queue, place) in self._keys

    def hold(self, queue: str, until: float) -> None:
        """The queue takes nothing."""
        self._queues.add(queue)
        self.until = min(self.until, until)

    def hold_key(self, queue: str, place: Place, until: float) -> None:
        """The queue does not take an event of this key."""
        if len(self._keys) >= MOST_KEYS:
            self.hold(queue, until)
            return
        self._keys.add((queue, place))
        self.until = min(self.until, until)
