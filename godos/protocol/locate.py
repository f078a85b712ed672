"""
The asker's side of locate: one question, and what is known of each of its blobs.

Sans-IO: told what arrived and what time it is, a question says whom to ask now, which
blobs are settled, and when to come back.  Rules R3, R7 and R8 of `docs/locate.rst`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from attrs import define, field, frozen

from godos.model.locating import Holder, Located
from godos.protocol.messages import Reply

ATTEMPTS = (0.0, 0.4, 1.5)  # seconds: an aborted poll can swallow a message, so ask again
GIVE_UP = 5.0  # seconds: as long as a swallowed message stays hidden
GRACE = 0.05  # seconds that others have to speak once a holder is known
SECOND_WAVE = 0.15  # seconds until nodes are asked that are not expected to hold the blob
FIRST_WAVE = 3  # nodes that are
_SOON = 1e-6  # seconds: timers may come this much early, by rounding


@frozen
class Ask:
    """
    Put the question for `names` to `node`, or, None, to whoever takes it from the queue.

    `asked` lists nodes that need not be asked again, `hop` counts earlier attempts.
    """

    node: str | None
    names: tuple[str, ...]
    asked: tuple[str, ...] = ()
    hop: int = 0


@frozen
class Step:
    """What follows now.  `wake`: seconds until the next step, unless something arrives."""

    asks: tuple[Ask, ...]
    settled: Mapping[str, Located]
    wake: float


@define
class Heard:
    """What was said of the blob `name` until now."""

    name: str
    answered: set[str] = field(factory=set)  # ids of nodes
    silent: set[str] = field(factory=set)  # named by others as having not answered
    asked: dict[str, int] = field(factory=dict)  # node -> latest attempt
    unreachable: set[str] = field(factory=set)  # in that attempt
    holders: dict[str, Holder] = field(factory=dict)
    found_at: float | None = None
    fell_short: int = -1  # the latest attempt in which a reply had no holder, and gaps

    @property
    def all_spoke(self) -> bool:
        """Whether every node that was asked has answered, or could not be reached."""
        return all(node in self.answered or node in self.unreachable for node in self.asked)

    def missing(self, registered: Collection[str]) -> frozenset[str]:
        """Nodes that should answer and have not."""
        return frozenset(registered).union(self.silent) - self.answered

    def located(self, registered: Collection[str]) -> Located:
        """The blob's part of the answer."""
        missing = self.missing(registered)
        return Located(
            holders=tuple(holder for _, holder in sorted(self.holders.items())),
            complete=bool(registered) and not missing,
            silent=tuple(sorted(missing)),
        )


class Question:
    """
    A question to a shared queue: whoever takes it asks the others, and replies once.

    A reply with a holder settles a blob.  One without holder settles it when every
    registered node has answered; while some have not, the blob is asked for again, and
    is "unknown" when the last attempt fell short as well.
    """

    def __init__(self, uid: str, names: Sequence[str], opened: float) -> None:
        self.uid = uid
        self._opened = opened
        self._open = {name: Heard(name) for name in names}
        self._sent = -1  # the latest attempt that was put

    @property
    def over(self) -> bool:
        """Whether all blobs are settled."""
        return not self._open

    def spent(self, now: float) -> float:
        """Seconds since the question was opened."""
        return now - self._opened

    def heard(self, reply: Reply, now: float) -> None:
        """Take in a reply; a second one of the same kind changes nothing."""
        for name in reply.names:
            heard = self._open.get(name)
            if heard is not None:
                self._take_in(heard, reply, now)

    def _take_in(self, heard: Heard, reply: Reply, now: float) -> None:
        heard.answered.update(reply.asked)
        heard.silent.update(reply.silent)
        heard.unreachable.difference_update(reply.asked)
        holders = reply.holders.get(heard.name, ())
        heard.holders.update((holder.node, holder) for holder in holders)
        if holders and heard.found_at is None:
            heard.found_at = now
        if not holders and not reply.complete:
            heard.fell_short = self._sent

    def unreachable(self, ask: Ask) -> None:
        """What was asked came to nothing: no way to the node, or no answer in time."""
        for name in ask.names:
            heard = self._open.get(name)
            if heard is not None and ask.node is not None and heard.asked.get(ask.node) == ask.hop:
                heard.unreachable.add(ask.node)

    def step(self, now: float, registered: Collection[str]) -> Step:
        """Say what follows.  `registered`: ids of all nodes that the asker knows of."""
        settled = {
            name: heard.located(registered)
            for name, heard in self._open.items()
            if self._enough(heard, now, registered)
        }
        for name in settled:
            del self._open[name]
        asks = tuple(self._asks(now))
        return Step(asks, settled, self._wake(now))

    def _enough(self, heard: Heard, now: float, registered: Collection[str]) -> bool:
        if not registered or not heard.missing(registered) or self._passed(GIVE_UP, now):
            return True
        if heard.found_at is not None:
            return heard.all_spoke or now + _SOON >= heard.found_at + GRACE
        return self._hopeless(heard)

    def _hopeless(self, heard: Heard) -> bool:
        """Whether waiting longer would not fill the gaps."""
        return heard.fell_short == len(ATTEMPTS) - 1

    def _asks(self, now: float) -> Iterable[Ask]:
        if self._open and self._attempt(now) > self._sent:
            self._sent = self._attempt(now)
            answered = frozenset.intersection(*(frozenset(h.answered) for h in self._open.values()))
            yield Ask(None, tuple(self._open), tuple(sorted(answered)), self._sent)

    def _attempt(self, now: float) -> int:
        """The attempt that is due, counted from 0."""
        return sum(1 for start in ATTEMPTS if self._passed(start, now)) - 1

    def _passed(self, age: float, now: float) -> bool:
        return self.spent(now) + _SOON >= age

    def _wake(self, now: float) -> float:
        times = [self._opened + age for age in self._ages()]
        times += [h.found_at + GRACE for h in self._open.values() if h.found_at is not None]
        return min((time - now for time in times if time > now + _SOON), default=0.0)

    def _ages(self) -> Sequence[float]:
        return *ATTEMPTS, GIVE_UP


class AddressedQuestion(Question):
    """
    A question put to each node by itself, through its own queue or over HTTP.

    Args:
        order: for each name the ids of the nodes to ask, most likely holders first.
        first: how many of these are asked at once; the rest follow when those have all
            answered, or after `SECOND_WAVE` seconds.
    """

    def __init__(
        self,
        uid: str,
        order: Mapping[str, Sequence[str]],
        opened: float,
        first: int = FIRST_WAVE,
    ) -> None:
        super().__init__(uid, tuple(order), opened)
        self._order = order
        self._first = first

    def _asks(self, now: float) -> Iterable[Ask]:
        attempt, by_node = self._attempt(now), dict[str, list[str]]()
        for name, heard in self._open.items():
            for node in self._wanted(heard, now):
                if heard.asked.get(node, -1) < attempt:
                    heard.asked[node] = attempt
                    heard.unreachable.discard(node)
                    by_node.setdefault(node, []).append(name)
        for node, names in by_node.items():
            yield Ask(node, tuple(names), hop=attempt)

    def _wanted(self, heard: Heard, now: float) -> Iterable[str]:
        order = self._order[heard.name]
        first = order[: self._first]
        spoken = heard.answered | heard.unreachable
        if not self._passed(SECOND_WAVE, now) and not spoken.issuperset(first):
            order = first
        return (node for node in order if node not in heard.answered)

    def _hopeless(self, heard: Heard) -> bool:
        """Every node has answered, or could not be reached in its last attempt."""
        last = len(ATTEMPTS) - 1
        return all(
            node in heard.answered or (node in heard.unreachable and heard.asked.get(node) == last)
            for node in self._order[heard.name]
        )

    def _ages(self) -> Sequence[float]:
        return *super()._ages(), SECOND_WAVE
