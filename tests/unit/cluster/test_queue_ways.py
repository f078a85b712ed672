"""Finding blobs over queues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from godos.cluster.answerer import Answerer, Peers
from godos.cluster.asking import LocalStores
from godos.cluster.locator import Locator
from godos.cluster.queue_ways import Desk, OwnWay, SharedWay
from godos.cluster.ways import IWay
from godos.messaging.queues import HIDDEN, QueueUnavailable
from godos.model.locating import Holder, Located
from godos.model.members import ApiServer, Node
from godos.protocol.locate import ATTEMPTS, GIVE_UP
from godos.protocol.messages import Query, decode_query
from godos.protocol.placement import rank
from tests.memory_queue import MemoryQueue
from tests.unit.cluster.test_answerer import Store, node

A, B = "a" * 32, "b" * 32


class SharedTests(SynchronousTestCase):
    """Two API servers and three nodes on two queues."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.queries, self.replies = MemoryQueue(self.clock, "q"), MemoryQueue(self.clock, "r")
        self.stores = {n: Store(n, {}) for n in ("n1", "n2", "n3")}
        self.nodes = [node(n, f"{n}:1") for n in self.stores]
        self.apis = [ApiServer(f"a{n}", f"a{n}:1") for n in range(2)]
        self.answerers = [self.answerer(n) for n in self.stores]
        self.locators = [self.locator(api) for api in self.apis]

    def tearDown(self) -> None:
        for service in (*self.locators, *self.answerers):
            if service.running:
                self.successResultOf(service.stopService())

    def answerer(self, node_id: str) -> Answerer:
        store = self.stores[node_id]
        peers = Peers(lambda: self.nodes, lambda: self.nodes, self.ask)
        local = LocalStores(lambda: [store])
        answerer = Answerer(
            self.clock, f"{node_id}:1", local, peers, lambda _: succeed(self.replies)
        )
        answerer.listen(self.queries)
        answerer.startService()
        return answerer

    def ask(self, address: str, names: Sequence[str]) -> Deferred[Any]:
        node_id = address.removesuffix(":1")
        return self.stores[node_id].holds(names).addCallback(lambda held: {node_id: held})

    def locator(self, api: ApiServer) -> Locator:
        desk = Desk(self.clock, api, self.replies, lambda: self.apis, self.hand_over)
        way = SharedWay(desk, self.queries)
        verifyObject(IWay, way)
        locator = Locator(self.clock, way, lambda: self.nodes)
        locator.startService()
        return locator

    def hand_over(self, address: str, reply: Any) -> Deferred[None]:
        number = [api.address for api in self.apis].index(address)
        return succeed(self.locators[number].handed_over(reply, self.apis[number].id))

    def test_a_blob_is_found_whoever_takes_the_question(self) -> None:
        """And whoever takes the reply."""
        self.stores["n2"].held = {A: (1,)}
        for locator in self.locators:
            self.assertEqual(
                {A: Located((Holder("n2", "n2:1", (1,)),), True), B: Located((), True)},
                self.successResultOf(locator.locate([A, B])),
            )
        self.assertEqual(([], []), (self.queries.bodies, self.replies.bodies))

    def test_a_locate_costs_about_six_requests(self) -> None:
        """Send and receive, reply and delete on each queue, whatever the number of nodes."""
        self.clock.advance(30)
        before = self.queries.requests + self.replies.requests
        for n in range(10):
            self.successResultOf(self.locators[0].locate([f"{n:032x}"]))
        self.assertLessEqual(self.queries.requests + self.replies.requests - before, 70)

    def test_replies_are_waited_for_only_while_questions_are_open(self) -> None:
        """An idle API server costs a request now and then."""
        self.clock.pump([1.0] * 30)
        before = self.replies.requests
        self.clock.pump([1.0] * 60)
        self.assertLessEqual(self.replies.requests - before, 2 * 5)

    def test_a_question_that_was_swallowed_is_asked_again(self) -> None:
        """R7: an aborted poll hides the message; the same question goes out after 0.4 s."""
        for answerer in self.answerers:
            self.successResultOf(answerer.stopService())
        asking = self.locators[0].locate([A])
        self.assertEqual(1, len(self.successResultOf(self.queries.receive(0))))
        self.answerers[0].startService()
        self.assertNoResult(asking)
        self.clock.advance(ATTEMPTS[1])
        self.assertEqual({A: Located((), True)}, self.successResultOf(asking))
        self.clock.advance(HIDDEN)
        self.assertEqual(([], []), (self.queries.bodies, self.replies.bodies))

    def test_without_answer_it_is_unknown_after_five_seconds(self) -> None:
        """R3, R7: three questions with the same uid, and no "no"."""
        for answerer in self.answerers:
            self.successResultOf(answerer.stopService())
        asking = self.locators[0].locate([A])
        self.clock.pump([0.1] * int(GIVE_UP * 10 + 1))
        located = self.successResultOf(asking)[A]
        self.assertEqual(
            ((), False, ("n1", "n2", "n3")), (located.holders, located.complete, located.silent)
        )
        queries = [decode_query(body) for body in self.queries.bodies]
        self.assertEqual(1, len({q.uid for q in queries}))
        self.assertEqual([0, 1, 2], [q.hop for q in queries if isinstance(q, Query)])
        self.assertEqual(
            [0.0, 0.4, 1.5], [round(q.spent, 1) for q in queries if isinstance(q, Query)]
        )

    def test_a_queue_that_fails_makes_it_unknown(self) -> None:
        """Never an error for the caller."""
        self.queries.broken = True
        asking = self.locators[0].locate([A])
        self.clock.pump([0.1] * int(GIVE_UP * 10 + 1))
        self.assertFalse(self.successResultOf(asking)[A].complete)

    def test_a_reply_for_a_server_that_died_is_not_kept(self) -> None:
        """Its neighbours put it back a few times, and then it goes."""
        asker, neighbour = self.locators
        for answerer in self.answerers:
            self.successResultOf(answerer.stopService())
        asker.locate([A])
        self.successResultOf(asker.stopService())
        self.apis = self.apis[1:]
        self.answerers[0].startService()
        self.successResultOf(neighbour.locate([B]))
        self.clock.pump([1.0] * 40)
        self.assertEqual(([], []), (self.queries.bodies, self.replies.bodies))


class OwnTests(SynchronousTestCase):
    """One API server and six nodes, each with a queue of its own."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.replies = MemoryQueue(self.clock, "replies")
        ids = [f"n{n}" for n in range(6)]
        self.stores = {n: Store(n, {}) for n in ids}
        self.queues = {n: MemoryQueue(self.clock, n) for n in ids}
        self.nodes: list[Node] = [node(n, f"{n}:1") for n in ids]
        self.answerers = {n: self.answerer(n) for n in ids}
        me = ApiServer("me", "me:1")
        desk = Desk(self.clock, me, self.replies, lambda: [me], lambda _a, _r: fail(ValueError()))
        way = OwnWay(desk, lambda: self.nodes, self.node_queue)
        verifyObject(IWay, way)
        self.locator = Locator(self.clock, way, lambda: self.nodes)
        self.locator.startService()
        self.order = [n.id for n in rank(A, self.nodes)]

    def tearDown(self) -> None:
        for service in (self.locator, *self.answerers.values()):
            if service.running:
                self.successResultOf(service.stopService())

    def answerer(self, node_id: str) -> Answerer:
        local = LocalStores(lambda: [self.stores[node_id]])
        answerer = Answerer(
            self.clock, f"{node_id}:1", local, None, lambda _: succeed(self.replies)
        )
        answerer.listen(self.queues[node_id])
        answerer.startService()
        return answerer

    def node_queue(self, node_id: str) -> Deferred[Any]:
        if node_id not in self.queues:
            return fail(QueueUnavailable("there is none"))
        return succeed(self.queues[node_id])

    def test_likely_holders_alone_are_asked(self) -> None:
        """A blob that is where it belongs costs three questions."""
        self.stores[self.order[1]].held = {A: (0,)}
        located = self.successResultOf(self.locator.locate([A]))[A]
        self.assertEqual([self.order[1]], [holder.node for holder in located.holders])
        self.assertEqual(3, sum(store.asked for store in self.stores.values()))

    def test_the_others_are_asked_when_these_said_no(self) -> None:
        """A blob that was moved is found as well."""
        self.stores[self.order[5]].held = {A: (0,)}
        located = self.successResultOf(self.locator.locate([A]))[A]
        self.assertEqual([self.order[5]], [holder.node for holder in located.holders])
        self.assertTrue(located.complete)

    def test_no_needs_everybody(self) -> None:
        """R3: each node says it for itself."""
        self.assertEqual({A: Located((), True)}, self.successResultOf(self.locator.locate([A])))
        dead = self.order[4]
        self.successResultOf(self.answerers[dead].stopService())
        asking = self.locator.locate([B])
        self.clock.pump([0.1] * int(GIVE_UP * 10 + 1))
        self.assertEqual({B: Located((), False, (dead,))}, self.successResultOf(asking))

    def test_a_node_without_queue_is_silent(self) -> None:
        """Unknown, and known to be so before the time is up."""
        del self.queues[self.order[0]]
        asking = self.locator.locate([A])
        self.clock.pump([0.1] * 16)
        self.assertEqual({A: Located((), False, (self.order[0],))}, self.successResultOf(asking))
