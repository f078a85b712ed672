"""How questions travel to nodes, and the way that needs no queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import Interface, implementer

from godos.cluster.asking import AskServer
from godos.deferreds import Background, deferred
from godos.model.members import Node
from godos.protocol.answering import Gathered, HeldBy
from godos.protocol.locate import AddressedQuestion, Ask, Question
from godos.protocol.messages import MAX_TTL, Reply

DIRECT_PATIENCE = 1.0  # seconds for one call

Heard = Callable[[Reply], bool]
Unreachable = Callable[[str, Ask], None]
Asking = Callable[[], bool]


class IWay(Interface):
    """How questions reach nodes, and replies the locator."""

    def begin(heard: Heard, unreachable: Unreachable, asking: Asking) -> None:
        """
        Start to listen.

        Args:
            heard: takes each reply; tells whether it belongs to an open question.
            unreachable: takes the uid and an ask that came to nothing.
            asking: tells whether a question is open.
        """

    def question(uid: str, names: Sequence[str], now: float) -> Question:
        """A question of the kind that this way carries."""

    def put(question: Question, asks: Sequence[Ask], now: float) -> Deferred[None]:
        """Put these asks.  Never fails: what cannot be asked is silent."""

    def end() -> Deferred[None]:
        """Stop listening.  Fires when it is quiet, within a second."""


@implementer(IWay)
class DirectWay:
    """
    Ask the nodes themselves over HTTP: for clusters without queues, and within a process.

    Args:
        ask: see `AskServer`; it need not have a time-out of its own.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        nodes: Callable[[], Sequence[Node]],
        ask: AskServer,
        patience: float = DIRECT_PATIENCE,
    ) -> None:
        self._clock = clock
        self._nodes = nodes
        self._ask = ask
        self._patience = patience
        self._background = Background()

    def begin(self, heard: Heard, unreachable: Unreachable, _asking: Asking) -> None:
        self._heard = heard
        self._unreachable = unreachable

    def question(self, uid: str, names: Sequence[str], now: float) -> Question:
        order = tuple(node.id for node in self._nodes())
        return AddressedQuestion(uid, dict.fromkeys(names, order), now, first=len(order))

    @deferred
    async def put(self, question: Question, asks: Sequence[Ask], _now: float) -> None:
        addresses = {node.id: node.address for node in self._nodes()}
        calls: dict[tuple[str, tuple[str, ...]], list[Ask]] = {}
        for ask in asks:
            if ask.node in addresses:
                calls.setdefault((addresses[ask.node], ask.names), []).append(ask)
            else:  # forgotten by the catalog meanwhile
                self._unreachable(question.uid, ask)
        for (address, names), of_address in calls.items():
            call = self._call(question.uid, address, names, of_address)
            self._background.run(f"to ask {address}", call)

    @deferred
    async def _call(
        self, uid: str, address: str, names: tuple[str, ...], asks: Sequence[Ask]
    ) -> None:
        answers: HeldBy = {}
        try:
            answers = await self._ask(address, names).addTimeout(self._patience, self._clock)
        except CancelledError:
            raise
        except Exception as error:  # whatever it was: that server is silent
            self._log.debug("{address} does not answer: {error}", address=address, error=error)
        if answers:
            self._heard(_spoken(uid, names, address, answers))
        for ask in asks:
            if ask.node not in answers:
                self._unreachable(uid, ask)

    @deferred
    async def end(self) -> None:
        self._background.cancel()
        await self._background.idle()


def _spoken(uid: str, names: tuple[str, ...], address: str, answers: HeldBy) -> Reply:
    """What came over HTTP, in the form in which queues would have brought it."""
    gathered = Gathered()
    gathered.add(address, answers)
    holders = {name: gathered.holders(name) for name in names}
    return Reply(
        uid=uid,
        names=names,
        to="",
        to_address="",
        holders={name: of_name for name, of_name in holders.items() if of_name},
        asked=tuple(answers),
        ttl=MAX_TTL,
    )
