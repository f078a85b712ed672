"""Signs of life."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from godos.catalog.catalog import Catalog
from godos.cluster.heartbeat import EVERY, FAREWELL, ApiHeartbeat, NodeHeartbeat
from godos.model.errors import CannotStart, CatalogUnavailable
from godos.model.members import ApiServer, Node, NodeState
from tests.memory_items import MemoryItems


def node(boot: str = "1" * 32) -> Node:
    return Node("a" * 32, boot, "127.0.0.1:1", "z", 0, 0)


class NodeHeartbeatTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.troubles: list[Exception] = []
        self.catalog = Catalog(
            MemoryItems(before=self.before), self.clock, monotonic=self.clock.seconds
        )
        self.lost: list[str] = []
        self.free = 500

    def before(self, _operation: str) -> Deferred[Any]:
        if self.troubles:
            raise self.troubles[0]
        return succeed(None)

    def heart(self, boot: str = "1" * 32, healed: bool = False) -> NodeHeartbeat:
        heart = NodeHeartbeat(
            self.catalog,
            self.clock,
            node(boot),
            lambda: succeed((1000, self.free)),
            self.lost.append,
            healed,
        )
        self.addCleanup(heart.stopService)
        return heart

    def row(self) -> Node:
        found = self.successResultOf(self.catalog.node("a" * 32))
        assert found is not None
        return found

    def running(self, **kind: Any) -> NodeHeartbeat:
        heart = self.heart(**kind)
        self.successResultOf(heart.claim())
        heart.startService()
        return heart

    def test_claimed_before_it_serves(self) -> None:
        """With address, capacity and free bytes."""
        self.running()
        row = self.row()
        self.assertEqual(("127.0.0.1:1", 1000, 500), (row.address, row.capacity, row.free))

    def test_every_beat_changes_the_row(self) -> None:
        """And brings the figures of the disk up to date."""
        self.running()
        first = self.row().beat
        self.free = 400
        self.clock.advance(EVERY)
        second = self.row()
        self.assertNotEqual(first, second.beat)
        self.assertEqual(400, second.free)

    def test_a_clone_takes_the_id_and_the_first_stops(self) -> None:
        """Two disks with one id: who was claimed away notices with its next beat."""
        self.running()
        self.running(boot="2" * 32)
        self.clock.advance(EVERY)
        self.assertEqual(1, len(self.lost))
        self.assertIn("cloned", self.lost[0])
        self.assertEqual("2" * 32, self.row().boot_id)

    def test_a_removed_node_stops(self) -> None:
        """An operator took the node out of the cluster."""
        self.running()
        self.successResultOf(self.catalog.remove_node(self.row()))
        self.clock.advance(EVERY)
        self.assertIn("removed", self.lost[0])

    def test_an_operators_word_is_kept(self) -> None:
        """A state that somebody else wrote is not overwritten by the next beat."""
        self.running()
        self.successResultOf(self.catalog.update_node(evolve(self.row(), state=NodeState.DRAINING)))
        self.clock.pump([EVERY] * 3)
        self.assertEqual(NodeState.DRAINING, self.row().state)
        self.assertEqual([], self.lost)

    def test_an_outage_ends_and_the_heart_goes_on(self) -> None:
        """Neither an unavailable catalog nor a bug stops it."""
        heart = self.running()
        for trouble in (CatalogUnavailable("?"), ZeroDivisionError()):
            self.troubles.append(trouble)
            self.clock.advance(60.0)
            self.clock.pump([1.0] * 60)
            self.troubles.clear()
        self.flushLoggedErrors(ZeroDivisionError)
        before = self.row().beat
        self.clock.pump([EVERY] * 20)
        self.assertNotEqual(before, self.row().beat)
        self.assertEqual([], self.lost)
        self.assertEqual(heart.node.boot_id, self.row().boot_id)

    def test_a_failed_disk_is_told_to_the_catalog(self) -> None:
        """With the reason, and the node stays failed over restarts."""
        heart = self.running()
        self.successResultOf(heart.failed("fsync said EIO"))
        self.assertEqual(
            (NodeState.FAILED, "fsync said EIO"), (self.row().state, self.row().reason)
        )
        refused = self.failureResultOf(self.heart(boot="2" * 32).claim(), CannotStart)
        self.assertIn("godos disk check", str(refused.value))

    def test_a_failure_wins_against_a_beat_on_its_way(self) -> None:
        """Somebody else's write comes between: the failure is still written at once."""
        heart = self.running()
        self.successResultOf(self.catalog.update_node(evolve(self.row(), zone="elsewhere")))
        self.successResultOf(heart.failed("fsync said EIO"))
        self.assertEqual(NodeState.FAILED, self.row().state)

    def test_a_checked_disk_is_let_back(self) -> None:
        """After `godos disk check` the node is up again."""
        heart = self.running()
        self.successResultOf(heart.failed("fsync said EIO"))
        self.running(boot="2" * 32, healed=True)
        self.assertEqual((NodeState.UP, ""), (self.row().state, self.row().reason))

    def test_stopping_leaves_no_call(self) -> None:
        """Quiet means quiet."""
        heart = self.running()
        self.successResultOf(heart.stopService())
        self.assertEqual([], self.clock.getDelayedCalls())


class SilentCatalog(Catalog):
    """It never answers."""

    def __init__(self) -> None:
        self.cancelled = False

    def remove_api(self, server_id: str) -> Deferred[None]:
        return Deferred(self._cancel)

    def _cancel(self, _: Deferred[None]) -> None:
        self.cancelled = True


class ApiHeartbeatTests(SynchronousTestCase):
    def test_life_of_an_api_server(self) -> None:
        """It registers, beats, and says farewell."""
        clock = Clock()
        catalog = Catalog(MemoryItems(), clock, monotonic=clock.seconds)
        heart = ApiHeartbeat(catalog, clock, ApiServer("b" * 32, "127.0.0.1:2"))
        self.successResultOf(heart.beat())
        heart.startService()
        [first] = self.successResultOf(catalog.apis())
        clock.advance(EVERY)
        [second] = self.successResultOf(catalog.apis())
        self.assertNotEqual(first.beat, second.beat)
        self.successResultOf(heart.stopService())
        self.successResultOf(heart.farewell())
        self.assertEqual([], list(self.successResultOf(catalog.apis())))

    def test_a_catalog_that_does_not_answer_keeps_nobody(self) -> None:
        """A server that stops does not wait for it longer than a second."""
        clock, catalog = Clock(), SilentCatalog()
        heart = ApiHeartbeat(catalog, clock, ApiServer("b" * 32, "127.0.0.1:2"))
        leaving = heart.farewell()
        clock.advance(FAREWELL - 0.1)
        self.assertNoResult(leaving)
        clock.advance(0.1)
        self.successResultOf(leaving)
        self.assertTrue(catalog.cancelled)
        self.assertEqual([], clock.getDelayedCalls())
