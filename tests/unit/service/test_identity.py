"""Storage and catalog that do not belong together are kept apart."""

from __future__ import annotations

from pathlib import Path
from random import Random

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from godos.catalog.catalog import Catalog
from godos.model.errors import CannotStart, CatalogEmpty, ClusterMismatch
from godos.model.members import Cluster
from godos.service.identity import join_cluster
from tests.memory_items import MemoryItems

HERE = Path("/data")


class JoinTests(SynchronousTestCase):
    def setUp(self) -> None:
        clock = Clock()
        self.catalog = Catalog(MemoryItems(), clock, monotonic=clock.seconds, random=Random(1))

    def join(self, known: dict[Path, str], may_begin: bool = True) -> Deferred[Cluster]:
        """As a daemon does at its start."""
        joining = join_cluster(self.catalog, "sqlite:x", known, may_begin, "copies=2")
        return Deferred.fromCoroutine(joining)

    def test_first_start(self) -> None:
        """An empty catalog and new storage become a cluster, once."""
        made = self.successResultOf(self.join({}))
        self.assertEqual(made.policy, "copies=2")
        self.assertEqual(self.successResultOf(self.join({HERE: made.id})), made)

    def test_storage_without_its_catalog(self) -> None:
        """Used storage with an empty catalog is refused, and the catalog stays empty."""
        error = self.failureResultOf(self.join({HERE: "0" * 32}), CannotStart)
        self.assertIn("/data belongs to a cluster, but the catalog sqlite:x is empty", str(error))
        self.failureResultOf(self.catalog.cluster(), CatalogEmpty)

    def test_storage_of_another_cluster(self) -> None:
        """Storage of another cluster is refused, by name."""
        made = self.successResultOf(self.join({}))
        error = self.failureResultOf(
            self.join({HERE: made.id, Path("/other"): "0" * 32}), ClusterMismatch
        )
        self.assertIn("/other belongs to cluster 0000", str(error.value))

    def test_catalog_that_was_not_prepared(self) -> None:
        """Where `godos state init` is asked for, nobody begins a cluster by accident."""
        self.failureResultOf(self.join({}, may_begin=False), CatalogEmpty)
