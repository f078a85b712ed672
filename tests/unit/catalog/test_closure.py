"""Imports of rows that do not fit together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor

from godos.catalog.catalog import Catalog
from godos.catalog.export_format import ExportDamaged
from godos.catalog.importing import Imported
from godos.catalog.items import Item
from godos.catalog.places import META
from godos.catalog.records import RowNotUnderstood
from godos.model.errors import NoSuchUpload
from godos.model.versions import Bucket
from tests.catalog_audit import Rows, audit
from tests.contract.catalog import whole_versions
from tests.contract.catalog_backup import all_of_a_catalog, every, export_of, imported
from tests.contract.catalog_uploads import begun, collect, object_of
from tests.memory_items import MemoryItems


class Damaged:
    """A catalog with rows of every kind, and what an import makes of some of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.rows: list[Item] = []
        self.cluster = ""
        self.target = MemoryItems()
        self.catalog = Catalog(self.target, reactor, 0.0)

    async def made(self) -> tuple[Bucket, Bucket]:
        source = MemoryItems()
        catalog = Catalog(source, reactor, 0.0)
        buckets = await all_of_a_catalog(catalog)
        self.rows, self.cluster = await every(source), (await catalog.cluster()).id
        return buckets

    async def without(self, gone: Callable[[Item], bool]) -> Imported:
        return await self.imported([row for row in self.rows if not gone(row)])

    async def imported(self, rows: Sequence[Item]) -> Imported:
        done = await imported(self.target, self._folder, export_of(rows, self.cluster))
        (await audit(self.target)).check_at_rest()
        return done


@pytest.fixture
def damaged(tmp_path: Path) -> Damaged:
    return Damaged(tmp_path)


def of(kind: str) -> Callable[[Item], bool]:
    return lambda row: row.p.startswith(kind)


@ensureDeferred
async def test_whatever_is_missing(tmp_path: Path) -> None:
    """Whichever rows are missing, what is imported fits together, and can be used."""
    for seed in range(60):
        random, damaged = Random(seed), Damaged(tmp_path)
        await damaged.made()
        share = random.choice((0.02, 0.1, 0.5, 0.9))
        kept = [row for row in damaged.rows if (row.p, row.s) == META or random.random() > share]
        await damaged.imported(kept)
        await collect(damaged.catalog)
        (await audit(damaged.target)).check_at_rest()
        for bucket in await damaged.catalog.buckets():
            for version in await whole_versions(damaged.catalog, bucket, 1000):
                found = await damaged.catalog.version(bucket, version.key, version.version_id)
                assert found == version
                if version.manifest is not None:
                    await damaged.catalog.manifest(version.manifest)


@ensureDeferred
async def test_bytes_that_nobody_knows(damaged: Damaged) -> None:
    """Versions whose bytes are not in the export are dropped, and that is told."""
    plain, _ = await damaged.made()
    (head,) = (row for row in damaged.rows if row.p.startswith("O#") and row.s == b"large")
    done = await damaged.without(of(f"B#{head.data['inc']}"))
    finding = done.findings.dropped["versions whose bytes the catalog does not know"]
    assert finding.count == 2  # it has a copy
    assert set(finding.examples) == {"photos/large", "kept/copy"}
    assert "large" not in {v.key for v in await whole_versions(damaged.catalog, plain, 1000)}


@ensureDeferred
async def test_references_that_are_missing(damaged: Damaged) -> None:
    """Versions whose bytes are there keep them, also where their references were missed."""
    plain, kept = await damaged.made()
    done = await damaged.without(of("R#"))
    assert done.findings.dropped == {}
    versions = [*Rows.of(damaged.rows).heads]
    assert len(await whole_versions(damaged.catalog, plain, 1000)) + len(
        {v.key for v in await whole_versions(damaged.catalog, kept, 1000)}
    ) == len(versions)
    await collect(damaged.catalog)
    assert len(await whole_versions(damaged.catalog, kept, 1000)) > 0


@ensureDeferred
async def test_references_that_nothing_has(damaged: Damaged) -> None:
    """Bytes of versions that are not in the export are collected."""
    await damaged.made()
    done = await damaged.without(lambda row: row.p[:2] in ("O#", "H#", "P#"))
    assert done.findings.dropped["references that nothing has"].count > 10
    assert done.findings.added["bytes to be collected"].count > 10
    assert await collect(damaged.catalog)
    rows = await audit(damaged.target)
    assert (rows.blobs, rows.references, rows.headings) == ({}, set(), {})


@ensureDeferred
async def test_latest_versions_that_are_missing(damaged: Damaged) -> None:
    """Where the latest version was missed, the newest of the others is the latest."""
    _, kept = await damaged.made()
    done = await damaged.without(lambda row: row.p.startswith("O#") and row.s == b"k")
    assert done.findings.added["latest versions, out of older ones"].count == 1
    found = await whole_versions(damaged.catalog, kept, 1000)
    assert [v.etag for v in found if v.key == "k"] == ["1", "0", "null"]
    assert (await damaged.catalog.head(kept, "k")).etag == "1"


@ensureDeferred
async def test_a_version_that_is_there_twice(damaged: Damaged) -> None:
    """A version that moved while the export went on is there once."""
    _, kept = await damaged.made()
    (head,) = (row for row in damaged.rows if row.p.startswith("O#") and row.s == b"k")
    (newest, *_) = sorted(row for row in damaged.rows if row.p.startswith("H#"))
    newest = next(r for r in damaged.rows if r.p.startswith("H#") and r.data.get("etag") == "1")
    stale = head._replace(data={**newest.data, "older": True}, rev=newest.rev)
    rows = [stale if row == head else row for row in damaged.rows]
    await damaged.imported(rows)
    found = [v for v in await whole_versions(damaged.catalog, kept, 1000) if v.key == "k"]
    assert [v.etag for v in found] == ["1", "0", "null"]


@ensureDeferred
async def test_lists_of_parts_that_are_not_whole(damaged: Damaged) -> None:
    """An object of parts is dropped when a page of its list is missing."""
    plain, _ = await damaged.made()
    done = await damaged.without(lambda row: row.p.startswith("M#") and row.s != b".")
    assert done.findings.dropped["lists of parts that are not whole"].count == 1
    assert "parts" not in {v.key for v in await whole_versions(damaged.catalog, plain, 1000)}


@ensureDeferred
async def test_an_upload_that_was_completed_meanwhile(damaged: Damaged) -> None:
    """The end of an upload that is seen as open and as completed takes nothing from its object."""
    source = MemoryItems()
    catalog = Catalog(source, reactor, 0.0)
    await catalog.initialise("auto")
    bucket = await catalog.create_bucket("photos", "ann")
    opened, parts = await begun(catalog, bucket, 1, 2)
    before = [row for row in await every(source) if row.p[:2] in ("P#", "U#")]
    made = await catalog.complete(bucket, opened, parts, object_of(parts))
    after = [row for row in await every(source) if row.p[:2] not in ("P#", "U#")]
    damaged.cluster = (await catalog.cluster()).id
    await damaged.imported([*after, *before])
    assert (await damaged.catalog.uploads(bucket)).uploads == ()
    with pytest.raises(NoSuchUpload):
        await damaged.catalog.abort(bucket, opened)
    assert await collect(damaged.catalog) == set()
    assert await damaged.catalog.head(bucket, "k") == made
    (await audit(damaged.target)).check_at_rest()


@ensureDeferred
async def test_buckets_that_are_missing(damaged: Damaged) -> None:
    """What is of a bucket that is not in the export is dropped, and its bytes collected."""
    await damaged.made()
    await damaged.without(lambda row: row.p == "BKT" and row.s == b"photos")
    assert [bucket.name for bucket in await damaged.catalog.buckets()] == ["kept"]
    assert await collect(damaged.catalog)
    rows = await audit(damaged.target)
    assert {name for name, _ in rows.heads} == rows.buckets
    assert set(rows.settings) <= rows.buckets


@ensureDeferred
async def test_two_users_with_one_name(damaged: Damaged) -> None:
    """Who has a name or a key is told by the users; of two with the same the first has it."""
    await damaged.made()
    (ann,) = (row for row in damaged.rows if row.p == "USER")
    done = await damaged.imported([*damaged.rows, ann._replace(s=b"bob")])
    assert done.findings.dropped["names and keys that another user has"].count == 3
    users = await damaged.catalog.users()
    assert [user.id for user in users] == ["ann", "bob"]


@ensureDeferred
async def test_rows_of_a_newer_godos(damaged: Damaged) -> None:
    """Rows that this godos does not know are no reason to write half of the others."""
    await damaged.made()
    for strange in (Item("O#x#0", b"k", {"f": 99}), Item("ZZ#x", b".", {"f": 1})):
        with pytest.raises(RowNotUnderstood):
            await damaged.imported([*damaged.rows, strange])
        assert await every(damaged.target) == []


@ensureDeferred
async def test_an_export_without_a_cluster(damaged: Damaged) -> None:
    """An export whose cluster is missing, or another than it says, is refused."""
    await damaged.made()
    with pytest.raises(ExportDamaged, match="no cluster"):
        await damaged.without(of("META"))
    damaged.cluster = "another"
    with pytest.raises(ExportDamaged, match="another cluster"):
        await damaged.without(of("nothing"))
    assert await every(damaged.target) == []
