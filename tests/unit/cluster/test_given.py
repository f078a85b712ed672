"""Data servers at addresses that an operator gave."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from godos.cluster.given import EVERY, GivenServers
from godos.model.errors import NodeUnreachable
from godos.model.members import Node

NODE = Node("a" * 32, "b", "10.0.0.1:8031", "z", 1, 1)


class GivenServersTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []
        self.given = GivenServers(["outside:1", "outside:2"], self.ask, self.clock)
        self.addCleanup(lambda: self.successResultOf(self.given.stopService()))

    def ask(self, address: str, names: Any) -> Deferred[Any]:
        self.asked.append(address)
        answer = self.answers.get(address, NodeUnreachable("nobody there"))
        return fail(answer) if isinstance(answer, Exception) else succeed(answer)

    def test_a_node_is_reached_where_it_answered(self) -> None:
        """Although its row names an address that works elsewhere only."""
        self.answers["outside:2"] = {NODE.id: {}}
        self.given.startService()
        self.assertEqual("outside:2", self.given.relocate(NODE).address)

    def test_others_are_left_alone(self) -> None:
        """A node that no given server has keeps its own address."""
        self.given.startService()
        self.assertEqual(NODE, self.given.relocate(NODE))

    def test_a_server_that_comes_later_is_found(self) -> None:
        """Asking goes on, also after a bug in an answer."""
        self.answers["outside:1"] = ZeroDivisionError()
        self.given.startService()
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.answers["outside:1"] = {NODE.id: {}}
        self.clock.advance(EVERY)
        self.assertEqual("outside:1", self.given.relocate(NODE).address)

    def test_nothing_given_nothing_asked(self) -> None:
        """Without --dps there are no rounds."""
        given = GivenServers([], self.ask, self.clock)
        given.startService()
        self.clock.advance(10 * EVERY)
        self.assertEqual([], self.asked)

    def test_stopping_ends_a_question(self) -> None:
        """A server that does not answer delays no stop."""
        silent: list[str] = []
        given = GivenServers(
            ["outside:1"], lambda *_: Deferred(lambda _: silent.append("cancelled")), self.clock
        )
        given.startService()
        self.successResultOf(given.stopService())
        self.assertEqual(["cancelled"], silent)
        self.assertEqual([], self.clock.getDelayedCalls())
