"""
A server of a cluster that does nothing but locate: `python -m bench.locate_server JSON`.

The JSON object is described by `Description`.  The process prints `ready` when it listens,
and ends with exit code 0 on SIGTERM.  `bench.locate` measures such servers, and
`tests/integration/test_locate.py` makes their life hard.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import treq
from attrs import asdict, frozen
from twisted.application.service import Service
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import deferLater
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from zope.interface import implementer

from godos.cluster.answerer import Answerer, Peers
from godos.cluster.asking import LocalStores
from godos.cluster.locator import Locator
from godos.cluster.queue_ways import Desk, OwnWay, SharedWay
from godos.cluster.together import together
from godos.cluster.ways import DirectWay
from godos.deferreds import WorkerPool, deferred
from godos.messaging.addresses import SqsAddress
from godos.messaging.queues import IQueue, Received
from godos.messaging.sqs import Clients
from godos.messaging.sqs_queues import SqsQueues
from godos.model.members import ApiServer, Node

reactor: Any = global_reactor
DOUBLED, DELAYED = 0.1, 0.1  # shares of messages
IDLE = 2.0  # seconds between two looks at a queue from which nothing is expected


@frozen
class Description:
    """
    Args:
        me: id of the node or API server that this process is.
        mode: shared, own or direct.
        nodes, apis: id -> `host:port`, of all.
        held: node -> blobs.
        rough: queues double, delay and so disorder some messages, as SQS may.
        latency: seconds that each request to the queue service takes longer.
    """

    me: str
    mode: str
    endpoint: str
    name: str
    nodes: Mapping[str, str]
    apis: Mapping[str, str]
    held: Mapping[str, Sequence[str]]
    rough: bool = False
    latency: float = 0.0

    @property
    def address(self) -> SqsAddress:
        """Its queues."""
        return SqsAddress(self.name, endpoint=self.endpoint, own=self.mode == "own")


class SlowClients(Clients):
    """Clients that count requests, and make each of them last a little longer."""

    def __init__(self, address: SqsAddress, latency: float) -> None:
        super().__init__(address)
        self._latency = latency
        self.requests = 0

    def _make(self, config: Any) -> Any:
        client = super()._make(config)
        client.meta.events.register("request-created.sqs", self._created)
        return client

    def _created(self, **_: Any) -> None:
        self.requests += 1
        time.sleep(self._latency)


@implementer(IQueue)
class RoughQueue:
    """`queue`, with some messages doubled and some delayed."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue
        self.name = queue.name

    @deferred
    async def send(self, bodies: Sequence[str]) -> None:
        """Never done before all is sent."""
        if random.random() < DELAYED:
            await deferLater(reactor, random.uniform(0, 0.2))
        await self._queue.send([*bodies, *(b for b in bodies if random.random() < DOUBLED)])

    def receive(self, wait: int) -> Deferred[Sequence[Received]]:
        """As it is."""
        received: Deferred[Sequence[Received]] = self._queue.receive(wait)
        return received

    def delete(self, receipts: Sequence[str]) -> Deferred[None]:
        """As it is."""
        deleted: Deferred[None] = self._queue.delete(receipts)
        return deleted

    def close(self) -> Deferred[None]:
        """As it is."""
        closed: Deferred[None] = self._queue.close()
        return closed


class Store:
    """A node that holds these blobs."""

    def __init__(self, node_id: str, held: Sequence[str]) -> None:
        self.node_id = node_id
        self._held = frozenset(held)

    def holds(self, names: Sequence[str]) -> Deferred[Any]:
        """Of each the fragment 0."""
        return succeed({name: (0,) for name in names if name in self._held})


class Json(Resource):
    """Answers a POSTed JSON document with another one."""

    isLeaf = True

    def __init__(self, answer: Callable[[Any], Deferred[Any]]) -> None:
        super().__init__()
        self._answer = answer

    def render_POST(self, request: Request) -> int:
        """What `answer` fires with, or 500."""
        answering = self._answer(json.loads(request.content.read()))
        answering.addCallbacks(
            lambda answer: request.write(json.dumps(answer).encode()),
            lambda _: request.setResponseCode(500),
        ).addCallback(lambda _: request.finish())
        return NOT_DONE_YET


@deferred
async def post(address: str, path: str, document: Any) -> Any:
    """Ask another process."""
    body = json.dumps(document).encode()
    response = await treq.post(f"http://{address}/-/{path}", body, persistent=True)
    if response.code != 200:
        raise ConnectionError(f"{address} answered {response.code}")
    return json.loads(await response.content())


class LocateServer:
    """What a process of this description serves."""

    def __init__(self, what: Description, pool: WorkerPool) -> None:
        self.what = what
        self.clients = SlowClients(what.address, what.latency)
        self.queues = SqsQueues(what.address, reactor, pool, self.clients)
        nodes = [Node(i, "boot", address, "z", 100, 100) for i, address in what.nodes.items()]
        self.nodes = lambda: nodes  # none of which is ever taken for dead
        apis = [ApiServer(i, address) for i, address in what.apis.items()]
        self.apis = lambda: apis

    @deferred
    async def start(self) -> None:
        """Listen, and say so."""
        what, is_node = self.what, self.what.me in self.what.nodes
        service, routes = await (self._data() if is_node else self._api())
        root, under = Resource(), Resource()
        root.putChild(b"-", under)
        for name, answer in routes.items():
            under.putChild(name.encode(), Json(answer))
        host, _, port = {**what.nodes, **what.apis}[what.me].rpartition(":")
        reactor.listenTCP(int(port), Site(root), interface=host)
        service.startService()
        reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
        print("ready", flush=True)

    def _rough(self, queue: Any) -> Any:
        return RoughQueue(queue) if self.what.rough else queue

    @deferred
    async def _data(self) -> tuple[Service, Mapping[str, Any]]:
        """An answerer, and `POST /-/locate`."""
        what = self.what
        store = Store(what.me, what.held.get(what.me, ()))
        local = LocalStores(lambda: [store])
        peers = Peers(self.nodes, self.nodes, ask)
        alone = what.mode == "own"
        answerer = Answerer(
            reactor, what.nodes[what.me], local, None if alone else peers, self._reply_queue
        )
        if what.mode != "direct":
            for queue in await self.queues.for_nodes([what.me], "cluster"):
                answerer.listen(self._rough(queue))
        return answerer, {"locate": local.holds, "requests": self._requests}

    @deferred
    async def _reply_queue(self, api: str) -> Any:
        return self._rough(await self.queues.reply_queue(api))

    @deferred
    async def _node_queue(self, node: str) -> Any:
        return self._rough(await self.queues.node_queue(node))

    @deferred
    async def _api(self) -> tuple[Service, Mapping[str, Any]]:
        """A locator, `POST /-/located` for hand-overs, and `POST /-/ask` to make it ask."""
        locator = Locator(reactor, await self._way(), self.nodes)

        @deferred
        async def one(name: str) -> Mapping[str, Any]:
            started = reactor.seconds()
            located = (await locator.locate([name]))[name]
            return {**asdict(located), "took": reactor.seconds() - started}

        @deferred
        async def ask_all(names: Sequence[str]) -> Mapping[str, Any]:
            return dict(zip(names, await together([one(n) for n in names]), strict=True))

        @deferred
        async def located(reply: Any) -> None:
            locator.handed_over(reply, self.what.me)

        return locator, {"located": located, "ask": ask_all, "requests": self._requests}

    @deferred
    async def _way(self) -> Any:
        what = self.what
        if what.mode == "direct":
            return DirectWay(reactor, self.nodes, ask)
        opened = await self.queues.for_api(what.me, "cluster")
        me = ApiServer(what.me, what.apis[what.me])
        desk = Desk(reactor, me, self._rough(opened.replies), self.apis, hand_over, IDLE)
        if opened.queries is None:
            return OwnWay(desk, self.nodes, self._node_queue)
        return SharedWay(desk, self._rough(opened.queries))

    def _requests(self, _: Any) -> Deferred[int]:
        """How many requests to the queue service this process has made."""
        return succeed(self.clients.requests)


def ask(address: str, names: Sequence[str]) -> Deferred[Any]:
    """Ask a data server."""
    return post(address, "locate", list(names))


def hand_over(address: str, reply: Any) -> Deferred[Any]:
    """Hand a reply to another API server."""
    return post(address, "located", reply)


def main() -> None:
    """Run until SIGTERM."""
    pool = WorkerPool(reactor, "sqs", 8)
    pool.start()
    reactor.addSystemEventTrigger("after", "shutdown", pool.stop)
    failed: list[Any] = []

    def ended(failure: Any) -> None:
        failed.append(failure)
        failure.printTraceback(sys.stderr)
        reactor.stop()

    what = Description(**json.loads(sys.argv[1]))
    reactor.callWhenRunning(lambda: LocateServer(what, pool).start().addErrback(ended))
    reactor.run()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
