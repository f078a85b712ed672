"""Finding blobs, straight over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from godos.cluster.locator import HITS_KEPT, MISSES_KEPT, Locator
from godos.cluster.ways import DirectWay, IWay
from godos.model.errors import InvalidRequest, WrongNode
from godos.model.locating import Holder, ILocator, Located
from godos.model.members import Node
from godos.protocol.locate import ATTEMPTS, GIVE_UP
from godos.protocol.messages import MAX_NAMES, Reply, as_json

A, B, C = "a" * 32, "b" * 32, "c" * 32
ME = "me"


def node(node_id: str, address: str) -> Node:
    return Node(node_id, "boot", address, "z", 100, 100)


class Network:
    """Servers by address: what their nodes hold, an error, or None for silence."""

    def __init__(self) -> None:
        self.servers: dict[str, Mapping[str, Mapping[str, tuple[int, ...]]] | Exception | None] = {}
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def ask(self, address: str, names: Sequence[str]) -> Deferred[Any]:
        self.asked.append((address, tuple(names)))
        server = self.servers[address]
        if server is None:
            return Deferred()
        if isinstance(server, Exception):
            return fail(server)
        return succeed(
            {n: {name: held[name] for name in names if name in held} for n, held in server.items()}
        )


class DirectTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.network = Clock(), Network()
        self.nodes = [node("n1", "h1:1"), node("n2", "h2:1"), node("n3", "h2:1")]
        self.network.servers = {"h1:1": {"n1": {}}, "h2:1": {"n2": {}, "n3": {}}}
        numbers = count()
        way = DirectWay(self.clock, lambda: self.nodes, self.network.ask)
        self.locator = Locator(self.clock, way, lambda: self.nodes, lambda: f"u{next(numbers)}")
        verifyObject(ILocator, self.locator)
        verifyObject(IWay, way)
        self.locator.startService()

    def tearDown(self) -> None:
        self.successResultOf(self.locator.stopService())
        self.assertEqual([], self.clock.getDelayedCalls())

    def located(self, *names: str) -> Mapping[str, Located]:
        return self.successResultOf(self.locator.locate(names))

    def test_a_blob_is_found_where_it_is(self) -> None:
        """The answer names the node and the address that answered for it."""
        self.network.servers["h2:1"] = {"n2": {}, "n3": {A: (1,)}}
        self.assertEqual(
            {A: Located((Holder("n3", "h2:1", (1,)),), True), B: Located((), True)},
            self.located(A, B),
        )

    def test_a_server_with_several_nodes_is_asked_once(self) -> None:
        """One call for each server, with all the names."""
        self.located(A, B)
        self.assertEqual([("h1:1", (A, B)), ("h2:1", (A, B))], self.network.asked)

    def test_no_is_said_only_when_all_answered(self) -> None:
        """R3: a refused connection makes the answer "unknown", after two more attempts."""
        self.network.servers["h1:1"] = ConnectionRefusedError()
        asking = self.locator.locate([A])
        self.clock.advance(ATTEMPTS[1])
        self.assertNoResult(asking)
        self.clock.advance(ATTEMPTS[2] - ATTEMPTS[1])
        self.assertEqual({A: Located((), False, ("n1",))}, self.successResultOf(asking))
        self.assertEqual(3, self.network.asked.count(("h1:1", (A,))))
        self.assertEqual(1, self.network.asked.count(("h2:1", (A,))))

    def test_another_node_at_the_address_does_not_answer_for_it(self) -> None:
        """R3: what counts is the id that answers, not the place that was asked."""
        self.network.servers["h1:1"] = {"stranger": {}}
        asking = self.locator.locate([A])
        self.clock.pump([0.1] * 60)
        self.assertEqual({A: Located((), False, ("n1",))}, self.successResultOf(asking))

    def test_a_silent_server_is_given_up(self) -> None:
        """Never longer than the locate time-out, and no failure."""
        self.network.servers["h2:1"] = None
        asking = self.locator.locate([A])
        self.clock.pump([0.05] * int(GIVE_UP / 0.05 + 1))
        self.assertEqual({A: Located((), False, ("n2", "n3"))}, self.successResultOf(asking))

    def test_one_question_for_a_blob_in_flight(self) -> None:
        """R8: who asks for the same blob meanwhile waits for the same answer."""
        self.network.servers["h1:1"] = None
        first, second = self.locator.locate([A]), self.locator.locate([A, B])
        self.assertEqual([("h1:1", (A,)), ("h1:1", (B,))], self.network.asked[::2])
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.clock.pump([0.05] * 101)
        self.assertEqual({A, B}, set(self.successResultOf(second)))

    def test_hits_are_remembered_a_minute(self) -> None:
        """R8: the same blob is not asked for again."""
        self.network.servers["h1:1"] = {"n1": {A: (0,)}}
        self.located(A)
        self.clock.advance(HITS_KEPT - 1)
        self.located(A)
        self.assertEqual(2, len(self.network.asked))
        self.clock.advance(1)
        self.located(A)
        self.assertEqual(4, len(self.network.asked))

    def test_misses_are_remembered_a_second(self) -> None:
        """R8: a blob that turns up is found soon."""
        self.assertEqual((), self.located(A)[A].holders)
        self.network.servers["h1:1"] = {"n1": {A: (0,)}}
        self.assertEqual((), self.located(A)[A].holders)
        self.clock.advance(MISSES_KEPT)
        self.assertNotEqual((), self.located(A)[A].holders)

    def test_a_new_node_makes_what_is_remembered_worthless(self) -> None:
        """R3: it was not asked, and may be the one that has the blob."""
        self.assertTrue(self.located(A)[A].complete)
        self.nodes.append(node("n4", "h4:1"))
        self.network.servers["h4:1"] = {"n4": {A: (0,)}}
        self.assertEqual(["n4"], [holder.node for holder in self.located(A)[A].holders])

    def test_a_hint_that_proved_wrong_is_forgotten(self) -> None:
        """The next question is put again."""
        self.network.servers["h1:1"] = {"n1": {A: (0,)}}
        self.located(A)
        self.network.servers["h1:1"] = {"n1": {}}
        self.locator.forget(A)
        self.assertEqual((), self.located(A)[A].holders)

    def test_names_given_twice_are_asked_once(self) -> None:
        """The answer has each once."""
        self.assertEqual({A}, set(self.located(A, A)))
        self.assertEqual((A,), self.network.asked[0][1])

    def test_many_names_are_several_messages(self) -> None:
        """R8: a message has at most so many."""
        names = [f"{n:032x}" for n in range(MAX_NAMES + 1)]
        self.assertEqual(set(names), set(self.located(*names)))
        self.assertEqual([MAX_NAMES, MAX_NAMES, 1, 1], [len(n) for _, n in self.network.asked])

    def test_stopping_answers_unknown(self) -> None:
        """Who waits when the server stops is told so, not left waiting."""
        self.network.servers["h1:1"] = None
        asking = self.locator.locate([A])
        self.successResultOf(self.locator.stopService())
        self.assertEqual({A: Located((), False)}, self.successResultOf(asking))
        self.assertEqual({B: Located((), False)}, self.located(B))

    def test_a_hand_over_that_is_no_reply_is_refused(self) -> None:
        """The other server is told, and nothing changes here."""
        self.assertRaises(InvalidRequest, self.locator.handed_over, {"v": 2, "t": "locate"}, ME)
        self.assertRaises(InvalidRequest, self.locator.handed_over, [], ME)

    def test_a_hand_over_to_the_wrong_server_is_refused(self) -> None:
        """Servers that all advertise loopback lose no reply to the wrong one."""
        reply = Reply(
            uid="u",
            names=(A,),
            to="another",
            to_address="127.0.0.1:8030",
            holders={},
            asked=(),
            ttl=5.0,
        )
        self.assertRaises(WrongNode, self.locator.handed_over, as_json(reply), ME)
