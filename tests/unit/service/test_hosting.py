"""The nodes of a process, over storage that fails when told to."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from godos.catalog.catalog import Catalog
from godos.cluster.heartbeat import EVERY
from godos.cluster.removed import readmit
from godos.model.blobs import Blob, Held, Placed
from godos.model.errors import CannotStart, FragmentDamaged, NodeFailed
from godos.model.members import Cluster, NodeState
from godos.model.names import FragmentName
from godos.model.policy import Policy
from godos.model.upkeep import Job, JobKind, JobState
from godos.model.versions import NewVersion
from godos.service.hosting import Hosting
from godos.service.upkeep_settings import ScrubSettings
from godos.storage.verified import Verified, VerifiedSince
from tests.memory_items import MemoryItems


class Folder:
    """A storage folder, opened."""

    def __init__(self, node_id: str, cluster_id: str | None = None) -> None:
        self.node_id = node_id
        self.identity = SimpleNamespace(cluster=cluster_id)
        self.closed = 0
        self.proof = False  # `godos disk check` passed
        self.unforgettable: Exception | None = None
        self.on_failed: Callable[[str], object] | None = None

    def adopt(self, cluster: str) -> Deferred[None]:
        self.identity.cluster = cluster
        return succeed(None)

    def room(self) -> Deferred[Any]:
        return succeed(SimpleNamespace(capacity=100, free=50))

    def checked(self) -> Deferred[bool]:
        return succeed(self.proof)

    def forget_check(self) -> Deferred[None]:
        if self.unforgettable is not None:
            assert self.on_failed is not None
            self.on_failed(str(self.unforgettable))
            return fail(self.unforgettable)
        self.proof = False
        return succeed(None)

    def close(self) -> Deferred[None]:
        self.closed += 1
        return succeed(None)


class ReadFolder(Folder):
    """One with a few fragments, of which some are damaged, that can be read back."""

    def __init__(self, node_id: str, *damaged: FragmentName) -> None:
        super().__init__(node_id)
        self.verified = VerifiedSince()
        self.damaged = damaged
        self.names = sorted([FragmentName("3" * 32, 1), FragmentName("7" * 32, 0), *damaged])
        self.read: list[FragmentName] = []
        self.remembered: Verified | None = None

    def inventory(self, after: FragmentName | None, limit: int) -> Deferred[Any]:
        assert not self.closed
        names = [name for name in self.names if after is None or name > after]
        return succeed([Held(name, 0.0) for name in names[:limit]])

    def verify(self, name: FragmentName, pace: Any = None) -> Deferred[Any]:
        assert not self.closed
        self.read.append(name)
        if name in self.damaged:
            return fail(FragmentDamaged(f"{name} is not what it was"))
        return succeed(SimpleNamespace(length=5))

    def recall(self) -> Deferred[Verified | None]:
        return succeed(self.remembered)

    def remember(self, verified: Verified) -> Deferred[None]:
        assert not self.closed
        self.remembered = verified
        return succeed(None)


class HostingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.catalog = Catalog(
            MemoryItems(), self.clock, monotonic=self.clock.seconds, random=Random(1)
        )
        self.cluster: Cluster = self.successResultOf(self.catalog.initialise("auto"))
        self.folders: dict[Path, Folder] = {}

    def hosting(self, *folders: Folder, scrub: ScrubSettings | None = None) -> Hosting:
        """Over these folders."""
        self.folders = {Path(f"/{number}"): folder for number, folder in enumerate(folders)}
        return Hosting(self.clock, list(self.folders), "z", self.open, scrub)

    def open(self, path: Path, on_failed: Callable[[str], object]) -> Deferred[Any]:
        """As storage does."""
        folder = self.folders[path]
        folder.on_failed = on_failed
        return succeed(folder)

    def claim(self, hosting: Hosting) -> Deferred[None]:
        """Register its nodes."""
        step = hosting.claiming(lambda: self.catalog, lambda: self.cluster, lambda: "here:1")
        self.stop_claiming = step.stop
        return step.start()

    def test_registered(self) -> None:
        """New folders are adopted, registered with their address and zone, and kept alive."""
        hosting = self.hosting(Folder("a" * 32), Folder("b" * 32, self.cluster.id))
        self.successResultOf(hosting.opening.start())
        self.assertEqual(hosting.known(), {Path("/1"): self.cluster.id})
        self.successResultOf(self.claim(hosting))
        nodes = self.successResultOf(self.catalog.nodes())
        self.assertEqual(
            [(n.id, n.address, n.zone, n.free) for n in nodes],
            [("a" * 32, "here:1", "z", 50), ("b" * 32, "here:1", "z", 50)],
        )
        self.assertEqual(list(hosting.stores), ["a" * 32, "b" * 32])
        self.assertEqual(self.folders[Path("/0")].identity.cluster, self.cluster.id)
        self.clock.advance(EVERY)
        later = self.successResultOf(self.catalog.nodes())
        self.assertNotEqual([n.beat for n in nodes], [n.beat for n in later])
        self.successResultOf(self.stop_claiming())
        self.successResultOf(hosting.opening.stop())
        self.assertEqual([folder.closed for folder in self.folders.values()], [1, 1])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_copied_folder(self) -> None:
        """A folder and its copy are not both used, and neither stays open."""
        hosting = self.hosting(Folder("a" * 32), Folder("a" * 32))
        error = self.failureResultOf(hosting.opening.start(), CannotStart)
        self.assertIn("/1 is a copy of /0", str(error.value))
        self.assertEqual([folder.closed for folder in self.folders.values()], [1, 1])

    def test_folder_that_cannot_be_opened(self) -> None:
        """When the second folder refuses, the first is closed again."""
        hosting = self.hosting(Folder("a" * 32), Folder("b" * 32))
        opened: list[Path] = []

        def open_first(path: Path, on_failed: Callable[[str], object]) -> Deferred[Any]:
            opened.append(path)
            if len(opened) > 1:
                return fail(CannotStart("in use"))
            return self.open(path, on_failed)

        hosting = Hosting(self.clock, list(self.folders), "", open_first)
        self.failureResultOf(hosting.opening.start(), CannotStart)
        self.assertEqual(self.folders[Path("/0")].closed, 1)

    def test_disk_that_fails(self) -> None:
        """A node whose disk fails is failed in the catalog, also when that was early."""
        hosting = self.hosting(Folder("a" * 32), Folder("b" * 32))
        self.successResultOf(hosting.opening.start())
        early, late = self.folders.values()
        assert early.on_failed is not None
        assert late.on_failed is not None
        early.on_failed("the first flush failed")
        self.successResultOf(self.claim(hosting))
        late.on_failed("a later flush failed")
        nodes = self.successResultOf(self.catalog.nodes())
        self.assertEqual([node.state for node in nodes], [NodeState.FAILED] * 2)
        self.assertEqual(
            [node.reason for node in nodes], ["the first flush failed", "a later flush failed"]
        )
        self.successResultOf(self.stop_claiming())

    def test_failed_node_stays_out(self) -> None:
        """A failed node is refused until it was checked, and others are not left beating."""
        self.test_disk_that_fails()
        hosting = self.hosting(Folder("c" * 32), Folder("a" * 32, self.cluster.id))
        self.successResultOf(hosting.opening.start())
        error = self.failureResultOf(self.claim(hosting), CannotStart)
        self.assertIn("godos disk check", str(error.value))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_checked_node_comes_back(self) -> None:
        """A failed node that was checked is up again, and its next failure counts again."""
        self.test_disk_that_fails()
        folder = Folder("a" * 32, self.cluster.id)
        folder.proof = True
        hosting = self.hosting(folder)
        self.successResultOf(hosting.opening.start())
        self.successResultOf(self.claim(hosting))
        self.assertEqual(list(hosting.stores), [folder.node_id])
        self.assertFalse(folder.proof)
        self.assertEqual(self.row(folder), (NodeState.UP, ""))
        assert folder.on_failed is not None
        folder.on_failed("once more")
        self.successResultOf(self.stop_claiming())
        again = self.hosting(folder)
        self.successResultOf(again.opening.start())
        self.failureResultOf(self.claim(again), CannotStart)

    def test_check_does_not_excuse_a_later_failure(self) -> None:
        """A node that fails while its checked folder is opened stays out of service."""
        self.test_disk_that_fails()
        folder = Folder("a" * 32, self.cluster.id)
        folder.proof = True
        hosting = self.hosting(folder)
        self.successResultOf(hosting.opening.start())
        assert folder.on_failed is not None
        folder.on_failed("it failed right away")
        self.failureResultOf(self.claim(hosting), CannotStart)
        self.assertEqual(self.row(folder)[0], NodeState.FAILED)

    def test_check_that_cannot_be_forgotten(self) -> None:
        """A disk on which the proof cannot be removed fails, in the catalog too."""
        folder = Folder("a" * 32, self.cluster.id)
        folder.proof, folder.unforgettable = True, NodeFailed("no more writes")
        hosting = self.hosting(folder)
        self.successResultOf(hosting.opening.start())
        self.failureResultOf(self.claim(hosting), NodeFailed)
        self.assertEqual(hosting.stores, {})
        self.assertEqual(self.row(folder), (NodeState.FAILED, "no more writes"))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def row(self, folder: Folder) -> tuple[NodeState, str]:
        """State and reason of a node in the catalog."""
        nodes = {node.id: node for node in self.successResultOf(self.catalog.nodes())}
        return nodes[folder.node_id].state, nodes[folder.node_id].reason

    def test_claimed_by_another(self) -> None:
        """A node that another process claims is not served here any more."""
        hosting = self.hosting(Folder("a" * 32))
        self.successResultOf(hosting.opening.start())
        self.successResultOf(self.claim(hosting))
        rival = Hosting(self.clock, [Path("/0")], "", self.open)
        self.successResultOf(rival.opening.start())
        stop_first = self.stop_claiming
        self.successResultOf(self.claim(rival))
        self.clock.advance(EVERY)
        self.assertEqual(hosting.stores, {})
        self.assertEqual(list(rival.stores), ["a" * 32])
        self.successResultOf(stop_first())
        self.successResultOf(self.stop_claiming())

    # -- reading back ---------------------------------------------------------------------
    def reading(self, *folders: Folder) -> Hosting:
        """Nodes that are served, and read back."""
        hosting = self.hosting(*folders, scrub=ScrubSettings(1000.0, 0.0))
        self.successResultOf(hosting.opening.start())
        self.successResultOf(self.claim(hosting))
        return hosting

    def test_read_back(self) -> None:
        """Each node is read back, and its row tells since when all of it is known to be good."""
        self.clock.advance(5000)
        one, two = ReadFolder("a" * 32), ReadFolder("b" * 32)
        hosting = self.reading(one, two)
        self.assertEqual((one.read, two.read), (one.names, two.names))
        self.assertEqual(list(hosting.scrubbers), ["a" * 32, "b" * 32])
        self.clock.advance(EVERY)
        nodes = self.successResultOf(self.catalog.nodes())
        self.assertEqual([node.verified_since for node in nodes], [5000.0, 5000.0])
        self.successResultOf(self.stop_claiming())
        self.assertEqual(hosting.scrubbers, {})
        self.successResultOf(hosting.opening.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])
        assert one.remembered is not None
        again = ReadFolder("a" * 32)
        again.remembered = one.remembered
        self.clock.advance(1)
        self.reading(again)
        row = self.successResultOf(self.catalog.node("a" * 32))
        assert row is not None
        self.assertEqual(row.verified_since, 5000.0, "from the first moment on")
        self.successResultOf(self.stop_claiming())

    def test_damage_that_is_found(self) -> None:
        """A blob with a damaged fragment waits for repair, and the reason names the node."""
        size, digest = 5, sha256(b"12345").hexdigest()
        bucket = self.successResultOf(self.catalog.create_bucket("photos", "me"))
        blob = Blob("5" * 32, size, digest, Policy.parse("copies=1"), (Placed(0, "a" * 32),))
        new = NewVersion("6" * 32, "e", size, 1.0, blob)
        self.successResultOf(self.catalog.commit(bucket, "k", new))
        self.assertEqual(list(self.successResultOf(self.catalog.repairs())), [])
        self.reading(ReadFolder("a" * 32, FragmentName("5" * 32, 0)))
        (work,) = self.successResultOf(self.catalog.repairs())
        self.assertEqual(work.incarnation, "5" * 32)
        self.assertIn(f"re-reading node {'a' * 32}: {'5' * 32}.0 is not", work.reason)
        self.successResultOf(self.stop_claiming())

    def test_failed_disk_is_not_read(self) -> None:
        """A node that left service is not read back any more; the others are."""
        one, two = ReadFolder("a" * 32), ReadFolder("b" * 32)
        hosting = self.reading(one, two)
        assert one.on_failed is not None
        one.on_failed("a flush failed")
        self.assertEqual(list(hosting.scrubbers), ["b" * 32])
        one.closed = 1  # nothing may be asked of it
        self.clock.advance(2000)
        self.assertEqual(one.read, one.names)
        self.successResultOf(self.stop_claiming())

    def test_lost_node_is_not_read(self) -> None:
        """A node that another process claims is neither served nor read here."""
        one = ReadFolder("a" * 32)
        hosting = self.reading(one)
        other = self.hosting(Folder("a" * 32, self.cluster.id))
        self.successResultOf(other.opening.start())
        stop = self.stop_claiming
        self.successResultOf(self.claim(other))
        self.clock.advance(EVERY)
        self.assertEqual((hosting.stores, hosting.scrubbers), ({}, {}))
        self.successResultOf(stop())
        self.successResultOf(self.stop_claiming())

    # -- disks that come back ---------------------------------------------------------------
    def test_removed_node_stays_out(self) -> None:
        """A node that an operator removed does not come back by being started, until let in."""
        folder = Folder("a" * 32, self.cluster.id)
        job = Job("1" * 32, JobKind.REMOVE, "a" * 32, state=JobState.DONE)
        note = self.successResultOf(self.catalog.put_job(job))
        assert note is not None
        hosting = self.hosting(folder)
        self.successResultOf(hosting.opening.start())
        error = self.failureResultOf(self.claim(hosting), CannotStart)
        self.assertIn("godos node readmit " + "a" * 32, str(error.value))
        self.assertEqual(list(self.successResultOf(self.catalog.nodes())), [])
        self.assertTrue(self.successResultOf(readmit(self.catalog, "a" * 32)))
        self.successResultOf(self.claim(hosting))
        self.assertEqual(list(hosting.stores), ["a" * 32])
        self.successResultOf(self.stop_claiming())

    def test_empty_disk_in_the_place_of_another(self) -> None:
        """An empty folder where a node was is a new node, and the log says what may be wrong."""
        hosting = self.hosting(Folder("a" * 32))
        self.successResultOf(hosting.opening.start())
        self.successResultOf(self.claim(hosting))
        self.successResultOf(self.stop_claiming())
        again = self.hosting(Folder("b" * 32))
        self.successResultOf(again.opening.start())
        with capturedLogs() as events:
            self.successResultOf(self.claim(again))
        said = [formatEvent(event) for event in events if event["log_level"] is LogLevel.warn]
        self.assertEqual(len(said), 1)
        self.assertIn("is a disk not mounted?", said[0])
        self.assertIn(f"godos node replace {'a' * 32} {'b' * 32}", said[0])
        self.assertEqual(
            [node.id for node in self.successResultOf(self.catalog.nodes())], ["a" * 32, "b" * 32]
        )
        self.successResultOf(self.stop_claiming())

    def test_old_disk_comes_back(self) -> None:
        """A disk may come back after a new one took its place: both are nodes then."""
        self.test_empty_disk_in_the_place_of_another()
        old, new = Folder("a" * 32, self.cluster.id), Folder("b" * 32, self.cluster.id)
        hosting = self.hosting(old, new)
        self.successResultOf(hosting.opening.start())
        with capturedLogs() as events:
            self.successResultOf(self.claim(hosting))
        self.assertEqual([e for e in events if e["log_level"] is LogLevel.warn], [])
        self.assertEqual(list(hosting.stores), ["a" * 32, "b" * 32])
        self.successResultOf(self.stop_claiming())
