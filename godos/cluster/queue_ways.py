"""How questions travel over queues: one queue for all nodes, or one for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from godos.cluster.inbox import HandOver, ReplyInbox
from godos.cluster.together import together
from godos.cluster.ways import Asking, Heard, IWay, Unreachable
from godos.deferreds import deferred
from godos.messaging.poller import IDLE, Poller
from godos.messaging.queues import QueueUnavailable
from godos.model.members import ApiServer, Node
from godos.protocol.locate import GIVE_UP, AddressedQuestion, Ask, Question
from godos.protocol.messages import Query, encode
from godos.protocol.placement import rank

REPLY_WAIT = 2  # seconds of a long poll for replies; answers come within tens of milliseconds


@frozen
class Desk:
    """
    What both ways need to receive replies.

    Args:
        me: this API server.
        replies: the queue that it listens to (an `IQueue`).
        apis: the API servers that the catalog knows.
        idle: seconds between two looks at `replies` while no question is open.
    """

    clock: IReactorTime
    me: ApiServer
    replies: Any
    apis: Callable[[], Sequence[ApiServer]]
    hand_over: HandOver
    idle: float = IDLE

    def query(self, question: Question, ask: Ask, now: float) -> str:
        """The message that puts `ask`."""
        return encode(
            Query(
                uid=question.uid,
                names=ask.names,
                asker=self.me.id,
                asker_address=self.me.address,
                ttl=GIVE_UP,
                spent=question.spent(now),
                hop=ask.hop,
                asked=ask.asked,
            )
        )


class _Listening:
    """Receives replies while questions are open, and looks for strays when none is."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._poller: Poller | None = None
        self.inbox: ReplyInbox | None = None

    def begin(self, heard: Heard, unreachable: Unreachable, asking: Asking) -> None:
        desk, self._unreachable = self._desk, unreachable
        self.inbox = ReplyInbox(
            desk.clock, desk.me.id, desk.replies, heard, desk.apis, desk.hand_over
        )
        self._poller = Poller(
            desk.clock, desk.replies, self.inbox.take, asking, REPLY_WAIT, desk.idle
        )
        self._poller.startService()

    def _wake(self) -> None:
        if self._poller is not None:
            self._poller.wake()

    @deferred
    async def end(self) -> None:
        if self._poller is not None:
            await self._poller.stopService()


@implementer(IWay)
class SharedWay(_Listening):
    """
    Everybody shares two queues.  Whoever takes a question from `queries` answers it for
    all; whoever takes a reply that is not for it hands it over.
    """

    def __init__(self, desk: Desk, queries: Any) -> None:
        super().__init__(desk)
        self._queries = queries

    def question(self, uid: str, names: Sequence[str], now: float) -> Question:
        return Question(uid, names, now)

    @deferred
    async def put(self, question: Question, asks: Sequence[Ask], now: float) -> None:
        self._wake()
        try:
            await self._queries.send([self._desk.query(question, ask, now) for ask in asks])
        except QueueUnavailable:
            return  # which the queue has logged; the next attempt may go through


@implementer(IWay)
class OwnWay(_Listening):
    """
    Each node and each API server has a queue of its own.

    Args:
        nodes: the registered nodes.
        node_queue: opens the queue of a node by its id; QueueUnavailable when it has none.
    """

    def __init__(
        self,
        desk: Desk,
        nodes: Callable[[], Sequence[Node]],
        node_queue: Callable[[str], Deferred[Any]],
    ) -> None:
        super().__init__(desk)
        self._nodes = nodes
        self._node_queue = node_queue

    def question(self, uid: str, names: Sequence[str], now: float) -> Question:
        nodes = self._nodes()
        order = {name: tuple(node.id for node in rank(name, nodes)) for name in names}
        return AddressedQuestion(uid, order, now)

    @deferred
    async def put(self, question: Question, asks: Sequence[Ask], now: float) -> None:
        self._wake()
        await together([self._send(question, ask, now) for ask in asks])

    @deferred
    async def _send(self, question: Question, ask: Ask, now: float) -> None:
        try:
            queue = await self._node_queue(str(ask.node))
            await queue.send([self._desk.query(question, ask, now)])
        except QueueUnavailable:
            self._unreachable(question.uid, ask)
