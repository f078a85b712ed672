"""Replies that an API server takes from the queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from godos.cluster.inbox import ANCESTOR_KEPT, HAND_OVER_PATIENCE, MAX_HOPS, ReplyInbox
from godos.messaging.poller import Poller
from godos.messaging.queues import HIDDEN
from godos.model.members import ApiServer
from godos.protocol.messages import Reply, as_json, decode_reply, encode
from tests.memory_queue import MemoryQueue

A = "a" * 32
REPLY = Reply("u1", (A,), "me", "h0:1", {}, ("n1",), 5.0, complete=True)
FOREIGN = evolve(REPLY, uid="u2", to="other")


class InboxTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.queue = MemoryQueue(self.clock, "r")
        self.heard: list[Reply] = []
        self.known = True
        self.apis = [ApiServer("me", "h0:1"), ApiServer("other", "h1:1")]
        self.handed: list[tuple[str, Mapping[str, Any]]] = []
        self.hand_over_answer: Any = None
        self.inbox = ReplyInbox(
            self.clock, "me", self.queue, self.hear, lambda: self.apis, self.hand_over
        )
        self.poller = Poller(self.clock, self.queue, self.inbox.take)
        self.poller.startService()

    def tearDown(self) -> None:
        self.successResultOf(self.poller.stopService())

    def hear(self, reply: Reply) -> bool:
        self.heard.append(reply)
        return self.known

    def hand_over(self, address: str, reply: Mapping[str, Any]) -> Deferred[None]:
        self.handed.append((address, reply))
        answer = self.hand_over_answer
        if isinstance(answer, Deferred):
            return answer
        return fail(answer) if answer else succeed(None)

    def test_a_reply_to_this_server_is_heard_and_deleted(self) -> None:
        """R1: nothing is left in the queue."""
        self.queue.send([encode(REPLY)])
        self.assertEqual(([REPLY], []), (self.heard, self.queue.bodies))

    def test_a_reply_that_nobody_waits_for_is_dropped(self) -> None:
        """R2: an unknown uid of our version is a late or repeated answer."""
        self.known = False
        self.queue.send([encode(REPLY)])
        self.assertEqual(([], 1), (self.queue.bodies, self.inbox.counts["late"]))

    def test_a_reply_to_another_server_is_handed_over(self) -> None:
        """R1: by HTTP, to the address that the catalog knows for it."""
        self.queue.send([encode(evolve(FOREIGN, to_address="evil:1"))])
        ((address, body),) = self.handed
        self.assertEqual(("h1:1", "u2"), (address, body["uid"]))
        self.assertEqual(([], []), (self.heard, self.queue.bodies))

    def test_a_reply_that_cannot_be_handed_over_goes_back(self) -> None:
        """The asker may find it in the queue; after some rounds it is dropped."""
        self.hand_over_answer = ConnectionRefusedError()
        self.queue.send([encode(FOREIGN)])
        self.assertEqual(1 + MAX_HOPS, len(self.handed))
        self.assertEqual([], self.queue.bodies)
        self.assertEqual(
            (MAX_HOPS, 1), tuple(self.inbox.counts[w] for w in ("put back", "dropped"))
        )

    def test_a_reply_to_an_unknown_server_goes_back(self) -> None:
        """It may have started a moment ago; nobody is called whom the catalog does not know."""
        self.queue.send([encode(evolve(FOREIGN, to="new", hop=MAX_HOPS - 1))])
        self.assertEqual(([], []), (self.handed, self.queue.bodies))
        self.assertEqual((1, 1), tuple(self.inbox.counts[w] for w in ("put back", "dropped")))

    def test_a_server_that_does_not_answer_holds_nobody_up(self) -> None:
        """The hand-over is broken off after half a second; other replies are heard at once."""
        silent: Deferred[None] = Deferred()
        self.hand_over_answer = silent
        self.queue.send([encode(evolve(FOREIGN, hop=MAX_HOPS)), encode(REPLY)])
        self.assertEqual([REPLY], self.heard)
        self.clock.advance(HAND_OVER_PATIENCE)
        self.assertTrue(silent.called)
        self.assertEqual([], self.queue.bodies)

    def test_a_reply_that_is_too_old_to_matter_is_deleted(self) -> None:
        """R4: its asker has given up."""
        self.queue.send([encode(evolve(FOREIGN, spent=5.1))])
        self.assertEqual(([], []), (self.handed, self.queue.bodies))

    def test_time_spent_adds_up_when_a_reply_goes_back(self) -> None:
        """R4: also for whoever takes it next."""
        self.successResultOf(self.poller.stopService())
        self.queue.send([encode(evolve(FOREIGN, to="new", spent=1.0))])
        self.clock.advance(2)
        batch = self.successResultOf(self.queue.receive(0))
        self.successResultOf(self.inbox.take(batch))
        (body,) = self.queue.bodies
        reply = decode_reply(body)
        assert isinstance(reply, Reply)
        self.assertEqual((3.0, 1), (reply.spent, reply.hop))

    def test_poison_is_deleted_and_counted(self) -> None:
        """R5: it holds up nobody."""
        self.queue.send(["{", '{"v":2,"t":"locate"}', "7", encode(REPLY)])
        self.assertEqual(([REPLY], [], 3), (self.heard, self.queue.bodies, self.unreadable))

    @property
    def unreadable(self) -> int:
        return self.inbox.counts["unreadable"]

    def test_an_ancestors_reply_is_left_for_its_asker(self) -> None:
        """We cannot tell who waits for it: it stays, and goes when it is old."""
        self.queue.send(['{"uid":"7","addr":"h:1","name":"x"}'])
        self.clock.pump([1.0] * HIDDEN * 2)
        self.assertEqual(1, len(self.queue.bodies))
        self.clock.pump([1.0] * int(ANCESTOR_KEPT))
        self.assertEqual([], self.queue.bodies)

    def test_a_queue_that_fails_is_survived(self) -> None:
        """What could not be put back or deleted comes again."""
        self.hand_over_answer = ConnectionRefusedError()
        self.successResultOf(self.poller.stopService())
        self.queue.send([encode(FOREIGN), encode(REPLY)])
        batch = self.successResultOf(self.queue.receive(0))
        self.queue.broken = True
        self.successResultOf(self.inbox.take(batch))
        self.assertEqual(2, len(self.queue.bodies))
        self.assertEqual(1, self.inbox.counts["not deleted"])

    def test_a_handed_over_reply_is_what_the_queue_would_have_brought(self) -> None:
        """Nothing but the time spent is changed."""
        self.queue.send([encode(FOREIGN)])
        ((_, body),) = self.handed
        self.assertEqual(as_json(FOREIGN), body)
