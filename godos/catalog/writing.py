"""
Writes with a definite end: sent again, unchanged, until the engine says what became of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import inf
from random import Random

from attrs import field, frozen
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from godos.catalog.items import Action, ConditionFailed, IItemStore, Item
from godos.model.errors import CatalogUnavailable, CommitUnknown, Conflict

TURNS = 64  # rounds that a writer may lose before it gives up
PATIENCE = 15.0  # seconds for which an unanswered transaction is sent again
FIRST_PAUSE, LONGEST_PAUSE = 0.005, 0.25  # seconds


@frozen
class Refusal:
    """
    A transaction was not seen to happen.

    `standing` is what was in the way of each action.  `resent`: an earlier sending got no
    answer, so what is in the way may be its own work.  Not `settled`: even the last
    sending got no answer.
    """

    standing: Mapping[int, Item | None] = field(factory=dict)
    resent: bool = False
    settled: bool = True

    def is_own(self, operation: str) -> bool:
        """Whether a row that `operation` wrote is in the way."""
        return any(item is not None and item.rev == operation for item in self.standing.values())

    def or_unknown(self) -> None:
        """
        Raises:
            CommitUnknown: no sending was answered.
        """
        if not self.settled:
            raise CommitUnknown(
                "the catalog did not answer for too long; what was asked may or may not "
                "have happened: look, then try again"
            )


async def always() -> float:
    """The leave of a write that depends on nothing but its conditions."""
    return inf


class Backoff:
    """Pauses with jitter, longer by each turn, so that competing writers come apart."""

    def __init__(self, clock: IReactorTime, random: Random) -> None:
        self._clock, self._random = clock, random

    async def pause(self, turn: int) -> None:
        """Wait before the `turn`th try; the first (0) is at once."""
        if turn:
            longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2**turn)
            await deferLater(self._clock, self._random.uniform(0, longest))


class Writer:
    """The way of all writes of the catalog."""

    _log = Logger()

    def __init__(
        self,
        items: IItemStore,
        backoff: Backoff,
        clock: IReactorTime,
        monotonic: Callable[[], float],
        draw_id: Callable[[], str],
    ) -> None:
        self._items, self._backoff, self._clock = items, backoff, clock
        self._monotonic, self._draw_id = monotonic, draw_id

    async def write(
        self, actions: Sequence[Action], leave: Callable[[], Awaitable[float]] = always
    ) -> Refusal | None:
        """
        Do all `actions` or none; None when they are done and durable.

        The token is drawn here and not the operation's id: an operation whose conditions
        failed writes other actions in its next turn, and a token stands for the same ones.

        Args:
            leave: asked before each sending for how many seconds the reason for the write
                still stands.  After them the engine is told to send no more.
        """
        token = self._draw_id()
        until = self._monotonic() + PATIENCE
        sent = 0
        while (left := await leave()) > 0:
            try:
                await self._sent(actions, token, left)
                return None
            except ConditionFailed as refused:
                return Refusal(refused.standing, resent=sent > 0)
            except (CatalogUnavailable, TimeoutError) as error:
                sent += 1
                if self._monotonic() >= until:
                    self._log.error("a write got no definite answer: {error}", error=error)
                    break
            await self._backoff.pause(sent)
        return Refusal(resent=sent > 0, settled=sent == 0)

    def _sent(self, actions: Sequence[Action], token: str, left: float) -> Deferred[None]:
        sending = self._items.transact(actions, token)
        return sending if left == inf else sending.addTimeout(left, self._clock)


class Turns:
    """
    Tries of one operation: `while await turns.next(): …` pauses between them.

    `next` fails with Conflict when there were too many.
    """

    def __init__(self, backoff: Backoff, what: str) -> None:
        self._backoff, self._what, self._taken = backoff, what, 0

    async def next(self) -> bool:
        if self._taken == TURNS:
            raise Conflict(f"others kept changing {self._what} at the same time: try again")
        await self._backoff.pause(self._taken)
        self._taken += 1
        return True
