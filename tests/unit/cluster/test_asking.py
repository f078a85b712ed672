"""Asking several servers at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from godos.cluster.asking import LocalStores, Round
from godos.model.errors import NodeFailed
from godos.protocol.answering import Gathered
from godos.protocol.locate import GRACE

A, B = "a" * 32, "b" * 32


class Calls:
    """Stands for the network: each call is answered by the test."""

    def __init__(self) -> None:
        self.open: dict[str, Deferred[Any]] = {}
        self.cancelled: list[str] = []

    def __call__(self, address: str, _names: Sequence[str]) -> Deferred[Any]:
        self.open[address] = Deferred(lambda _: self.cancelled.append(address))
        return self.open[address]


class RoundTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.calls = Clock(), Calls()
        self.round = Round(self.clock, self.calls, (A, B), Gathered(), patience=0.25)

    def tearDown(self) -> None:
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_it_ends_when_all_have_answered(self) -> None:
        """No clock is waited for when everybody spoke."""
        done = self.round.start(["h1", "h2"])
        self.calls.open["h2"].callback({"n2": {A: (1,)}, "n3": {}})
        self.assertNoResult(done)
        self.calls.open["h1"].callback({"n1": {}})
        gathered = self.successResultOf(done)
        self.assertEqual({"n1", "n2", "n3"}, set(gathered.said))
        self.assertEqual([("n2", "h2")], [(h.node, h.address) for h in gathered.holders(A)])

    def test_a_server_that_fails_is_left_out(self) -> None:
        """Who cannot be asked has not answered."""
        done = self.round.start(["h1", "h2"])
        self.calls.open["h1"].errback(ConnectionRefusedError())
        self.calls.open["h2"].callback({"n2": {}})
        self.assertEqual({"n2"}, set(self.successResultOf(done).said))

    def test_patience_ends(self) -> None:
        """A silent server costs a quarter of a second, and its call is broken off."""
        done = self.round.start(["h1", "h2"])
        self.calls.open["h1"].callback({"n1": {}})
        self.clock.advance(0.25)
        self.assertEqual({"n1"}, set(self.successResultOf(done).said))
        self.assertEqual(["h2"], self.calls.cancelled)

    def test_once_all_is_found_the_others_get_a_moment_more(self) -> None:
        """A holder for each blob is enough; other holders are named when they are quick."""
        done = self.round.start(["h1", "h2", "h3"])
        self.calls.open["h1"].callback({"n1": {A: (0,), B: (0,)}})
        self.clock.advance(GRACE / 2)
        self.calls.open["h3"].callback({"n3": {A: (1,)}})
        self.assertNoResult(done)
        self.clock.advance(GRACE / 2)
        self.assertEqual({"n1", "n3"}, set(self.successResultOf(done).said))

    def test_nobody_to_ask(self) -> None:
        """It ends at once."""
        self.assertEqual({}, self.successResultOf(self.round.start([])).said)

    def test_cancelling_breaks_all_calls_off(self) -> None:
        """Nothing goes on for a caller who left."""
        done = self.round.start(["h1", "h2"])
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.assertEqual(["h1", "h2"], self.calls.cancelled)

    def test_answers_that_are_there_at_once(self) -> None:
        """A server in the same process needs no network."""
        done = Round(self.clock, lambda _a, _n: succeed({"n1": {}}), (A,), Gathered(), 0.25).start(
            ["h1", "h2"]
        )
        self.assertEqual({"n1"}, set(self.successResultOf(done).said))


class Store:
    """The part of an `IFragmentStore` that locate sees."""

    def __init__(self, node_id: str, answer: Mapping[str, tuple[int, ...]] | Exception) -> None:
        self.node_id = node_id
        self.answer = answer

    def holds(self, _names: Sequence[str]) -> Deferred[Any]:
        answer = self.answer
        return fail(answer) if isinstance(answer, Exception) else succeed(answer)


class LocalStoresTests(SynchronousTestCase):
    def test_each_node_answers_for_itself(self) -> None:
        """A process with several disks answers under each node's id."""
        stores = LocalStores(lambda: [Store("n1", {A: (0,)}), Store("n2", {})])
        self.assertEqual({"n1": {A: (0,)}, "n2": {}}, self.successResultOf(stores.holds([A, B])))

    def test_a_failed_node_says_nothing(self) -> None:
        """A disk that cannot be read never says "no"."""
        stores = LocalStores(lambda: [Store("n1", NodeFailed("disk")), Store("n2", {})])
        self.assertEqual({"n2": {}}, self.successResultOf(stores.holds([A])))

    def test_a_bug_is_not_silence(self) -> None:
        """What is no failure of a disk comes out."""
        stores = LocalStores(lambda: [Store("n1", ZeroDivisionError())])
        self.failureResultOf(stores.holds([A]), ZeroDivisionError)
