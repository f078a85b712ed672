"""
The answerer's side of locate: what becomes of each message, and what a reply says.

Sans-IO.  Rules R1 to R5 of `docs/locate.rst`; `cluster/answerer.py` drives it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence

from attrs import define, evolve, field

from godos.model.locating import Holder
from godos.protocol.messages import Query, Reply

REMEMBERED = 10_000  # answers that a process keeps at most
# blob -> indexes of its fragments, as one node says; and that of several nodes by their ids
Held = Mapping[str, Sequence[int]]
HeldBy = Mapping[str, Held]


def too_old(waited: float, spent: float, ttl: float) -> bool:
    """
    Whether nobody waits for this message any more.  R4.

    Args:
        waited: seconds in the queue, by the queue service's own clocks.
        spent: seconds before that, as the message says.
    """
    return waited + spent > ttl


@define
class Gathered:
    """What nodes said about some blobs, and at which address each of them was asked."""

    said: dict[str, tuple[str, Held]] = field(factory=dict)  # node -> address, what it holds

    def add(self, address: str, answers: HeldBy) -> None:
        """Take in what the nodes at `address` answered."""
        for node, held in answers.items():
            self.said[node] = address, held

    def holders(self, name: str) -> tuple[Holder, ...]:
        """Who holds the blob `name`."""
        return tuple(
            Holder(node, address, tuple(held[name]))
            for node, (address, held) in sorted(self.said.items())
            if held.get(name)
        )

    def found(self, names: Iterable[str]) -> bool:
        """Whether each of these blobs has a holder."""
        return all(any(held.get(name) for _, held in self.said.values()) for name in names)


def reply_to(
    query: Query, gathered: Gathered, registered: Collection[str], spent: float, alone: bool
) -> Reply:
    """
    The one reply to `query`.

    Args:
        registered: ids of all nodes that the answerer knows of.
        spent: seconds since the question was opened.
        alone: the answerer speaks for its own nodes and asked no others.
    """
    asked = {*query.asked, *gathered.said}
    silent = () if alone else tuple(sorted(frozenset(registered) - asked))
    holders = {name: gathered.holders(name) for name in query.names}
    return Reply(
        uid=query.uid,
        names=query.names,
        to=query.asker,
        to_address=query.asker_address,
        holders={name: of_name for name, of_name in holders.items() if of_name},
        asked=tuple(sorted(asked)),
        silent=silent,
        complete=not alone and bool(registered) and not silent,
        ttl=query.ttl,
        spent=spent,
    )


class Answers:
    """
    What was answered lately, by uid.  R2: a message that comes twice costs one look-up.

    A reply that left a blob without holder for want of some node's answer is not kept:
    the same question may find that node later.
    """

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._known: OrderedDict[tuple[str, frozenset[str]], Reply] = OrderedDict()

    def given(self, query: Query, spent: float) -> Reply | None:
        """The reply that this question had before, as of now."""
        reply = self._known.get((query.uid, frozenset(query.names)))
        return None if reply is None else evolve(reply, spent=spent)

    def remember(self, reply: Reply) -> None:
        """Keep a final reply."""
        if reply.complete or all(name in reply.holders for name in reply.names):
            self._known[reply.uid, frozenset(reply.names)] = reply
            while len(self._known) > self._limit:
                self._known.popitem(last=False)
