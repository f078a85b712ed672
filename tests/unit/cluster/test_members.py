"""The other servers as a process sees them."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from godos.cluster.members import PATIENCE, REFRESH, Members
from godos.model.errors import CatalogUnavailable
from godos.model.members import ApiServer, Node

HERE = Node("a" * 32, "b", "127.0.0.1:1", "z", 1, 1)
THERE = Node("c" * 32, "b", "127.0.0.1:2", "z", 1, 1)


class Rows:
    """The member rows of a catalog."""

    def __init__(self) -> None:
        self.node_rows: list[Node] = [HERE, THERE]
        self.api_rows: list[ApiServer] = [ApiServer("1" * 32, "127.0.0.1:3")]
        self.error: Exception | None = None

    def nodes(self) -> Deferred[Any]:
        return succeed(self.node_rows) if self.error is None else fail(self.error)

    def apis(self) -> Deferred[Any]:
        return succeed(self.api_rows)


class MembersTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.rows = Clock(), Rows()
        self.connected: list[str] = []
        self.members = Members(
            self.rows,  # type: ignore[arg-type]
            self.clock,
            {HERE.id: "disk"},
            self.connect,
            self.clock.seconds,
        )
        self.successResultOf(self.members.refresh())
        self.members.startService()
        self.addCleanup(lambda: self.successResultOf(self.members.stopService()))

    def connect(self, node: Node) -> str:
        self.connected.append(node.address)
        return f"client of {node.address}"

    def beat(self) -> None:
        self.rows.node_rows = [evolve(node, beat=node.beat + 1) for node in self.rows.node_rows]

    def test_fragments_here_and_there(self) -> None:
        """The own disk is used directly, others through one client each."""
        self.assertEqual("disk", self.members.fragments(HERE.id))
        for _ in range(2):
            self.assertEqual("client of 127.0.0.1:2", self.members.fragments(THERE.id))
        self.assertEqual(["127.0.0.1:2"], self.connected)
        self.assertIsNone(self.members.fragments("d" * 32))

    def test_a_node_that_moved_gets_a_new_client(self) -> None:
        """Its id stays, its address is another."""
        self.members.fragments(THERE.id)
        self.rows.node_rows = [HERE, evolve(THERE, address="127.0.0.1:9")]
        self.clock.advance(REFRESH)
        self.assertEqual("client of 127.0.0.1:9", self.members.fragments(THERE.id))

    def test_who_does_not_beat_is_dead(self) -> None:
        """But stays registered: its fragments are not forgotten."""
        steps = int(PATIENCE / REFRESH) + 1
        self.clock.pump([REFRESH] * steps)
        self.assertEqual([], self.members.live())
        self.assertEqual([], self.members.apis())
        self.assertEqual([HERE, THERE], self.members.registered())
        self.beat()
        self.clock.advance(REFRESH)
        self.assertEqual(2, len(self.members.live()))

    def test_a_silent_node_is_suspected_until_it_beats(self) -> None:
        """One failed request is enough; its next beat brings it back."""
        self.members.suspect(THERE.id)
        self.assertEqual([HERE], self.members.live())
        self.beat()
        self.clock.advance(REFRESH)
        self.assertEqual(2, len(self.members.live()))

    def test_a_node_is_alive_while_it_is_among_the_live(self) -> None:
        """One question about one node; strangers are not alive."""
        for node in ("d" * 32, HERE.id, THERE.id):
            among = node in [one.id for one in self.members.live()]
            self.assertEqual(among, self.members.alive(node))
        self.members.suspect(THERE.id)
        self.assertFalse(self.members.alive(THERE.id))
        self.rows.node_rows = [THERE]
        self.clock.advance(REFRESH)
        self.assertFalse(self.members.alive(HERE.id))

    def test_many_who_want_to_know_at_once(self) -> None:
        """The catalog is asked once more for all of them, and a server that stops, no more."""
        looks: list[Deferred[Any]] = []

        def nodes() -> Deferred[Any]:
            looks.append(Deferred())
            return looks[-1]

        self.rows.nodes = nodes  # type: ignore[method-assign]
        asked = [self.members.refresh() for _ in range(10)]
        looks[0].callback([THERE])
        looks[1].callback([HERE])
        for one in asked:
            self.successResultOf(one)
        self.assertEqual(2, len(looks))
        self.assertEqual([HERE], self.members.registered())
        self.clock.advance(REFRESH)
        self.assertFalse(looks[2].called)
        self.successResultOf(self.members.stopService())
        self.assertTrue(looks[2].called)

    def test_the_own_disk_is_never_suspected(self) -> None:
        """A timeout of this process's own disk would not be cured by a beat of itself."""
        self.members.suspect(HERE.id)
        self.assertEqual(2, len(self.members.live()))

    def test_an_outage_of_the_catalog_keeps_what_is_known(self) -> None:
        """And the look-out goes on, after bugs too."""
        for error in (CatalogUnavailable("?"), ZeroDivisionError()):
            self.rows.error = error
            self.clock.advance(REFRESH)
            self.assertEqual([HERE, THERE], self.members.registered())
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.rows.error, self.rows.node_rows = None, [HERE]
        self.clock.advance(REFRESH)
        self.assertEqual([HERE], self.members.registered())
