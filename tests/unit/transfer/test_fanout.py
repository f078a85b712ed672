"""One step on several nodes."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from godos.model.errors import NodeFull, NodeUnreachable, NotEnoughNodes
from godos.transfer.fanout import FanOut


class FanOutTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.work: dict[str, Deferred[None]] = {}
        self.cancelled: list[str] = []
        self.fan = FanOut(dict.fromkeys("abc", "target"), 2, self.clock, straggler=2.0)

    def step(self, name: str, target: Any) -> Deferred[None]:
        self.assertEqual("target", target)
        self.work[name] = Deferred(lambda _: self.cancelled.append(name))
        return self.work[name]

    def test_it_waits_for_all(self) -> None:
        """A step takes as long as its slowest node, so that all stay in step."""
        done = self.fan.each("write", self.step)
        self.work["a"].callback(None)
        self.work["b"].callback(None)
        self.assertNoResult(done)
        self.work["c"].callback(None)
        self.successResultOf(done)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_a_node_that_fails_is_left_out(self) -> None:
        """The others go on without it, and later steps do not ask it again."""
        done = self.fan.each("write", self.step)
        self.work["a"].errback(NodeUnreachable("refused"))
        self.work["b"].callback(None)
        self.work["c"].callback(None)
        self.successResultOf(done)
        self.work.clear()
        self.fan.each("seal", self.step)
        self.assertEqual({"b", "c"}, set(self.work))
        self.fan.require(2)
        with self.assertRaises(NotEnoughNodes) as caught:
            self.fan.require(3)
        self.assertIn("a: refused", str(caught.exception))

    def test_a_hung_node_is_dropped_once_a_quorum_is_done(self) -> None:
        """Two of three are enough: the third gets two more seconds, not a minute."""
        done = self.fan.each("write", self.step)
        self.work["a"].callback(None)
        self.clock.advance(60.0)
        self.assertNoResult(done)
        self.work["b"].callback(None)
        self.clock.advance(1.9)
        self.assertNoResult(done)
        self.clock.advance(0.2)
        self.successResultOf(done)
        self.assertEqual(["c"], self.cancelled)
        self.assertEqual({"a", "b"}, set(self.fan.targets))

    def test_a_full_disk_is_named(self) -> None:
        """When nodes had no room the client learns that, not a count of nodes."""
        self.fan.each("write", self.step)
        self.work["a"].errback(NodeFull("full"))
        self.work["b"].errback(NodeUnreachable("gone"))
        self.work["c"].callback(None)
        with self.assertRaisesRegex(NodeFull, "node a: full"):
            self.fan.require(2)

    def test_a_bug_in_a_node_is_logged_with_its_traceback(self) -> None:
        """An error that is none of ours drops the node too, but is never quiet."""
        self.fan.each("write", self.step)
        self.work["a"].errback(ZeroDivisionError())
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.assertNotIn("a", self.fan.targets)

    def test_cancelling_stops_every_node(self) -> None:
        """A client that leaves frees all nodes at once."""
        done = self.fan.each("write", self.step)
        self.work["a"].callback(None)
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.assertEqual({"b", "c"}, set(self.cancelled))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_no_targets_is_done_at_once(self) -> None:
        """When all were dropped before, a step asks nobody."""
        self.fan.targets.clear()
        self.successResultOf(self.fan.each("write", self.step))
