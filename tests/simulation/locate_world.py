"""
A world for locate: servers, queues and a network that misbehave as a seed decides.

The servers are the real ones, on a clock that jumps from one event to the next.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from godos.cluster.answerer import Answerer, Peers
from godos.cluster.asking import LocalStores
from godos.cluster.locator import Locator
from godos.cluster.queue_ways import Desk, OwnWay, SharedWay
from godos.cluster.ways import DirectWay
from godos.messaging.queues import HIDDEN, Received
from godos.model.locating import Located
from godos.model.members import ApiServer, Node
from tests.memory_queue import Kept, MemoryQueue, Poll

POISON = ["{", "[]", "null", '{"v":2}', '{"v":2,"t":"gossip"}', '{"v":1,"t":"locate"}', "\x01"]
LAG = 2.0  # seconds until a server has read in the catalog that there is a new node


@define
class Weather:
    """How bad it is: each number is the share of the times that it goes wrong."""

    duplicated: float = 0.0
    delayed: float = 0.0  # up to half a second, which changes the order too
    swallowed: float = 0.0  # received by nobody: a poll that was broken off
    refused: float = 0.0  # calls between servers that fail
    hanging: float = 0.0  # calls that never return


class WildQueue(MemoryQueue):
    """A queue that does everything that SQS may do."""

    def __init__(self, clock: Clock, name: str, dice: random.Random, weather: Weather) -> None:
        super().__init__(clock, name)
        self._dice = dice
        self._weather = weather

    def send(self, bodies: Sequence[str]) -> Deferred[None]:
        for body in bodies:
            for _ in range(2 if self._dice.random() < self._weather.duplicated else 1):
                late = self._dice.random() < self._weather.delayed
                delay = self._dice.uniform(0, 0.5) if late else self._dice.uniform(0.002, 0.01)
                self.clock.callLater(delay, super().send, [body])
        return succeed(None)

    def choose(self, visible: list[Kept]) -> list[Kept]:
        """Any of them, in any order."""
        return self._dice.sample(visible, min(len(visible), self._dice.randint(1, 10)))

    def _answer(self, poll: Poll, batch: Sequence[Received]) -> None:
        swallowed = self._dice.random() < self._weather.swallowed
        super()._answer(poll, () if swallowed else batch)


@define(eq=False)
class DataServer:
    """A process with one or two nodes."""

    address: str
    nodes: list[str]
    alive: bool = True
    answerers: list[Answerer] = field(factory=list)


class Store:
    """What a node holds, for as long as the world lasts."""

    def __init__(self, node_id: str, held: Mapping[str, tuple[int, ...]]) -> None:
        self.node_id = node_id
        self._held = held

    def holds(self, names: Sequence[str]) -> Deferred[Any]:
        return succeed({name: self._held[name] for name in names if name in self._held})


@define(eq=False)
class Asked:
    """One locate and its outcome."""

    at: float
    api: int
    names: tuple[str, ...]
    registered: frozenset[str]  # nodes that the asker knew of at the start
    took: float = -1.0
    answer: Mapping[str, Located] = field(factory=dict)


class World:
    """
    `servers` data servers, the first of which has two nodes, and `apis` API servers.

    Args:
        mode: "shared", "own" or "direct".
    """

    def __init__(self, mode: str, seed: int, weather: Weather, servers: int = 5, apis: int = 3):
        self.clock, self.dice = Clock(), random.Random(seed)
        self.mode, self.weather = mode, weather
        self.held: dict[str, dict[str, tuple[int, ...]]] = {}
        self.registered: list[tuple[float, Node]] = []  # since when
        self.queues: dict[str, WildQueue] = {}
        self.servers: dict[str, DataServer] = {}
        self.apis = [ApiServer(f"a{n}", f"a{n}:1") for n in range(apis)]
        self.api_alive = [True] * apis
        self.asked: list[Asked] = []
        for n in range(servers):
            self.add_server(f"d{n}:1", [f"n{n}", f"n{n}b"] if n == 0 else [f"n{n}"])
        self.locators = [self._locator(n) for n in range(apis)]

    # -- building ------------------------------------------------------------------------
    def queue(self, name: str) -> WildQueue:
        if name not in self.queues:
            self.queues[name] = WildQueue(self.clock, name, self.dice, self.weather)
        return self.queues[name]

    def add_server(self, address: str, nodes: list[str]) -> None:
        """Start a data server now; others learn of it after a while."""
        since = self.clock.seconds() or -LAG
        for node in nodes:
            self.held.setdefault(node, {})
            self.registered.append((since, Node(node, "boot", address, "z", 100, 100)))
        server = self.servers[address] = DataServer(address, nodes)
        stores = [Store(node, self.held[node]) for node in nodes]
        local = LocalStores(lambda: stores)
        if self.mode == "shared":
            view = self._view()
            peers = Peers(view, view, self._ask)
            self._listen(server, Answerer(self.clock, address, local, peers, self._shared), "q")
        elif self.mode == "own":
            answerer = Answerer(self.clock, address, local, None, self._reply_queue)
            self._listen(server, answerer, *nodes)

    def _listen(self, server: DataServer, answerer: Answerer, *names: str) -> None:
        for name in names:
            answerer.listen(self.queue(name))
        answerer.startService()
        server.answerers.append(answerer)

    def _shared(self, _api: str) -> Deferred[Any]:
        return succeed(self.queue("r"))

    def _reply_queue(self, api: str) -> Deferred[Any]:
        return succeed(self.queue(api))

    def _view(self) -> Callable[[], list[Node]]:
        """The registered nodes as some server sees them: a little late."""
        lag = self.dice.uniform(0, LAG)
        return lambda: [n for since, n in self.registered if since + lag <= self.clock.seconds()]

    def _locator(self, number: int) -> tuple[Locator, Callable[[], list[Node]]]:
        view = self._view()
        way = self._way(self.apis[number], view)
        locator = Locator(self.clock, way, view)
        locator.startService()
        return locator, view

    def _way(self, me: ApiServer, view: Callable[[], list[Node]]) -> Any:
        if self.mode == "direct":
            return DirectWay(self.clock, view, self._ask)
        replies = self.queue("r" if self.mode == "shared" else me.id)
        desk = Desk(self.clock, me, replies, lambda: self.apis, self._hand_over, idle=5.0)
        if self.mode == "shared":
            return SharedWay(desk, self.queue("q"))
        return OwnWay(desk, view, self._reply_queue)

    # -- the network -----------------------------------------------------------------------
    def _call(self, alive: Callable[[], bool], work: Callable[[], Any]) -> Deferred[Any]:
        timers = []
        done: Deferred[Any] = Deferred(lambda _: [t.cancel() for t in timers if t.active()])

        def arrive() -> None:
            if not alive() or self.dice.random() < self.weather.refused:
                done.errback(ConnectionRefusedError())
            else:
                done.callback(work())

        if self.dice.random() >= self.weather.hanging:
            timers.append(self.clock.callLater(self.dice.uniform(0.001, 0.02), arrive))
        return done

    def _ask(self, address: str, names: Sequence[str]) -> Deferred[Any]:
        server = self.servers[address]

        def answer() -> Any:
            return {
                node: {name: self.held[node][name] for name in names if name in self.held[node]}
                for node in server.nodes
            }

        return self._call(lambda: server.alive, answer)

    def _hand_over(self, address: str, reply: Any) -> Deferred[Any]:
        number = [api.address for api in self.apis].index(address)
        locator = self.locators[number][0]
        return self._call(
            lambda: self.api_alive[number], lambda: locator.handed_over(reply, self.apis[number].id)
        )

    # -- what happens ------------------------------------------------------------------------
    def place(self, name: str, *nodes: str) -> None:
        """Put fragments of a blob onto nodes."""
        for index, node in enumerate(nodes):
            self.held[node][name] = (index,)

    def holders(self, name: str, among: frozenset[str]) -> set[tuple[str, str]]:
        """The truth: nodes that hold the blob, with their addresses."""
        return {
            (node.id, node.address)
            for _, node in self.registered
            if node.id in among and name in self.held[node.id]
        }

    def ask(self, api: int, names: tuple[str, ...]) -> None:
        """Let an API server locate, and note what comes of it."""
        if not self.api_alive[api]:
            return
        locator, view = self.locators[api]
        registered = frozenset(node.id for node in view())
        asked = Asked(self.clock.seconds(), api, names, registered)
        self.asked.append(asked)

        def noted(answer: Mapping[str, Located]) -> None:
            asked.took, asked.answer = self.clock.seconds() - asked.at, answer

        locator.locate(names).addCallback(noted)

    def poison(self) -> None:
        """Somebody writes nonsense into every queue."""
        for queue in list(self.queues.values()):
            queue.send([self.dice.choice(POISON)])

    def kill_server(self, address: str) -> None:
        """From now on it is silent; what it had received stays hidden for a while."""
        server = self.servers[address]
        server.alive = False
        for answerer in server.answerers:
            answerer.stopService()

    def kill_api(self, number: int) -> None:
        """Its questions are lost with it."""
        self.api_alive[number] = False
        self.asked = [a for a in self.asked if a.api != number or a.took >= 0]
        self.locators[number][0].stopService()
        self.asked = [a for a in self.asked if a.api != number or a.took >= 0]

    def run(self, until: float) -> None:
        """Let time pass, event by event."""
        while self.clock.calls and self.clock.calls[0].getTime() <= until:
            self.clock.advance(max(0.0, self.clock.calls[0].getTime() - self.clock.seconds()))
        self.clock.advance(max(0.0, until - self.clock.seconds()))

    def stop(self) -> None:
        """End all servers."""
        for server in self.servers.values():
            for answerer in server.answerers:
                answerer.stopService()
        for locator, _ in self.locators:
            locator.stopService()
        self.run(self.clock.seconds() + 2 * HIDDEN)
