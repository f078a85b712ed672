"""What every catalog promises of its exports, and of what is imported from them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attrs import evolve
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import deferLater

from godos.catalog.catalog import Catalog
from godos.catalog.export_format import ExportReader, ExportWriter, Header
from godos.catalog.exporting import export_running
from godos.catalog.importing import AT_ONCE, Imported, Importing
from godos.catalog.items import IItemStore, Item
from godos.catalog.spool import Spool
from godos.catalog.writing import Backoff, Writer
from godos.deferreds import deferred
from godos.model.errors import CannotStart
from godos.model.members import ApiServer, NodeState
from godos.model.names import new_id
from godos.model.upkeep import Job, JobKind, JobState, Stray
from godos.model.users import AccessKey, User
from godos.model.versions import Bucket
from tests.catalog_audit import audit
from tests.contract.catalog import (
    BOTH,
    ENABLED,
    HARD_KEYS,
    CatalogBench,
    empty,
    node,
    upload,
    whole_versions,
)
from tests.contract.catalog_upkeep import CODED, SHARDS, blob_of, census, found, large
from tests.contract.catalog_uploads import begun, collect, completed
from tests.memory_items import MemoryItems


def silent(_what: str, _done: int, _total: int) -> None:
    """Nobody looks."""


async def every(items: IItemStore) -> list[Item]:
    """All rows."""
    rows: list[Item] = []
    cursor = None
    while True:
        page = await items.scan(cursor)
        rows += page.items
        cursor = page.cursor
        if cursor is None:
            return rows


async def exported(items: IItemStore, folder: Path, cluster: str, epoch: int = 1) -> bytes:
    """The export of a catalog that is in use."""
    sink, seen = io.BytesIO(), Spool(str(folder / f"seen-{new_id()}"))
    writer = ExportWriter(sink, Header(cluster, epoch, "test", False, 0.0))
    try:
        await export_running(items, writer, seen, maybeDeferred, silent)
    finally:
        seen.close()
    return sink.getvalue()


def export_of(rows: Iterable[Item], cluster: str) -> bytes:
    """An export with just these rows."""
    sink = io.BytesIO()
    writer = ExportWriter(sink, Header(cluster, 1, "test", False, 0.0))
    writer.write(rows)
    writer.end()
    return sink.getvalue()


@contextmanager
def importing(items: IItemStore, folder: Path, at_once: int) -> Any:
    """What imports into `items`."""
    spool = Spool(str(folder / f"rows-{new_id()}"))
    writer = Writer(items, Backoff(reactor, Random(1)), reactor, reactor.seconds, new_id)
    try:
        yield Importing(items, writer, spool, maybeDeferred, reactor, new_id, silent, at_once)
    finally:
        spool.close()


async def imported(
    items: IItemStore, folder: Path, export: bytes, at_once: int = AT_ONCE
) -> Imported:
    with importing(items, folder, at_once) as work:
        done: Imported = await work.run(ExportReader(io.BytesIO(export)))
    return done


async def all_of_a_catalog(catalog: Catalog) -> tuple[Bucket, Bucket]:
    """A catalog with rows of every kind, and their buckets."""
    await catalog.initialise("auto")
    plain = await catalog.create_bucket("photos", "ann")
    kept = await catalog.create_bucket("kept", "ann")
    await catalog.set_setting(plain, "cors", {"rules": [1, 2]})
    for key in HARD_KEYS:
        await catalog.commit(plain, key, upload(key))
    await catalog.commit(plain, "nothing", empty())
    await catalog.commit(kept, "k", upload("null"))
    kept = await catalog.set_versioning("kept", ENABLED)
    for number in range(3):
        await catalog.commit(kept, "k", upload(str(number)))
    await catalog.commit(kept, "gone", upload("hidden"))
    await catalog.delete(kept, "gone")
    await catalog.commit(kept, "half", upload(layout=BOTH[:1]))
    first = await catalog.commit(plain, "large", large())
    again = evolve(large(), blob=await blob_of(catalog, first))
    await catalog.commit(kept, "copy", again)
    coded = await catalog.commit(plain, "coded", large("ee"))
    await catalog.converted(await blob_of(catalog, coded), CODED, SHARDS)
    await completed(catalog, plain, 1, 2, 3, key="parts")
    await begun(catalog, plain, 1, 2, key="unfinished")
    await catalog.commit(plain, "deleted", upload())
    await catalog.delete(plain, "deleted")
    await catalog.put_user(User("ann", "Ann", "Ann@example.com", (AccessKey("AK", "secret"),)))
    await catalog.claim_node(node())
    await catalog.set_node_state("node-a", NodeState.DRAINING)
    await catalog.beat_api(ApiServer("api", "127.0.0.1:8030"))
    await catalog.put_census(census(5.0))
    await catalog.put_job(Job(new_id(), JobKind.DRAIN, "node-a", started=1.0))
    await catalog.put_stray(Stray("node-a", f"{new_id()}.0", "no blob", 1.0))
    assert await catalog.try_lease("collect", "me", 30)
    return plain, kept


class BackupContract(CatalogBench):
    """See the module."""

    @property
    def at_once(self) -> int:
        """Transactions at the same time."""
        return AT_ONCE if self.serves_many_at_once else 1

    @ensureDeferred
    async def test_through_this_engine(
        self, items: IItemStore, catalog: Catalog, tmp_path: Path
    ) -> None:
        """A catalog that goes to another engine and comes back is what it was."""
        source, back = MemoryItems(), MemoryItems()
        first, last = Catalog(source, reactor, 0.0), Catalog(back, reactor, 0.0)
        buckets = await all_of_a_catalog(first)
        cluster = await first.cluster()
        there = await exported(source, tmp_path, cluster.id)
        await imported(items, tmp_path, there, self.at_once)
        home = await exported(items, tmp_path, cluster.id, epoch=2)
        done = await imported(back, tmp_path, home)
        assert (done.findings.dropped, done.findings.added) == ({}, {})
        assert (done.cluster.epoch, done.cluster.confirmed) == (3, 1)
        for bucket in buckets:
            versions = await whole_versions(first, bucket, 1000)
            assert await whole_versions(last, bucket, 1000) == versions
        assert await last.users() == await first.users()
        (await audit(back)).check_at_rest()

    @ensureDeferred
    async def test_there_and_back(
        self, items: IItemStore, catalog: Catalog, tmp_path: Path
    ) -> None:
        """What was exported is there after an import, and nothing is dropped or added."""
        plain, kept = await all_of_a_catalog(catalog)
        before = await catalog.cluster()
        export = await exported(items, tmp_path, before.id)
        target = MemoryItems()
        done = await imported(target, tmp_path, export)
        assert (done.findings.dropped, done.findings.added) == ({}, {})
        again = Catalog(target, reactor, 0.0)
        assert await again.cluster() == done.cluster == evolve(before, epoch=before.epoch + 1)
        assert done.cluster.confirmed == before.epoch
        assert await again.buckets() == [kept, plain]
        for bucket in (plain, kept):
            versions = await whole_versions(catalog, bucket, 1000)
            assert await whole_versions(again, bucket, 1000) == versions
            for version in versions:
                if version.incarnation is not None:
                    assert await again.blob(version.incarnation) == await blob_of(catalog, version)
        parts = await again.head(plain, "parts")
        assert await again.manifest(str(parts.manifest)) == await catalog.manifest(
            str(parts.manifest)
        )
        assert await again.uploads(plain) == await catalog.uploads(plain)
        (unfinished,) = (await again.uploads(plain)).uploads
        assert len((await again.parts(unfinished)).parts) == 2
        assert await again.settings(plain) == await catalog.settings(plain)
        assert await again.users() == await catalog.users()
        assert await again.repairs() == await catalog.repairs()
        assert await found(again) == await found(catalog)
        assert await found(again, "ee", CODED) == await found(catalog, "ee", CODED)
        await audit(target)

    @ensureDeferred
    async def test_what_is_left_out(
        self, items: IItemStore, catalog: Catalog, tmp_path: Path
    ) -> None:
        """What tells of processes, and of what was true then, is not taken over."""
        await all_of_a_catalog(catalog)
        export = await exported(items, tmp_path, (await catalog.cluster()).id)
        target = MemoryItems()
        await imported(target, tmp_path, export)
        again = Catalog(target, reactor, 0.0)
        assert await again.apis() == []
        assert await again.census() is None
        assert await again.strays("node-a") == []
        assert await again.try_lease("collect", "another", 30)
        (standing,) = await again.nodes()
        assert (standing.state, standing.beat, standing.verified_since) == (
            NodeState.DRAINING,
            0,
            0,
        )
        (job,) = await again.jobs()
        assert job.state is JobState.CANCELLED

    @ensureDeferred
    async def test_importing_into_this_engine(
        self, items: IItemStore, catalog: Catalog, tmp_path: Path
    ) -> None:
        """A catalog comes from one engine to another, and can be used there at once."""
        source = MemoryItems()
        first = Catalog(source, reactor, 0.0)
        plain, kept = await all_of_a_catalog(first)
        export = await exported(source, tmp_path, (await first.cluster()).id)
        await imported(items, tmp_path, export, self.at_once)
        for bucket in (plain, kept):
            versions = await whole_versions(first, bucket, 1000)
            assert await whole_versions(catalog, bucket, 1000) == versions
        await catalog.commit(kept, "k", upload("after"))
        await catalog.delete(plain, "large")
        assert len(await collect(catalog)) == 1  # of the object that was deleted before
        (await audit(items)).check_at_rest()
        with pytest.raises(CannotStart, match="catalog already"):
            await imported(items, tmp_path, export, self.at_once)

    @ensureDeferred
    async def test_exporting_while_it_is_written_to(
        self, items: IItemStore, catalog: Catalog, tmp_path: Path
    ) -> None:
        """
        Every object that was there all the time is in the export, whole, whatever is written
        meanwhile, and each version is one that the object had.
        """
        if not self.serves_many_at_once:
            pytest.skip("this stand-in loses writes that run at once")
        await catalog.initialise("auto")
        plain = await catalog.create_bucket("photos", "ann")
        await catalog.create_bucket("kept", "ann")
        kept = await catalog.set_versioning("kept", ENABLED)
        keys = [f"k{number}" for number in range(8)]
        lasting = set()
        for key in keys:
            await catalog.commit(plain, key, large(f"{len(lasting):02x}"))
            for _ in range(2):
                lasting.add((await catalog.commit(kept, key, upload())).reference)
        running = [True]

        async def write() -> int:
            random, written = Random(7), 0
            while running[0]:
                key = random.choice(keys)
                await catalog.commit(plain, key, large("ab" if random.random() < 0.5 else "cd"))
                top = await catalog.commit(kept, key, upload())
                if random.random() < 0.5:
                    await catalog.delete(kept, key, top.version_id)
                if random.random() < 0.3:
                    await completed(catalog, plain, 1, 2, key=key)
                written += 1
                await deferLater(reactor, 0)
            return written

        writing = Deferred.fromCoroutine(write())
        slow = Paged(items, 3)
        export = await exported(slow, tmp_path, (await catalog.cluster()).id)
        running[0] = False
        assert await writing > 0
        target = MemoryItems()
        done = await imported(target, tmp_path, export)
        assert "versions whose bytes the catalog does not know" not in done.findings.dropped
        again = Catalog(target, reactor, 0.0)
        for key in keys:
            await catalog.head(plain, key)
            version = await again.head(plain, key)
            if version.manifest is not None:
                assert len(await again.manifest(version.manifest)) == 2
            else:
                await blob_of(again, version)
        references = {version.reference for version in await whole_versions(again, kept, 1000)}
        assert lasting <= references
        (await audit(target)).check_at_rest()

    @ensureDeferred
    async def test_an_import_that_was_interrupted(
        self, items: IItemStore, catalog: Catalog, second: Catalog, tmp_path: Path
    ) -> None:
        """Nobody uses half a catalog; done again with the same file, the import is whole."""
        source = MemoryItems()
        first = Catalog(source, reactor, 0.0)
        plain, _ = await all_of_a_catalog(first)
        export = await exported(source, tmp_path, (await first.cluster()).id)
        other = export_of(await every(source), (await first.cluster()).id)
        with pytest.raises(Interrupted):
            await imported(Breaking(items, 2), tmp_path, export, self.at_once)
        with pytest.raises(CannotStart, match="same file"):
            await catalog.cluster()
        with pytest.raises(CannotStart, match="same file"):
            await catalog.initialise("auto")
        with pytest.raises(CannotStart, match="another file"):
            await imported(items, tmp_path, other, self.at_once)
        await imported(items, tmp_path, export, self.at_once)
        assert await second.cluster() is not None
        assert await whole_versions(second, plain, 1000) == await whole_versions(first, plain, 1000)
        await audit(items)

    @ensureDeferred
    async def test_a_catalog_that_is_not_empty(
        self, items: IItemStore, catalog: Catalog, tmp_path: Path
    ) -> None:
        """An import into a catalog that holds anything changes nothing there."""
        source = MemoryItems()
        first = Catalog(source, reactor, 0.0)
        await all_of_a_catalog(first)
        export = await exported(source, tmp_path, (await first.cluster()).id)
        await catalog.create_bucket("mine", "bob")
        before = await every(items)
        with pytest.raises(CannotStart, match="not empty"):
            await imported(items, tmp_path, export, self.at_once)
        assert await every(items) == before


class Interrupted(Exception):
    """Somebody pressed Ctrl-C."""


class Paged:
    """Another store, whose pages are small, and between which others have their turn."""

    def __init__(self, items: IItemStore, limit: int) -> None:
        self._items, self._limit = items, limit

    @deferred
    async def scan(self, cursor: str | None = None, limit: int = 1000) -> Any:
        await deferLater(reactor, 0)
        return await self._items.scan(cursor, min(limit, self._limit))

    @deferred
    async def query(
        self, p: str, start: bytes = b"", stop: bytes | None = None, limit: int = 1000
    ) -> Any:
        await deferLater(reactor, 0)
        return await self._items.query(p, start, stop, min(limit, self._limit))

    @deferred
    async def get(self, p: str, s: bytes) -> Any:
        await deferLater(reactor, 0)
        return await self._items.get(p, s)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._items, name)


class Breaking(Paged):
    """Another store, to which only so many transactions get through."""

    def __init__(self, items: IItemStore, left: int) -> None:
        super().__init__(items, 1000)
        self._left = left

    def transact(self, actions: Any, token: str) -> Any:
        if not self._left:
            raise Interrupted
        self._left -= 1
        return self._items.transact(actions, token)
