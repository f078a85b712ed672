"""
A server of a cluster that does nothing but locate, for tests: `python -m … DESCRIPTION`.

The description is a JSON object (see `Description`).  The process prints `ready` when it
listens, and ends with exit code 0 on SIGTERM.  Its queues double, delay and so disorder
some messages, as SQS may.
"""

from __future__ import annotations

import json
import random
import sys
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
from godos.deferreds import WorkerPool, deferred
from godos.messaging.addresses import SqsAddress
from godos.messaging.queues import IQueue, Received
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
        nodes, apis: id -> `host:port`, of all.
        held: node -> blobs.
    """

    me: str
    endpoint: str
    name: str
    own: bool
    nodes: Mapping[str, str]
    apis: Mapping[str, str]
    held: Mapping[str, Sequence[str]]


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


def node_of(description: Description) -> Callable[[], list[Node]]:
    """All nodes, none of which is ever taken for dead."""
    nodes = [Node(i, "boot", address, "z", 100, 100) for i, address in description.nodes.items()]
    return lambda: nodes


@deferred
async def data_server(what: Description, queues: SqsQueues) -> tuple[Service, Mapping[str, Any]]:
    """An answerer, and `POST /-/locate`."""
    local = LocalStores(lambda: [Store(what.me, what.held.get(what.me, ()))])
    peers = Peers(node_of(what), node_of(what), lambda a, names: post(a, "locate", list(names)))

    @deferred
    async def reply_queue(api: str) -> RoughQueue:
        return RoughQueue(await queues.reply_queue(api))

    address = what.nodes[what.me]
    answerer = Answerer(reactor, address, local, None if what.own else peers, reply_queue)
    for queue in await queues.for_nodes([what.me], "cluster"):
        answerer.listen(RoughQueue(queue))
    return answerer, {"locate": local.holds}


@deferred
async def api_server(what: Description, queues: SqsQueues) -> tuple[Service, Mapping[str, Any]]:
    """A locator, `POST /-/located` for hand-overs, and `POST /-/ask` for the test."""
    apis = [ApiServer(i, address) for i, address in what.apis.items()]
    opened = await queues.for_api(what.me, "cluster")
    desk = Desk(
        reactor,
        ApiServer(what.me, what.apis[what.me]),
        RoughQueue(opened.replies),
        lambda: apis,
        lambda address, reply: post(address, "located", reply),
        IDLE,
    )

    @deferred
    async def node_queue(node: str) -> RoughQueue:
        return RoughQueue(await queues.node_queue(node))

    way: Any = (
        OwnWay(desk, node_of(what), node_queue)
        if opened.queries is None
        else SharedWay(desk, RoughQueue(opened.queries))
    )
    locator = Locator(reactor, way, node_of(what))

    @deferred
    async def ask(names: Sequence[str]) -> Any:
        return {n: asdict(located) for n, located in (await locator.locate(names)).items()}

    @deferred
    async def located(reply: Any) -> None:
        locator.handed_over(reply)

    return locator, {"located": located, "ask": ask}


@deferred
async def serve(what: Description, pool: WorkerPool) -> None:
    """Start, and say so."""
    address = SqsAddress(what.name, endpoint=what.endpoint, own=what.own)
    queues = SqsQueues(address, reactor, pool)
    kind = data_server if what.me in what.nodes else api_server
    service, routes = await kind(what, queues)
    root, under = Resource(), Resource()
    root.putChild(b"-", under)
    for name, answer in routes.items():
        under.putChild(name.encode(), Json(answer))
    host, _, port = {**what.nodes, **what.apis}[what.me].rpartition(":")
    reactor.listenTCP(int(port), Site(root), interface=host)
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    print("ready", flush=True)


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
    reactor.callWhenRunning(lambda: serve(what, pool).addErrback(ended))
    reactor.run()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
