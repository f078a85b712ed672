"""
Find blobs whose layout is out of date: the asker's side of locate.

The locator remembers and joins questions (R8) and keeps their time; `protocol/locate.py`
decides, and an `IWay` carries questions and replies.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from godos.deferreds import Background, deferred
from godos.model.errors import InvalidRequest, WrongNode
from godos.model.locating import ILocator, Located
from godos.model.members import Node
from godos.model.names import new_id
from godos.protocol.fields import Unreadable
from godos.protocol.locate import Ask, Question
from godos.protocol.messages import MAX_NAMES, Reply, reply_from_json

HITS_KEPT = 60.0  # seconds
MISSES_KEPT = 1.0  # seconds
REMEMBERED = 10_000  # blobs


@define
class _Waiting:
    """Those who wait for one blob."""

    callers: list[Deferred[Located]] = field(factory=list)


class _Known:
    """
    What was found lately.  A node that registers since then makes it worthless: nobody
    has asked that one.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, frozenset[str], Located]] = OrderedDict()

    def get(self, name: str, registered: frozenset[str]) -> Located | None:
        until, asked, located = self._kept.get(name, (0.0, frozenset[str](), None))
        return located if self._clock.seconds() < until and registered <= asked else None

    def keep(self, name: str, registered: frozenset[str], located: Located) -> None:
        kept = HITS_KEPT if located.holders else MISSES_KEPT
        self._kept[name] = self._clock.seconds() + kept, registered, located
        self._kept.move_to_end(name)
        while len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)

    def forget(self, name: str) -> None:
        self._kept.pop(name, None)


@implementer(ILocator)
class Locator(Service):
    """
    Args:
        nodes: all registered nodes, as of now.
        new_uid: draws the id of a question.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        way: Any,
        nodes: Callable[[], Sequence[Node]],
        new_uid: Callable[[], str] = new_id,
    ) -> None:
        self._clock = clock
        self._way = way
        self._nodes = nodes
        self._new_uid = new_uid
        self._known = _Known(clock)
        self._waiting: dict[str, _Waiting] = {}
        self._questions: dict[str, Question] = {}
        self._timers: dict[str, IDelayedCall] = {}
        self._background = Background()

    # -- life ---------------------------------------------------------------------------
    def startService(self) -> None:
        super().startService()
        self._way.begin(self.heard, self._unreachable, lambda: bool(self._questions))

    @deferred
    async def stopService(self) -> None:
        """Answer "unknown" to all that is open, and fall silent."""
        super().stopService()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._questions.clear()
        for name in list(self._waiting):
            self._tell(name, Located(holders=(), complete=False))
        await self._way.end()
        self._background.cancel()
        await self._background.idle()

    # -- asking -------------------------------------------------------------------------
    @deferred
    async def locate(self, incarnations: Sequence[str]) -> Mapping[str, Located]:
        names = tuple(dict.fromkeys(incarnations))
        registered = self._registered()
        known = {name: self._known.get(name, registered) for name in names}
        unknown = tuple(name for name in names if known[name] is None)
        waiters = self._join(unknown)
        found = {name: located for name, located in known.items() if located is not None}
        for name, waiter in waiters.items():
            found[name] = await waiter
        return {name: found[name] for name in names}

    def forget(self, incarnation: str) -> None:
        """A holder that was named did not give the bytes: ask anew next time."""
        self._known.forget(incarnation)

    def _join(self, names: Sequence[str]) -> Mapping[str, Deferred[Located]]:
        """Wait for each blob, and open questions for those that nobody waits for yet."""
        fresh = [name for name in names if name not in self._waiting]
        waiters = {name: Deferred[Located]() for name in names}
        for name, waiter in waiters.items():
            self._waiting.setdefault(name, _Waiting()).callers.append(waiter)
        for start in range(0, len(fresh), MAX_NAMES):
            self._open(fresh[start : start + MAX_NAMES])
        return waiters

    def _open(self, names: Sequence[str]) -> None:
        if not self.running:
            for name in names:
                self._tell(name, Located(holders=(), complete=False))
            return
        uid = self._new_uid()
        self._questions[uid] = self._way.question(uid, names, self._clock.seconds())
        self._step(uid)

    def _step(self, uid: str) -> None:
        question, now = self._questions[uid], self._clock.seconds()
        registered = self._registered()
        step = question.step(now, registered)
        self._rest(uid)
        if question.over:
            del self._questions[uid]
        else:
            self._timers[uid] = self._clock.callLater(step.wake, self._step, uid)
        for name, located in step.settled.items():
            self._known.keep(name, registered, located)
            self._tell(name, located)
        if step.asks and uid in self._questions:
            self._background.run("to ask nodes", self._way.put(question, step.asks, now))

    def _registered(self) -> frozenset[str]:
        return frozenset(node.id for node in self._nodes())

    def _rest(self, uid: str) -> None:
        timer = self._timers.pop(uid, None)
        if timer is not None and timer.active():
            timer.cancel()

    def _tell(self, name: str, located: Located) -> None:
        for caller in self._waiting.pop(name, _Waiting()).callers:
            if not caller.called:
                caller.callback(located)

    # -- listening ----------------------------------------------------------------------
    def heard(self, reply: Reply) -> bool:
        """Take in a reply; False when no open question has its uid (R2: drop it)."""
        question = self._questions.get(reply.uid)
        if question is None:
            return False
        question.heard(reply, self._clock.seconds())
        self._step(reply.uid)
        return True

    def handed_over(self, body: Any, me: str) -> None:
        """
        Take in a reply that another API server received: the body of `POST /-/located`.

        Args:
            me: id of this API server.

        Raises:
            InvalidRequest: it is no reply.
            WrongNode: it is meant for another server, which seems to be reached here.
        """
        try:
            reply = reply_from_json(body)
        except Unreadable as error:
            raise InvalidRequest(str(error)) from error
        if reply.to != me:
            raise WrongNode(f"this is API server {me}, and not {reply.to[:40]!r}")
        self.heard(reply)

    def _unreachable(self, uid: str, ask: Ask) -> None:
        question = self._questions.get(uid)
        if question is not None:
            question.unreachable(ask)
            self._step(uid)
