"""The item store on SQLite, with threads that work when the test says so."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from godos.catalog.items import Absent, ConditionFailed, Item, Put
from godos.catalog.rows import PAGE_BYTES
from godos.catalog.sqlite import GROUP, SQLiteItems
from godos.model.errors import CannotStart, CatalogUnavailable
from tests.unit.catalog.cranked import Cranked
from tests.unit.catalog.failing_disk import Disk, failed_flush

_tokens = count(1)


class SQLiteItemsTests(SynchronousTestCase):
    """On a file of its own."""

    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = f"{folder.name}/catalog.sqlite"
        self.disk = Disk()
        self.threads = Cranked()
        opening = SQLiteItems.open(self.path, self.threads, Clock(), self.disk.name)
        self.threads.turn_all()
        self.items = self.successResultOf(opening)
        self.addCleanup(self.close)

    def close(self) -> None:
        closing = self.items.close()
        self.threads.turn_all()
        self.successResultOf(closing)

    def create(self, s: bytes) -> Deferred[None]:
        return self.items.transact([Put(Item("shelf", s, {}), Absent())], f"{next(_tokens):032x}")

    def test_those_who_wait_share_a_flush(self) -> None:
        """What comes while the disk is busy is committed with one flush, then answered."""
        first = self.create(b"first")
        others = [self.create(b"%d" % n) for n in range(50)]
        before = self.disk.flushes
        self.threads.turn()
        self.successResultOf(first)
        for other in others:
            self.assertNoResult(other)
        middle = self.disk.flushes
        self.threads.turn()
        for other in others:
            self.successResultOf(other)
        self.assertEqual(middle + 1, self.disk.flushes)
        self.assertGreater(middle, before)

    def test_nobody_is_answered_before_the_flush(self) -> None:
        """While the flush runs nobody was told anything; when it fails all are told so."""
        answers: list[Deferred[None]] = []
        told: list[bool] = []

        def fault(operation: str, name: str) -> Exception | None:
            if operation != "sync" or not name.endswith("-wal"):
                return None
            told.extend(answer.called for answer in answers)
            return failed_flush()

        answers += [self.create(b"a"), self.create(b"b")]
        self.disk.fault = fault
        self.threads.turn_all()
        self.disk.heal()
        self.assertIn(False, told)
        self.assertNotIn(True, told[:2])
        for answer in answers:
            self.failureResultOf(answer, CatalogUnavailable)

    def test_a_group_has_a_largest_size(self) -> None:
        """Very many who wait are committed in several groups, in the order they came."""
        answers = [self.create(b"%d" % n) for n in range(1 + GROUP + 1)]
        self.threads.turn()
        self.threads.turn()
        self.assertEqual(1 + GROUP, sum(answer.called for answer in answers))
        self.threads.turn()
        self.assertTrue(answers[-1].called)

    def test_look_ups_do_not_wait_for_commits_or_pages(self) -> None:
        """A single item is read while the disk flushes and a page is being listed."""
        self.create(b"k")
        self.items.query("shelf")
        found = self.items.get("shelf", b"k")
        self.assertEqual(3, len(self.threads.waiting))
        done, work = self.threads.waiting.pop()
        maybeDeferred(work).chainDeferred(done)
        self.assertIsNone(self.successResultOf(found))

    def test_look_ups_that_pile_up_share_a_turn(self) -> None:
        """Many look-ups cost few changes of threads."""
        first = self.items.get("shelf", b"k")
        others = [self.items.get("shelf", b"k") for _ in range(30)]
        self.assertEqual(1, len(self.threads.waiting))
        self.threads.turn()
        self.successResultOf(first)
        self.assertEqual(1, len(self.threads.waiting))
        self.threads.turn()
        for other in others:
            self.assertIsNone(self.successResultOf(other))

    def test_a_page_ends_after_some_bytes(self) -> None:
        """However many items are asked for, a page holds little more than a MiB."""
        for n in range(8):
            item = Item("shelf", b"%d" % n, {"big": "x" * 300_000})
            self.items.transact([Put(item)], f"{next(_tokens):032x}")
        self.threads.turn_all()
        page = self.items.query("shelf")
        everything = self.items.scan()
        self.threads.turn_all()
        for items in (self.successResultOf(page).items, self.successResultOf(everything).items):
            size = sum(len(item.data["big"]) for item in items)
            self.assertTrue(PAGE_BYTES <= size < PAGE_BYTES + 400_000, size)

    def test_closing_finishes_what_was_asked(self) -> None:
        """What was asked before the close is done and answered before it ends."""
        asked: list[Deferred[object]] = [self.create(b"a"), self.create(b"b")]
        asked += [self.items.get("shelf", b"a"), self.items.query("shelf"), self.items.scan()]
        closing = self.items.close()
        self.failureResultOf(self.create(b"late"), CatalogUnavailable)
        self.assertNoResult(closing)
        self.threads.turn_all()
        self.successResultOf(closing)
        for answer in asked:
            self.successResultOf(answer)

    def test_a_closed_catalog_is_one_file(self) -> None:
        """A clean end folds the write-ahead log into the file, and leaves nothing beside it."""
        self.create(b"k")
        self.close()
        path = Path(self.path)
        self.assertEqual([path], list(path.parent.glob(f"{path.name}*")))

    def test_what_was_acknowledged_is_there_again(self) -> None:
        """The file opens again with all its items."""
        self.create(b"k")
        self.close()
        opening = SQLiteItems.open(self.path, maybeDeferred, Clock())
        again = self.successResultOf(opening)
        self.assertEqual(b"k", self.successResultOf(again.get("shelf", b"k")).s)
        self.successResultOf(again.close())

    def test_a_file_that_cannot_be_opened_is_told_at_once(self) -> None:
        """Opening fails with one line for the person who starts the daemon."""
        opening = SQLiteItems.open("/dev/null/catalog.sqlite", maybeDeferred, Clock())
        self.failureResultOf(opening, CannotStart)

    def test_a_broken_disk_is_told_to_readers(self) -> None:
        """A read that the disk refuses fails as unavailable, never as `there is nothing`."""
        self.create(b"k")
        self.close()
        opening = SQLiteItems.open(self.path, maybeDeferred, Clock(), self.disk.name)
        items = self.successResultOf(opening)
        self.disk.fault = lambda operation, _: apsw.IOError() if operation == "read" else None
        self.failureResultOf(items.get("shelf", b"k"), CatalogUnavailable)
        self.failureResultOf(items.get_many([("shelf", b"k")]), CatalogUnavailable)
        self.failureResultOf(items.query("shelf"), CatalogUnavailable)
        self.failureResultOf(items.scan(), CatalogUnavailable)
        self.disk.heal()
        self.assertEqual(b"k", self.successResultOf(items.get("shelf", b"k")).s)
        self.successResultOf(items.close())

    def test_the_log_is_kept_short_between_groups(self) -> None:
        """After many commits the tables take over the log, and it starts anew."""
        for n in range(5000):
            item = Item("shelf", b"%d" % n, {"pad": "x" * 2000})
            self.items.transact([Put(item)], f"{next(_tokens):032x}")
        self.threads.turn_all()
        self.assertLess(Path(f"{self.path}-wal").stat().st_size, 6 << 20)

    def test_a_refusal_tells_what_stands_there(self) -> None:
        """Of two who create one item in one group the second learns of the first."""
        first, second = self.create(b"k"), self.create(b"k")
        self.threads.turn_all()
        self.successResultOf(first)
        refused = self.failureResultOf(second, ConditionFailed).value
        self.assertEqual({0: Item("shelf", b"k", {})}, refused.standing)
