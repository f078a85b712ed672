"""Commits and deletions when the engine does not answer."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from godos.catalog.catalog import Catalog
from godos.catalog.writing import LONGEST_PAUSE, PATIENCE
from godos.model.errors import CatalogUnavailable, CommitUnknown
from godos.model.names import new_id
from tests.contract.catalog import empty, upload
from tests.memory_items import MemoryItems


class SilentEngineTests(SynchronousTestCase):
    """Reads are answered, and from some moment on no write is."""

    def setUp(self) -> None:
        self.clock, self.items = Clock(), MemoryItems()
        now = self.clock.seconds
        self.catalog = Catalog(self.items, self.clock, 0.0, now, new_id, Random(1))
        self.bucket = self.successResultOf(self.catalog.create_bucket("photos", "ann"))
        self.made = self.successResultOf(self.catalog.commit(self.bucket, "k", upload("1")))

    def silence(self, *operations: str) -> None:
        def before(operation: str) -> Deferred[Any]:
            if operation in operations:
                return fail(CatalogUnavailable("no answer"))
            return succeed(None)

        self.items.before = before

    def unknown(self, asked: Deferred[Any]) -> None:
        """It is given up after its patience, once."""
        started = self.clock.seconds()
        while not asked.called:
            self.clock.advance(LONGEST_PAUSE)
        self.assertLess(self.clock.seconds() - started, PATIENCE + 4 * LONGEST_PAUSE)
        self.failureResultOf(asked, CommitUnknown)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_writes(self) -> None:
        """Every kind of write ends as unknown."""
        self.silence("transact")
        self.unknown(self.catalog.commit(self.bucket, "k", upload("2")))
        self.unknown(self.catalog.commit(self.bucket, "k", empty("2")))
        self.unknown(self.catalog.delete(self.bucket, "k"))
        self.unknown(self.catalog.delete(self.bucket, "k", "null"))
        self.unknown(self.catalog.create_bucket("other", "ann"))
        self.unknown(self.catalog.want_repair(new_id(), "damaged"))
        self.silence()
        self.assertEqual(self.made, self.successResultOf(self.catalog.head(self.bucket, "k")))

    def test_reads_end_too(self) -> None:
        """When the engine falls silent altogether, a write under way ends as unknown."""
        self.silence("transact")
        committing = self.catalog.commit(self.bucket, "k", upload("2"))
        deleting = self.catalog.delete(self.bucket, "k")
        self.silence("transact", "get", "query")
        self.unknown(committing)
        self.failureResultOf(deleting, CommitUnknown)

    def test_nothing_was_begun(self) -> None:
        """An engine that answers no read is unavailable, and nothing is unknown."""
        self.silence("get")
        for asked in (
            self.catalog.commit(self.bucket, "k", upload("2")),
            self.catalog.delete(self.bucket, "k"),
            self.catalog.head(self.bucket, "k"),
        ):
            failure = self.failureResultOf(asked, CatalogUnavailable)
            self.assertNotIsInstance(failure.value, CommitUnknown)

    def test_the_same_upload_again(self) -> None:
        """A commit that is repeated with the same operation is done once."""
        new = upload("2")
        first = self.successResultOf(self.catalog.commit(self.bucket, "k", new))
        again = self.catalog.commit(self.bucket, "k", new)
        self.assertEqual(first, self.successResultOf(again))
        listed = self.successResultOf(self.catalog.list_versions(self.bucket))
        self.assertEqual((first,), listed.versions)
