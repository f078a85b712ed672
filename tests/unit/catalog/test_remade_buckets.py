"""A bucket that another process deleted and made again, on an engine that settles at once."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from godos.catalog.catalog import Catalog
from godos.model.errors import NoSuchKey, NoSuchVersion
from godos.model.names import new_id
from godos.model.versions import Bucket, NewVersion, ObjectVersion
from tests.memory_items import MemoryItems


class RemadeBucketTests(SynchronousTestCase):
    def setUp(self) -> None:
        clock, items = Clock(), MemoryItems()
        self.here, self.there = (
            Catalog(items, clock, monotonic=clock.seconds) for _process in range(2)
        )
        self.successResultOf(self.there.create_bucket("bucket", "me"))
        self.old = self.known()
        self.successResultOf(self.there.delete_bucket("bucket"))

    def known(self) -> Bucket:
        """As a request to this process sees the bucket."""
        return self.successResultOf(self.here.bucket("bucket"))

    def remake(self) -> ObjectVersion:
        """Make it again elsewhere, with an object in it."""
        bucket = self.successResultOf(self.there.create_bucket("bucket", "me"))
        new = NewVersion(new_id(), "etag", 0, 1.0, None)
        return self.successResultOf(self.there.commit(bucket, "k", new))

    def test_its_objects_are_found(self) -> None:
        """A 404 within the 2 s for which the old row is trusted would be a lie."""
        written = self.remake()
        self.assertEqual(written, self.successResultOf(self.here.head(self.known(), "k")))
        again = self.here.version(self.old, "k", written.version_id)
        self.assertEqual(written, self.successResultOf(again))

    def test_its_objects_are_listed(self) -> None:
        """And so would an empty listing."""
        written = self.remake()
        for listing in (self.here.list_objects, self.here.list_versions):
            self.assertEqual((written,), self.successResultOf(listing(self.old)).versions)

    def test_its_objects_are_deleted(self) -> None:
        """Not only said to be."""
        for version_id in (None, "null"):
            known, written = self.known(), self.remake()
            deleted = self.successResultOf(self.here.delete(known, "k", version_id))
            self.assertEqual(written, deleted.removed)
            self.failureResultOf(self.there.head(self.known(), "k"), NoSuchKey)
            self.successResultOf(self.there.delete_bucket("bucket"))

    def test_what_is_in_neither(self) -> None:
        """That is a 404 all the same."""
        self.remake()
        self.failureResultOf(self.here.head(self.old, "other"), NoSuchKey)
        self.failureResultOf(self.here.version(self.old, "other", "null"), NoSuchVersion)

    def test_a_bucket_that_is_gone(self) -> None:
        """Nothing is in it."""
        self.failureResultOf(self.here.head(self.old, "k"), NoSuchKey)
        self.assertEqual((), self.successResultOf(self.here.list_objects(self.old)).versions)
