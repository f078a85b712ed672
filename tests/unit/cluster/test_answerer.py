"""Answering what is asked by queue."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from godos.cluster.answerer import ANCESTOR_TTL, PEER_PATIENCE, Answerer, Peers
from godos.cluster.asking import LocalStores
from godos.messaging.queues import HIDDEN, QueueUnavailable
from godos.model.locating import Holder
from godos.model.members import Node
from godos.protocol.messages import MAX_NAMES, Query, Reply, decode_reply, encode
from tests.memory_queue import MemoryQueue

A, B = "a" * 32, "b" * 32
QUERY = Query("u1", (A,), "api1", "10.0.0.1:8030", 5.0)


def node(node_id: str, address: str) -> Node:
    return Node(node_id, "boot", address, "z", 100, 100)


class Store:
    """A node that holds what the test says."""

    def __init__(self, node_id: str, held: Mapping[str, tuple[int, ...]]) -> None:
        self.node_id = node_id
        self.held = held
        self.asked = 0

    def holds(self, names: Sequence[str]) -> Deferred[Any]:
        self.asked += 1
        return succeed({name: self.held[name] for name in names if name in self.held})


class AnswererTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.queries, self.replies = MemoryQueue(self.clock, "q"), MemoryQueue(self.clock, "r")
        self.store = Store("n1", {})
        self.nodes = [node("n1", "h1:1"), node("n2", "h2:1"), node("n3", "h3:1")]
        self.live = self.nodes
        self.held: dict[str, Any] = {"h2:1": {"n2": {}}, "h3:1": {"n3": {}}}
        self.calls: list[tuple[str, tuple[str, ...]]] = []
        self.objects: dict[str, Any] = {}
        self.start(Peers(lambda: self.nodes, lambda: self.live, self.ask))

    def start(self, peers: Peers | None) -> None:
        self.asked_queues: list[str] = []
        self.answerer = Answerer(
            self.clock,
            "h1:1",
            LocalStores(lambda: [self.store]),
            peers,
            lambda api: self.asked_queues.append(api) or succeed(self.replies),  # type: ignore
            self.find,
        )
        self.answerer.listen(self.queries)
        self.answerer.startService()

    def tearDown(self) -> None:
        self.successResultOf(self.answerer.stopService())

    def ask(self, address: str, names: Sequence[str]) -> Deferred[Any]:
        self.calls.append((address, tuple(names)))
        held = self.held[address]
        if held is None:
            return Deferred()
        return fail(held) if isinstance(held, Exception) else succeed(held)

    def find(self, name: str) -> Deferred[Any]:
        found = self.objects.get(name)
        return fail(found) if isinstance(found, Exception) else succeed(found)

    def send(self, *queries: Query) -> None:
        self.queries.send([encode(query) for query in queries])

    def answers(self) -> list[Reply]:
        replies = [decode_reply(body) for body in self.replies.bodies]
        assert all(isinstance(reply, Reply) for reply in replies)
        return replies  # type: ignore[return-value]

    def test_whoever_gets_the_question_answers_for_all(self) -> None:
        """R1: one that does not hold the blob asks the others, replies, and deletes."""
        self.held["h3:1"] = {"n3": {A: (2,)}}
        self.send(QUERY)
        (reply,) = self.answers()
        self.assertEqual({A: (Holder("n3", "h3:1", (2,)),)}, reply.holders)
        self.assertEqual(("n1", "n2", "n3"), reply.asked)
        self.assertEqual(("u1", "api1", True), (reply.uid, reply.to, reply.complete))
        self.assertEqual([], self.queries.bodies)

    def test_its_own_fragments_are_named_with_its_own_address(self) -> None:
        """Where it can be reached, and not where the catalog last saw it."""
        self.store.held = {A: (0,)}
        self.nodes[0] = node("n1", "old:1")
        self.send(QUERY)
        (reply,) = self.answers()
        self.assertEqual((Holder("n1", "h1:1", (0,)),), reply.holders[A])

    def test_a_negative_is_replied_too(self) -> None:
        """R1: "nobody" is an answer, when all have said so."""
        self.send(QUERY)
        (reply,) = self.answers()
        self.assertEqual(({}, True, ()), (reply.holders, reply.complete, reply.silent))

    def test_a_silent_peer_makes_the_negative_incomplete(self) -> None:
        """R3: and costs no more than a quarter of a second."""
        self.held["h2:1"] = None
        self.send(QUERY)
        self.assertEqual([], self.answers())
        self.clock.advance(PEER_PATIENCE)
        (reply,) = self.answers()
        self.assertEqual((("n2",), False), (reply.silent, reply.complete))

    def test_a_dead_peer_is_not_asked_but_missed(self) -> None:
        """R3: it is registered, so that without it no negative is complete."""
        self.live = [n for n in self.nodes if n.id != "n2"]
        self.send(QUERY)
        (reply,) = self.answers()
        self.assertEqual((("n2",), False), (reply.silent, reply.complete))
        self.assertEqual([("h3:1", (A,))], self.calls)

    def test_who_has_answered_before_is_not_asked_again(self) -> None:
        """The asker says whom it has heard, and these count."""
        self.send(evolve(QUERY, asked=("n2",), hop=1))
        self.assertEqual([("h3:1", (A,))], self.calls)
        self.assertTrue(self.answers()[0].complete)

    def test_questions_of_one_batch_share_calls(self) -> None:
        """One call to each peer for all names, and one request for the replies."""
        self.successResultOf(self.answerer.stopService())
        self.send(QUERY, evolve(QUERY, uid="u2", names=(B,)))
        before = self.replies.requests
        self.answerer.startService()
        self.assertEqual([("h2:1", (A, B)), ("h3:1", (A, B))], self.calls)
        self.assertEqual(["u1", "u2"], [reply.uid for reply in self.answers()])
        self.assertEqual(before + 1, self.replies.requests)

    def test_large_questions_do_not_share_calls(self) -> None:
        """A call to a peer has at most as many names as one question."""
        self.successResultOf(self.answerer.stopService())
        names = [tuple(f"{n * MAX_NAMES + i:032x}" for i in range(600)) for n in range(2)]
        self.send(*(evolve(QUERY, uid=str(n), names=names[n]) for n in range(2)))
        self.answerer.startService()
        self.assertEqual([600] * 4, [len(asked) for _, asked in self.calls])

    def test_a_repeated_question_is_answered_from_memory(self) -> None:
        """R2: the reply may have been lost; a second look-up would find the same."""
        self.send(QUERY)
        self.send(QUERY)
        self.assertEqual(1, self.store.asked)
        self.assertEqual(["u1", "u1"], [reply.uid for reply in self.answers()])
        self.assertEqual(1, self.answerer.counts["repeated"])

    def test_a_question_that_nobody_waits_for_is_deleted(self) -> None:
        """R4: age in the queue and time spent before count together."""
        self.send(evolve(QUERY, spent=5.1))
        self.assertEqual(([], []), (self.answers(), self.queries.bodies))
        self.assertEqual(1, self.answerer.counts["expired"])

    def test_a_question_that_waited_too_long_in_the_queue_is_deleted(self) -> None:
        """R4: by the queue service's clocks."""
        self.successResultOf(self.answerer.stopService())
        self.send(QUERY)
        self.clock.advance(5.1)
        self.answerer.startService()
        self.assertEqual(([], []), (self.answers(), self.queries.bodies))

    def test_poison_is_deleted_and_counted(self) -> None:
        """R5: bad JSON, unknown types and replies in the wrong queue go, and hold up nobody."""
        odd = ["{", "[]", '{"v":2,"t":"gossip"}', '{"v":9}', "\x00", self.reply_body()]
        self.queries.send([*odd, encode(QUERY)])
        self.assertEqual(1, len(self.answers()))
        self.assertEqual([], self.queries.bodies)
        self.assertEqual(len(odd), self.answerer.counts["unreadable"])

    def reply_body(self) -> str:
        return encode(Reply("u", (A,), "api", "h:1", {}, ("n1",), 5.0))

    def test_what_could_not_be_replied_is_not_deleted(self) -> None:
        """R1: send first, delete second; the question comes again and is answered then."""
        self.replies.broken = True
        self.send(QUERY)
        self.assertEqual(1, len(self.queries.bodies))
        self.replies.broken = False
        self.clock.advance(HIDDEN)
        self.assertEqual(["u1"], [reply.uid for reply in self.answers()])
        self.assertEqual([], self.queries.bodies)

    def test_what_could_not_be_deleted_changes_nothing(self) -> None:
        """It comes again, and the same answer goes out once more."""
        delete = self.queries.delete
        self.queries.delete = lambda _: fail(QueueUnavailable("away"))  # type: ignore
        self.send(QUERY)
        self.queries.delete = delete  # type: ignore[method-assign]
        self.clock.advance(HIDDEN)
        self.assertEqual(1, self.store.asked)
        self.assertEqual(([], 2), (self.queries.bodies, len(self.answers())))

    def test_alone_it_speaks_for_its_own_nodes(self) -> None:
        """With a queue for each node, nobody else is asked, and nothing claimed of others."""
        self.successResultOf(self.answerer.stopService())
        self.queries = MemoryQueue(self.clock, "own")
        self.start(peers=None)
        self.store.held = {A: (0,)}
        self.send(QUERY)
        (reply,) = self.answers()
        self.assertEqual((("n1",), False, ()), (reply.asked, reply.complete, reply.silent))
        self.assertEqual(([], ["api1"]), (self.calls, self.asked_queues))

    # -- the ancestor ----------------------------------------------------------------------
    def test_the_ancestors_question_is_answered_with_its_three_fields(self) -> None:
        """An object that the catalog has: the reply names an API server that serves it."""
        self.objects["a b/ü"] = "10.0.0.1:8030"
        self.queries.send([json.dumps({"uid": "7", "addr": "", "name": "a b/ü"})])
        self.assertEqual(
            [{"uid": "7", "addr": "10.0.0.1:8030", "name": "a b/ü"}],
            [json.loads(body) for body in self.replies.bodies],
        )
        self.assertEqual([""], self.asked_queues)
        self.assertEqual([], self.queries.bodies)

    def test_the_ancestor_hears_nothing_of_an_object_that_does_not_exist(self) -> None:
        """Its protocol has no "no"; the question is deleted."""
        self.queries.send(['{"uid":"7","addr":"","name":"x"}'])
        self.assertEqual(([], []), (self.replies.bodies, self.queries.bodies))

    def test_the_ancestors_question_waits_for_the_catalog(self) -> None:
        """An error of the catalog is no answer: the question comes again until it is old."""
        self.objects["x"] = ConnectionError("catalog")
        self.queries.send(['{"uid":"7","addr":"","name":"x"}'])
        self.clock.advance(HIDDEN)
        self.assertEqual(1, len(self.queries.bodies))
        self.objects["x"] = "10.0.0.1:8030"
        self.clock.advance(HIDDEN)
        self.assertEqual(([], 1), (self.queries.bodies, len(self.replies.bodies)))

    def test_the_ancestors_question_is_dropped_when_old(self) -> None:
        """Its messages do not say how long they live."""
        self.objects["x"] = ConnectionError("catalog")
        self.queries.send(['{"uid":"7","addr":"","name":"x"}'])
        self.clock.pump([1.0] * int(ANCESTOR_TTL + 2 * HIDDEN))
        self.assertEqual(([], []), (self.replies.bodies, self.queries.bodies))
