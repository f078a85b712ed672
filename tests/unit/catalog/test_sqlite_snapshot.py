"""Copies of a SQLite catalog while it is written to."""

from __future__ import annotations

import io
import os
from pathlib import Path

import apsw
import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import maybeDeferred

from godos.catalog.catalog import Catalog
from godos.catalog.export_format import ExportReader, ExportWriter, Header
from godos.catalog.exporting import export_snapshot
from godos.catalog.items import Item, Put
from godos.catalog.rows import to_steps
from godos.catalog.sqlite import SQLiteItems
from godos.catalog.sqlite_commits import Transaction, Writer
from godos.catalog.sqlite_snapshot import Snapshot
from godos.model.errors import CannotStart, CatalogUnavailable
from godos.model.names import new_id
from tests.catalog_audit import Rows, audit
from tests.contract.catalog import upload
from tests.contract.catalog_backup import all_of_a_catalog, every, imported, silent
from tests.contract.catalog_upkeep import large
from tests.memory_items import MemoryItems


@ensureDeferred
async def test_one_moment(tmp_path: Path) -> None:
    """What is written while the copy is made is not in it, and nothing in it is half there."""
    path, copy = str(tmp_path / "catalog.sqlite"), str(tmp_path / "copy")
    items = await SQLiteItems.open(path, maybeDeferred, reactor)
    catalog = Catalog(items, reactor)
    plain, kept = await all_of_a_catalog(catalog)
    for number in range(200):
        await catalog.commit(plain, f"some {number}", large(f"{number:02x}"))
    before = await every(items)
    snapshot, steps = Snapshot(path, copy, pages=3), 0
    for pages, copied in snapshot.steps():
        steps += 1
        assert 0 < copied <= pages
        await catalog.commit(plain, f"some {steps}", upload())
        await catalog.commit(kept, "k", upload())
    assert steps > 10
    assert [item for page in snapshot.pages() for item in page] == before
    assert snapshot.items == len(before)
    assert await every(items) != before
    snapshot.close()
    snapshot.close()
    assert not [name for name in os.listdir(tmp_path) if name.startswith("copy")]
    await items.close()
    assert os.listdir(tmp_path) == ["catalog.sqlite"]


@ensureDeferred
async def test_exporting_it(tmp_path: Path) -> None:
    """An export of it closes: nothing is dropped from it, nor added, when it is imported."""
    path, sink = str(tmp_path / "catalog.sqlite"), io.BytesIO()
    items = await SQLiteItems.open(path, maybeDeferred, reactor)
    catalog = Catalog(items, reactor)
    await all_of_a_catalog(catalog)
    cluster = await catalog.cluster()
    writer = ExportWriter(sink, Header(cluster.id, cluster.epoch, "sqlite", True, 0.0))
    snapshot = Snapshot(path, str(tmp_path / "copy"))
    await export_snapshot(snapshot, writer, maybeDeferred, silent)
    snapshot.close()
    await items.close()
    sink.seek(0)
    assert ExportReader(sink).header.snapshot
    target = MemoryItems()
    done = await imported(target, tmp_path, sink.getvalue())
    assert (done.findings.dropped, done.findings.added) == ({}, {})
    rows: Rows = await audit(target)
    rows.check_at_rest()


def test_nothing_to_copy(tmp_path: Path) -> None:
    """Where there is no catalog none is made, and the copy goes."""
    snapshot = Snapshot(str(tmp_path / "none"), str(tmp_path / "copy"))
    with pytest.raises(CannotStart):
        list(snapshot.steps())
    snapshot.close()
    assert os.listdir(tmp_path) == []


def test_another_file(tmp_path: Path) -> None:
    """A file that is no catalog is not copied."""
    (tmp_path / "text").write_text("no database\n" * 1000)
    snapshot = Snapshot(str(tmp_path / "text"), str(tmp_path / "copy"))
    with pytest.raises((CannotStart, CatalogUnavailable)):
        list(snapshot.steps())
    snapshot.close()


def test_opened_while_it_is_copied(tmp_path: Path) -> None:
    """A server that starts while a copy is made is not held up, and the copy is what it was."""
    path = str(tmp_path / "catalog.sqlite")

    def put(writer: Writer, name: bytes) -> None:
        steps = to_steps([Put(Item("p", name, {"f": 1}))], new_id())
        assert writer.commit([Transaction(steps, os.urandom(16), b"8" * 8)], 0.0) == [{}]

    first = Writer(path)
    put(first, b"one")
    snapshot = Snapshot(path, str(tmp_path / "copy"), pages=1)
    steps = snapshot.steps()
    next(steps)  # it reads the file now
    put(first, b"two")
    first.close()
    second = Writer(path)
    put(second, b"three")
    second.checkpoint()
    for _ in steps:
        pass
    second.close()
    assert [item.s for page in snapshot.pages() for item in page] == [b"one"]
    snapshot.close()
    connection = apsw.Connection(path)
    assert connection.execute("SELECT count(*) FROM items").fetchone() == (3,)
    connection.close()
