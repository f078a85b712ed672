"""Several processes that upload to one key, and are killed again and again."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from godos.catalog.catalog import Catalog
from godos.catalog.items import IItemStore
from godos.catalog.sqlite import SQLiteItems
from godos.deferreds import WorkerPool
from godos.model.versions import Versioning
from tests.catalog_audit import audit
from tests.contract.catalog import whole_versions
from tests.contract.dynamodb import dynamodb_items
from tests.integration import catalog_worker
from tests.standins import StandIn

PROCESSES = 3
KILLS = 5
UPLOADS = 20  # acknowledged between two kills
PATIENCE = 60.0  # seconds for something to happen on a busy machine


class Workers:
    """Processes that run `catalog_worker`, and what they said."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[tuple[subprocess.Popen[bytes], Path]] = []
        self._said: list[Path] = []

    def start(self, *where: str) -> None:
        """One more process."""
        said = self._folder / f"said-{len(self._said)}"
        complaints = self._folder / f"complaints-{len(self._said)}"
        with said.open("wb") as out, complaints.open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", catalog_worker.__name__, said.name, *where],
                stdout=out,
                stderr=err,
                cwd=Path(__file__).parent.parent.parent,
            )
        self._said.append(said)
        self._running.append((process, complaints))

    def kill(self, number: int) -> None:
        """End one as a power cut would."""
        process, complaints = self._running.pop(number)
        assert process.poll() is None, complaints.read_text()
        process.kill()
        process.wait()

    def kill_all(self) -> None:
        """End those that still run."""
        while self._running:
            self.kill(0)

    def acknowledged(self) -> list[str]:
        """The uploads that were acknowledged, by all processes there ever were."""
        # A line cut off by the kill was never said.
        return [etag for said in self._said for etag in said.read_text().split("\n")[:-1]]

    def await_uploads(self, more: int) -> None:
        """Wait until so many more uploads were acknowledged."""
        deadline, before = time.monotonic() + PATIENCE, len(self.acknowledged())
        while len(self.acknowledged()) < before + more:
            assert time.monotonic() < deadline, "the processes do not get on"
            time.sleep(0.02)

    def work_and_die(self, *where: str) -> None:
        """Some processes at work, of which one after the other is killed and replaced."""
        for _ in range(PROCESSES):
            self.start(*where)
        for _ in range(KILLS):
            self.await_uploads(UPLOADS)
            self.kill(random.randrange(PROCESSES))
            self.start(*where)
        self.await_uploads(UPLOADS)
        self.kill_all()


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    """None at work yet."""
    workers = Workers(tmp_path)
    yield workers
    workers.kill_all()


@asynccontextmanager
async def sqlite_items(path: Path) -> AsyncIterator[IItemStore]:
    """The file, owned by this process."""
    pool = WorkerPool(reactor, "catalog", 3)
    pool.start()
    items = await SQLiteItems.open(str(path), pool, reactor)
    yield items
    await items.close()
    await deferToThread(pool.stop)


async def prepare(items: IItemStore) -> None:
    """The two buckets that the workers use."""
    catalog = Catalog(items, reactor)
    await catalog.create_bucket(catalog_worker.KEPT, "ann")
    await catalog.set_versioning(catalog_worker.KEPT, Versioning.ENABLED)
    await catalog.create_bucket(catalog_worker.REPLACED, "ann")


async def check(items: IItemStore, workers: Workers) -> None:
    """Each acknowledged upload is there once; at most those under way at a kill beside them."""
    catalog = Catalog(items, reactor)
    rows = await audit(items)
    rows.check_at_rest()
    kept = await whole_versions(catalog, await catalog.bucket(catalog_worker.KEPT), 1000)
    assert [version.seq for version in kept] == list(range(len(kept), 0, -1))
    times = Counter(version.etag for version in kept)
    assert max(times.values()) == 1
    acknowledged = workers.acknowledged()
    assert set(acknowledged) <= set(times)
    under_way = (KILLS + PROCESSES) * catalog_worker.HANDS
    assert len(times) - len(acknowledged) <= under_way
    latest = await catalog.head(await catalog.bucket(catalog_worker.REPLACED), "hot")
    assert len(acknowledged) <= latest.seq <= len(times)
    collected = 0
    while removals := await catalog.removals(0):
        for removal in removals:
            await catalog.removed(removal)
        collected += len(removals)
    assert collected == latest.seq - 1
    rows = await audit(items)
    assert len(rows.blobs) == len(kept) + 1


@ensureDeferred
async def test_sqlite(workers: Workers, tmp_path: Path) -> None:
    """On one SQLite file that processes share, no acknowledged upload is lost or doubled."""
    path = tmp_path / "catalog.sqlite"
    async with sqlite_items(path) as items:
        await prepare(items)
    await deferToThread(workers.work_and_die, "sqlite", str(path))
    async with sqlite_items(path) as items:
        await check(items, workers)


@ensureDeferred
async def test_dynamodb_local(workers: Workers, dynamodb_local: StandIn) -> None:
    """On DynamoDB no acknowledged upload is lost or doubled."""
    async with dynamodb_items(dynamodb_local.url) as items:
        await prepare(items)
        await deferToThread(workers.work_and_die, "dynamodb", dynamodb_local.url, items._table)
        await check(items, workers)


@ensureDeferred
async def test_ministack(workers: Workers, ministack: StandIn) -> None:
    """So on ministack."""
    async with dynamodb_items(ministack.url) as items:
        await prepare(items)
        await deferToThread(workers.work_and_die, "dynamodb", ministack.url, items._table)
        await check(items, workers)
