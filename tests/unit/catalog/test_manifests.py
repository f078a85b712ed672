"""Lists of parts."""

from __future__ import annotations

import json

import pytest
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from godos.catalog.catalog import Catalog
from godos.catalog.items import MAX_ITEM, Delete
from godos.catalog.manifests import PAGE, REMEMBERED, _pages
from godos.catalog.places import page_place
from godos.model.errors import BytesNotFound
from godos.model.multipart import MAX_PARTS, Part
from godos.model.names import new_id
from tests.unit.catalog.scripted_items import RecordingItems

LONGEST = {"sha256": "A" * 44, "crc64nvme": "A" * 12}


def parts(count: int) -> list[Part]:
    """Parts with all that a part can have."""
    ids = [(new_id(), new_id()) for _ in range(count)]
    return [
        Part(number, 5 << 30, "e" * 32, incarnation, reference, 1.7e9 + 0.123456, LONGEST)
        for number, (incarnation, reference) in enumerate(ids, 1)
    ]


@pytest.mark.parametrize("count", [0, 1, 2, 999, MAX_PARTS])
def test_pages(count: int) -> None:
    """All parts are on pages, in order, and each page fits into a row."""
    made = parts(count)
    pages = _pages(made)
    assert [line[0] for page in pages for line in page] == list(range(1, count + 1))
    assert all(0 < len(json.dumps(page)) <= PAGE + 3000 < MAX_ITEM for page in pages)
    assert len(pages) <= 1 + count // 900


class ReadingTests(SynchronousTestCase):
    """One server that reads lists."""

    def setUp(self) -> None:
        self.items, self.clock = RecordingItems(), Clock()
        self.catalog = Catalog(self.items, self.clock, monotonic=self.clock.seconds)

    def draft(self, made: list[Part]) -> str:
        manifest = new_id()
        drafted = self.catalog._manifests.draft(manifest, made)
        with self.assertRaises(StopIteration):
            drafted.send(None)
        return manifest

    def read(self, manifest: str) -> int:
        """How often the store was asked."""
        self.items.asked.clear()
        self.successResultOf(self.catalog.manifest(manifest))
        return len(self.items.asked)

    def test_lists_are_remembered(self) -> None:
        """A list that was read is not read again, as long as it is among the last ones."""
        names = [self.draft(parts(4000)) for _ in range(REMEMBERED // 4000 + 1)]
        for name in names[:-1]:
            self.assertGreater(self.read(name), 0)
        self.assertEqual(0, self.read(names[0]))
        self.assertGreater(self.read(names[-1]), 0)
        self.assertEqual(0, self.read(names[0]))
        self.assertGreater(self.read(names[1]), 0)

    def test_a_list_that_lacks_a_page(self) -> None:
        """A list of which a page is gone is not taken for a shorter one."""
        name = self.draft(parts(4000))
        removed = self.items.transact([Delete(*page_place(name, 1))], "0" * 32)
        self.successResultOf(removed)
        self.failureResultOf(self.catalog.manifest(name), BytesNotFound)
