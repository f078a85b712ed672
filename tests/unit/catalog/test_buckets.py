"""Buckets on an engine that charges for checks: what is cached, abandoned and waited for."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from godos.catalog.catalog import Catalog
from godos.catalog.items import Check
from godos.model.errors import BucketNotEmpty, NoSuchBucket, NoSuchKey
from godos.model.names import new_id
from godos.model.versions import Versioning
from tests.contract.catalog import empty
from tests.unit.catalog.scripted_items import RecordingItems

SETTLE = 10.0


class BucketTests(SynchronousTestCase):
    """Two servers, `one` and `two`, over one store."""

    def setUp(self) -> None:
        self.clock, self.items = Clock(), RecordingItems()
        self.one, self.two = self.catalog(SETTLE), self.catalog(SETTLE)
        self.bucket = self.successResultOf(self.one.create_bucket("photos", "ann"))

    def catalog(self, settle: float) -> Catalog:
        now = self.clock.seconds
        return Catalog(self.items, self.clock, settle, now, new_id, Random(1))

    def reads(self) -> int:
        asked = self.items.asked.count("get BKT")
        self.items.asked.clear()
        return asked

    def test_cached(self) -> None:
        """A bucket's row is read once in two seconds, however many ask."""
        self.items.asked.clear()
        for _ in range(5):
            self.successResultOf(self.two.bucket("photos"))
        self.assertEqual(1, self.reads())
        self.clock.advance(2)
        self.successResultOf(self.two.bucket("photos"))
        self.assertEqual(1, self.reads())

    def test_missing_is_not_cached(self) -> None:
        """A bucket is there for every server as soon as it is made."""
        self.failureResultOf(self.two.bucket("music"), NoSuchBucket)
        self.successResultOf(self.one.create_bucket("music", "ann"))
        self.assertEqual("music", self.successResultOf(self.two.bucket("music")).name)

    def test_own_changes_are_seen_at_once(self) -> None:
        """Who changed a bucket does not see it as it was before."""
        self.successResultOf(self.one.bucket("photos"))
        changing = self.one.set_versioning("photos", Versioning.ENABLED)
        self.clock.advance(SETTLE)
        self.successResultOf(changing)
        bucket = self.successResultOf(self.one.bucket("photos"))
        self.assertIs(Versioning.ENABLED, bucket.versioning)

    def test_changes_settle(self) -> None:
        """Versioning is answered as on when nobody can act on the old row any more."""
        changing = self.one.set_versioning("photos", Versioning.ENABLED)
        self.clock.advance(SETTLE - 0.1)
        self.assertNoResult(changing)
        self.clock.advance(0.1)
        self.assertIs(Versioning.ENABLED, self.successResultOf(changing).versioning)

    def test_deletion_by_old_settings(self) -> None:
        """A server that does not know yet that versioning went on deletes rightly all the same."""
        self.successResultOf(self.two.bucket("photos"))
        self.one.set_versioning("photos", Versioning.ENABLED)
        made = self.successResultOf(self.one.commit(self.bucket, "k", empty("1")))
        self.assertFalse(made.is_null)
        deleted = self.successResultOf(self.two.delete(self.bucket, "k"))
        self.assertTrue(deleted.is_delete_marker)
        self.failureResultOf(self.one.head(self.bucket, "k"), NoSuchKey)
        kept = self.successResultOf(self.one.version(self.bucket, "k", made.version_id))
        self.assertEqual("1", kept.etag)

    def test_commits_check_nothing(self) -> None:
        """Commits leave the bucket's row alone, so that they cost less and never wait for it."""
        self.successResultOf(self.one.commit(self.bucket, "k", empty()))
        self.assertFalse(any(isinstance(a, Check) for a in self.items.written[-1]))

    def test_commits_check_where_it_is_free(self) -> None:
        """Without settling each commit checks the bucket's row in its transaction."""
        self.successResultOf(self.catalog(0.0).commit(self.bucket, "k", empty()))
        checks = [a for a in self.items.written[-1] if isinstance(a, Check)]
        self.assertEqual(["BKT"], [check.p for check in checks])

    def held_commit(self) -> tuple[Deferred[Any], Deferred[Any]]:
        """A commit whose read of the head row takes as long as the test wants."""
        held: Deferred[Any] = Deferred()
        self.items.before = hold_second_read(held)
        return self.two.commit(self.bucket, "k", empty()), held

    def test_slow_commit_looks_again(self) -> None:
        """A commit that took 5 s since it read the bucket reads it again before it is sent."""
        committing, held = self.held_commit()
        self.clock.advance(5)
        self.items.asked.clear()
        held.callback(None)
        self.assertEqual(1, self.successResultOf(committing).seq)
        self.assertEqual(1, self.reads())

    def test_quick_commit_does_not(self) -> None:
        """Below that it goes on what it has read."""
        committing, held = self.held_commit()
        self.clock.advance(4.9)
        self.items.asked.clear()
        held.callback(None)
        self.successResultOf(committing)
        self.assertEqual(0, self.reads())

    def test_slow_commit_into_a_deleted_bucket(self) -> None:
        """A commit that was overtaken by the bucket's deletion is refused."""
        committing, held = self.held_commit()
        deleting = self.one.delete_bucket("photos")
        self.clock.advance(SETTLE)
        self.successResultOf(deleting)
        held.callback(None)
        self.clock.advance(1)  # a pause between two turns
        self.failureResultOf(committing, NoSuchBucket)
        self.failureResultOf(self.one.head(self.bucket, "k"), NoSuchKey)

    def test_deletion_sees_a_late_commit(self) -> None:
        """A commit that began before the deletion and ends in its wait keeps the bucket."""
        committing, held = self.held_commit()
        deleting = self.one.delete_bucket("photos")
        self.clock.advance(4)
        held.callback(None)
        self.successResultOf(committing)
        self.clock.advance(SETTLE)
        self.clock.advance(1)  # a pause between two turns
        self.failureResultOf(deleting, BucketNotEmpty)
        self.successResultOf(self.two.commit(self.bucket, "k2", empty()))

    def test_bucket_is_there_until_it_is_gone(self) -> None:
        """While a bucket waits for its deletion it is listed and read, and not written."""
        deleting = self.one.delete_bucket("photos")
        self.assertEqual("photos", self.successResultOf(self.two.bucket("photos")).name)
        self.assertEqual(1, len(self.successResultOf(self.two.buckets())))
        self.failureResultOf(self.two.commit(self.bucket, "k", empty()), NoSuchBucket)
        self.clock.advance(SETTLE)
        self.successResultOf(deleting)
        self.failureResultOf(self.two.bucket("photos"), NoSuchBucket)

    def test_making_it_again_while_it_is_deleted(self) -> None:
        """Who makes the bucket meanwhile waits, and gets a new one."""
        deleting = self.one.delete_bucket("photos")
        making = self.two.create_bucket("photos", "bob")
        self.assertNoResult(making)
        self.clock.advance(SETTLE)
        self.successResultOf(deleting)
        self.clock.advance(1)
        self.assertNotEqual(self.bucket.id, self.successResultOf(making).id)


def hold_second_read(held: Deferred[Any]) -> Any:
    """A hook that lets the bucket's row be read, and holds back the head's."""
    reads = iter([Deferred(), held])
    next(reads).callback(None)
    seen: list[str] = []

    def before(operation: str) -> Deferred[Any]:
        seen.append(operation)
        done: Deferred[Any] = Deferred()
        if operation == "get" and seen.count("get") == 2:
            held.addCallback(done.callback)
        else:
            done.callback(None)
        return done

    return before
