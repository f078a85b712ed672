"""Changes of ownership, among stores of one process that each act like one of their own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import apsw
import pytest
from pytest_twisted import async_yield_fixture, ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThread

from godos.catalog.items import Absent, ConditionFailed, Item, Put, RevIs
from godos.catalog.sqlite_format import FORMAT
from godos.catalog.sqlite_owner import lock_path, socket_path
from godos.catalog.sqlite_ownership import Lock
from godos.catalog.sqlite_shared import SharedSQLiteItems
from godos.deferreds import WorkerPool
from godos.model.errors import CannotStart, CatalogUnavailable

_tokens = count(1)


def token() -> str:
    """A new one."""
    return f"{next(_tokens):032x}"


class Machine:
    """Opens stores on one file."""

    def __init__(self, folder: Path, pool: WorkerPool) -> None:
        self.path = folder / "catalog.sqlite"
        self.pool = pool
        self.opened: list[SharedSQLiteItems] = []

    async def open(self, patience: float = 10.0) -> SharedSQLiteItems:
        """One more user of the file."""
        items = await SharedSQLiteItems.open(str(self.path), reactor, self.pool, patience)
        self.opened.append(items)
        return items

    def owner(self) -> int:
        """The process that has the lock."""
        return int(Path(lock_path(str(self.path))).read_text())

    def obstruct(self) -> None:
        """Put something where the socket is to be."""
        Path(socket_path(str(self.path))).write_text("in the way")

    def clear(self) -> None:
        """Take it away."""
        Path(socket_path(str(self.path))).unlink()


@async_yield_fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    """A machine without any store yet."""
    pool = WorkerPool(reactor, "catalog", 8)
    pool.start()
    machine = Machine(tmp_path, pool)
    yield machine
    for items in reversed(machine.opened):
        await items.close()
    await deferToThread(pool.stop)


@ensureDeferred
async def test_all_see_what_one_wrote(machine: Machine) -> None:
    """What one process was told is written is there for all others."""
    several = [await machine.open() for _ in range(3)]
    for n, writer in enumerate(several):
        await writer.transact([Put(Item("shelf", b"%d" % n, {}))], token())
        for reader in several:
            assert await reader.get("shelf", b"%d" % n) == Item("shelf", b"%d" % n, {})


@ensureDeferred
async def test_one_goes_and_another_takes_over(machine: Machine) -> None:
    """When the owner ends, the others go on without an error, also in the middle of work."""
    several = [await machine.open() for _ in range(4)]
    await several[0].transact([Put(Item("shelf", b"n", {"n": 0}, rev="0"))], token())

    async def work(items: SharedSQLiteItems, steps: int) -> None:
        while steps:
            found = await items.get("shelf", b"n")
            rev = token()
            new = Item("shelf", b"n", {"n": found.data["n"] + 1}, rev=rev)
            try:
                await items.transact([Put(new, RevIs(found.rev))], rev)
            except ConditionFailed:
                continue
            steps -= 1

    working = [Deferred.fromCoroutine(work(items, 40)) for items in several[2:] * 3]
    for items in several[:2]:
        await deferToThread(lambda: None)
        await items.get("shelf", b"n")
        await items.close()
    await gatherResults(working)
    assert (await several[3].get("shelf", b"n")).data == {"n": 240}


@ensureDeferred
async def test_a_clean_end_leaves_one_file_and_the_lock(machine: Machine) -> None:
    """After all have ended no socket and no write-ahead log stay behind."""
    first, second = await machine.open(), await machine.open()
    await second.transact([Put(Item("shelf", b"k", {}))], token())
    await first.close()
    assert await second.get("shelf", b"k") is not None
    await second.close()
    left = {path.name for path in machine.path.parent.iterdir()}
    assert left == {"catalog.sqlite", "catalog.sqlite.lock"}


@ensureDeferred
async def test_the_lock_names_its_owner(machine: Machine) -> None:
    """People find the owner's process id in the lock's file."""
    await machine.open()
    assert machine.owner() == os.getpid()
    assert not Lock(lock_path(str(machine.path))).acquire()


@ensureDeferred
async def test_a_newer_file_is_refused_at_the_start(machine: Machine) -> None:
    """Who starts on a file of a newer godos is told so, and others may still try."""
    await (await machine.open()).close()
    newer = apsw.Connection(str(machine.path))
    newer.execute(f"PRAGMA user_version = {FORMAT + 1}")
    newer.close()
    for _ in range(2):
        with pytest.raises(CannotStart, match="format"):
            await machine.open()


@ensureDeferred
async def test_a_folder_that_is_missing(machine: Machine) -> None:
    """A path that leads nowhere is told with its reason."""
    machine.path = machine.path / "nowhere" / "catalog.sqlite"
    with pytest.raises(CannotStart, match="lock"):
        await machine.open()


@ensureDeferred
async def test_an_owner_that_does_not_serve(machine: Machine) -> None:
    """When a process has the lock and serves nobody, who waits is told after its patience."""
    lock = Lock(lock_path(str(machine.path)))
    assert lock.acquire()
    with pytest.raises(CatalogUnavailable, match="nobody serves"):
        await machine.open(patience=0.2)
    lock.release()
    await machine.open(patience=5)


@ensureDeferred
async def test_an_outage_ends_when_an_owner_is_found(machine: Machine) -> None:
    """Requests wait while there is no owner, and are answered once there is one."""
    owner, other = await machine.open(), await machine.open()
    await owner.transact([Put(Item("shelf", b"k", {}), Absent())], token())
    blocker = Lock(lock_path(str(machine.path)))
    await owner.close()
    assert blocker.acquire()
    waiting = [other.get("shelf", b"k") for _ in range(5)]
    writing = other.transact([Put(Item("shelf", b"l", {}))], token())
    await deferToThread(lambda: None)
    assert not any(one.called for one in waiting)
    blocker.release()
    assert [one.s for one in await gatherResults(waiting)] == [b"k"] * 5
    await writing


@ensureDeferred
async def test_a_request_waits_no_longer_than_its_patience(machine: Machine) -> None:
    """Without an owner requests fail after a while, and closing does not hang on them."""
    owner, other = await machine.open(), await machine.open(patience=0.3)
    blocker = Lock(lock_path(str(machine.path)))
    await owner.close()
    assert blocker.acquire()
    asked = other.get("shelf", b"k")
    closing = other.close()
    with pytest.raises(CatalogUnavailable):
        await asked
    await closing
    blocker.release()


@ensureDeferred
async def test_a_takeover_that_is_refused_is_an_outage(machine: Machine) -> None:
    """A running daemon that cannot take over answers `unavailable`, and goes on trying."""
    owner, other = await machine.open(), await machine.open()
    await owner.close()
    machine.obstruct()
    with pytest.raises(CatalogUnavailable, match="in the way"):
        await other.get("shelf", b"k")
    machine.clear()
    assert await other.get("shelf", b"k") is None


@ensureDeferred
async def test_two_who_start_at_once(machine: Machine) -> None:
    """Of many that start together one owns the file, and all work."""
    several = await gatherResults([Deferred.fromCoroutine(machine.open()) for _ in range(6)])
    writes = [
        items.transact([Put(Item("shelf", b"%d" % n, {}), Absent())], token())
        for n, items in enumerate(several)
    ]
    await gatherResults(writes)
    assert len((await several[0].query("shelf")).items) == 6


def test_a_lock_that_leads_elsewhere(tmp_path: Path) -> None:
    """A link that somebody put in the lock's place costs no other file its content."""
    precious = tmp_path / "precious"
    precious.write_text("content")
    path = tmp_path / "catalog.sqlite.lock"
    path.symlink_to(precious)
    with pytest.raises(CannotStart, match="lock"):
        Lock(str(path)).acquire()
    assert precious.read_text() == "content"
