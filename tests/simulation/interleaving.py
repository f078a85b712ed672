"""
Runs of several actors over one item store, in every order in which their steps can come.

An actor is a coroutine; its steps are its operations on the store.  A `Stage` holds each
of them back until a `Schedule` has chosen it, and lets time pass only by choice as well.
`every_schedule` walks through all choices, `many_schedules` through as many as it is told.

Besides being done, a write can meet one of the `FAULTS`: its answer is lost after it
happened, or it never arrives, or it comes late: after its sender gave up waiting, but no
later than when the same is sent again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from random import Random
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from godos.catalog.items import Action, IItemStore
from godos.model.errors import CatalogUnavailable
from tests.memory_items import MemoryItems

DONE, LOST, NEVER, LATE = "done", "answer lost", "never arrived", "late"
FAULTS = (LOST, NEVER, LATE)
FLIGHT = 5.0  # seconds that a call may be under way after its sender was told to stop
MOST_STEPS = 2000


class Schedule:
    """A sequence of choices: those of `prefix`, and then the first each time, or a random one."""

    def __init__(self, prefix: Sequence[int] = (), random: Random | None = None) -> None:
        self._prefix, self._random = prefix, random
        self.taken: list[tuple[int, int]] = []

    def choose(self, options: int) -> int:
        place = len(self.taken)
        if place < len(self._prefix):
            choice = self._prefix[place]
        else:
            choice = 0 if self._random is None else self._random.randrange(options)
        self.taken.append((choice, options))
        return choice

    def following(self) -> list[int] | None:
        """The prefix of the next schedule in order; None after the last."""
        taken = list(self.taken)
        while taken and taken[-1][0] + 1 == taken[-1][1]:
            taken.pop()
        if not taken:
            return None
        return [choice for choice, _ in taken[:-1]] + [taken[-1][0] + 1]


def every_schedule(most: int) -> Iterator[Schedule]:
    """All schedules, one after the other; fails when there are more than `most`."""
    prefix: list[int] | None = []
    for _ in range(most):
        schedule = Schedule(prefix or ())
        yield schedule
        prefix = schedule.following()
        if prefix is None:
            return
    raise AssertionError(f"there are more than {most} schedules")


def many_schedules(count: int, seed: int = 0) -> Iterator[Schedule]:
    """Random schedules, the same ones for each seed."""
    for number in range(count):
        yield Schedule(random=Random(f"{seed} {number}"))


@define(eq=False)
class Step:
    """An operation that waits for its turn."""

    actor: str
    name: str
    run: Callable[[], Deferred[Any]]
    answer: Deferred[Any]
    token: str = ""
    until: float | None = None  # when it is late: after this it has not arrived


@define
class Stage:
    """The store that all actors share, and who may go on when."""

    schedule: Schedule
    faults: int = 0  # how many writes may go wrong in one run
    items: MemoryItems = field(factory=MemoryItems)
    clock: Clock = field(factory=Clock)
    waiting: list[Step] = field(factory=list)
    told: list[str] = field(factory=list)

    def store(self, actor: str) -> IItemStore:
        """The store as `actor` has it."""
        return SteppedItems(self, actor)

    def play(self, *actors: Awaitable[Any]) -> list[Any]:
        """Run them to their ends; their results, or the exceptions they ended with."""
        ends: list[Any] = [None] * len(actors)
        running = [Deferred.fromCoroutine(_ended(actor)) for actor in actors]  # type: ignore[arg-type]
        for number, one in enumerate(running):
            one.addCallback(lambda end, number=number: ends.__setitem__(number, end))
        for _ in range(MOST_STEPS):
            if all(one.called for one in running):
                self._land()
                return ends
            self._step()
        raise AssertionError(f"no end after {MOST_STEPS} steps: {self.told[-20:]}")

    def _land(self) -> None:
        """What was still under way arrives after all, or does not."""
        while self.waiting:
            if self.schedule.choose(2):
                self._let(self.waiting[0], DONE)
            else:
                self.waiting.pop(0)

    def _step(self) -> None:
        moves: list[Callable[[], None]] = [
            lambda step=step, fate=fate: self._let(step, fate)
            for step in self.waiting
            for fate in self._fates(step)
        ]
        if self.clock.getDelayedCalls():
            moves.append(self._pass_time)
        assert moves, f"nobody can go on: {self.told[-20:]}"
        moves[self.schedule.choose(len(moves)) if len(moves) > 1 else 0]()

    def _fates(self, step: Step) -> tuple[str, ...]:
        if step.until is None and step.name == "transact" and self.faults:
            return (DONE, *FAULTS)
        return (DONE,)

    def _let(self, step: Step, fate: str) -> None:
        self.told.append(f"{step.actor}: {step.name} {fate}")
        self.waiting.remove(step)
        if fate != DONE:
            self.faults -= 1
        if fate == LATE:
            self.late(step)
        if fate in (DONE, LOST):
            self._forget_late(step.token)
            outcome = _outcome(step.run())
        if step.until is not None:
            return  # nobody listens any more
        if fate == DONE:
            step.answer.callback(outcome)
        else:
            step.answer.errback(CatalogUnavailable(fate))

    def late(self, step: Step) -> None:
        """It may still arrive, for a while, although its sender waits no longer."""
        self.waiting.append(
            Step(
                step.actor,
                "late " + step.name,
                step.run,
                step.answer,
                step.token,
                self.clock.seconds() + FLIGHT,
            )
        )

    def _forget_late(self, token: str) -> None:
        """An engine orders what carries one token."""
        if token:
            self.waiting = [s for s in self.waiting if s.until is None or s.token != token]

    def _pass_time(self) -> None:
        (first, *_) = self.clock.getDelayedCalls()
        self.clock.advance(max(0.0, first.getTime() - self.clock.seconds()))
        now = self.clock.seconds()
        self.waiting = [step for step in self.waiting if step.until is None or now < step.until]
        self.told.append(f"it is {now:.3f}")


@implementer(IItemStore)
class SteppedItems:
    """One actor's way to the stage's store."""

    def __init__(self, stage: Stage, actor: str) -> None:
        self._stage, self._actor = stage, actor

    def get(self, p: str, s: bytes) -> Deferred[Any]:
        return self._wait("get", lambda: self._stage.items.get(p, s))

    def get_many(self, places: Any) -> Deferred[Any]:
        return self._wait("get_many", lambda: self._stage.items.get_many(places))

    def query(
        self,
        p: str,
        start: bytes = b"",
        stop: bytes | None = None,
        limit: int = 1000,
        reverse: bool = False,
        strong: bool = True,
    ) -> Deferred[Any]:
        assert strong, "what is read weakly may be old, and this store is never old"
        items = self._stage.items
        return self._wait("query", lambda: items.query(p, start, stop, limit, reverse))

    def transact(self, actions: Sequence[Action], token: str) -> Deferred[Any]:
        frozen = tuple(actions)
        return self._wait("transact", lambda: self._stage.items.transact(frozen, token), token)

    def scan(self, cursor: str | None = None, limit: int = 1000) -> Deferred[Any]:
        return self._wait("scan", lambda: self._stage.items.scan(cursor, limit))

    def close(self) -> Deferred[None]:
        raise NotImplementedError("actors share the store")

    def _wait(self, name: str, run: Callable[[], Deferred[Any]], token: str = "") -> Deferred[Any]:
        stage = self._stage

        def cancelled(_answer: Deferred[Any]) -> None:
            stage.waiting.remove(step)
            if name == "transact":
                stage.late(step)

        step = Step(self._actor, name, run, Deferred(cancelled), token)
        stage.waiting.append(step)
        return step.answer


class NoJitter(Random):
    """Pauses as short as they can be; the schedule is what brings writers apart."""

    def uniform(self, a: float, b: float) -> float:
        return a


class ForgetfulItems(MemoryItems):
    """An engine that cannot tell a transaction that is sent again: only conditions decide."""

    @property
    def _tokens(self) -> dict[str, bytes]:
        return {}

    @_tokens.setter
    def _tokens(self, value: dict[str, bytes]) -> None:
        """Nothing is remembered."""


async def _ended(operation: Awaitable[Any]) -> Any:
    try:
        return await operation
    except CancelledError:
        raise
    except Exception as error:
        return error


def _outcome(done: Deferred[Any]) -> Any:
    """What a store in memory answered, at once: a result or a Failure."""
    outcomes: list[Any] = []
    done.addBoth(outcomes.append)
    assert outcomes, "the store in memory answers at once"
    outcome = outcomes[0]
    if isinstance(outcome, Failure):
        outcome.cleanFailure()
    return outcome
