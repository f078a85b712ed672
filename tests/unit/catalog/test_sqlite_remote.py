"""The asking side of the socket, before an owner that misbehaves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import async_yield_fixture, ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol

from godos.catalog import sqlite_remote
from godos.catalog.items import Absent, ConditionFailed, Item, Put
from godos.catalog.sqlite_remote import OwnerGone, RemoteItems
from godos.catalog.sqlite_server import ItemsServer
from godos.catalog.sqlite_wire import GREETING, to_frame
from godos.model.errors import CannotStart, CatalogUnavailable
from tests.memory_items import MemoryItems


class Rude(Protocol):
    """Answers whatever it is told with its own words."""

    def __init__(self, words: bytes) -> None:
        self.words = words

    def dataReceived(self, _data: bytes) -> None:
        assert self.transport is not None
        if self.words:
            self.transport.write(self.words)
        self.words = b""


class Rudely(Factory):
    """Peers that all have the same words."""

    noisy = False

    def __init__(self, words: bytes) -> None:
        self.words = words

    def buildProtocol(self, _address: object) -> Rude:
        return Rude(self.words)


@async_yield_fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[MemoryItems, RemoteItems]]:
    """A store in memory, and how it looks over a socket."""
    path = str(tmp_path / "catalog.sock")
    items = MemoryItems()
    server = ItemsServer(reactor, items, path)
    server.start()
    remote = await RemoteItems.connect(path, reactor, 0.2)
    yield items, remote
    await remote.close()
    await server.stop()


async def rude(tmp_path: Path, words: bytes) -> Any:
    """What comes of connecting to an owner with these words."""
    path = str(tmp_path / "catalog.sock")
    port = reactor.listenUNIX(path, Rudely(words))  # type: ignore[attr-defined]
    try:
        return await RemoteItems.connect(path, reactor, 0.2)
    finally:
        await port.stopListening()


@ensureDeferred
async def test_nobody_there(tmp_path: Path) -> None:
    """Without an owner it is said that there is none, so that one may be found."""
    with pytest.raises(OwnerGone, match="nobody serves"):
        await RemoteItems.connect(str(tmp_path / "catalog.sock"), reactor)


@ensureDeferred
async def test_another_language(tmp_path: Path) -> None:
    """An owner with another version of the protocol is told to the person who starts us."""
    with pytest.raises(CannotStart, match="99"):
        await rude(tmp_path, to_frame([GREETING[0], 99]))


@ensureDeferred
async def test_no_language_at_all(tmp_path: Path) -> None:
    """Something else at the socket is no owner."""
    with pytest.raises(OwnerGone):
        await rude(tmp_path, b"HTTP/1.1 400 Bad Request\r\n")


@ensureDeferred
async def test_an_owner_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that accepts and is silent is given up after a while."""
    monkeypatch.setattr(sqlite_remote, "_CONNECT", 0.1)
    with pytest.raises(OwnerGone, match="says nothing"):
        await rude(tmp_path, b"")


@ensureDeferred
async def test_an_owner_that_answers_nonsense(tmp_path: Path) -> None:
    """When the owner loses its mind, what waits is told that it is gone."""
    remote = await rude(tmp_path, to_frame(GREETING) + b"\xff\xff\xff\xff")
    with pytest.raises(OwnerGone):
        await remote.get("shelf", b"k")
    await remote.close()


@ensureDeferred
async def test_an_owner_that_does_not_answer(served: tuple[MemoryItems, RemoteItems]) -> None:
    """A request is given up after its patience; its late answer disturbs nobody."""
    items, remote = served
    held: Deferred[None] = Deferred()
    items.before = lambda _: held
    with pytest.raises(CatalogUnavailable, match="in time"):
        await remote.get("shelf", b"k")
    items.before = MemoryItems().before
    held.callback(None)
    await remote.transact([Put(Item("shelf", b"k", {}))], "0" * 32)
    assert await remote.get("shelf", b"k") == Item("shelf", b"k", {})


@ensureDeferred
async def test_answers_come_in_any_order(served: tuple[MemoryItems, RemoteItems]) -> None:
    """A slow request holds up no other, and each gets its own answer."""
    items, remote = served
    await remote.transact([Put(Item("shelf", b"k", {}))], "0" * 32)
    held: Deferred[None] = Deferred()
    items.before = lambda _: held
    slow = remote.get("shelf", b"missing")
    query = remote.query("shelf")
    items.before = MemoryItems().before
    assert (await remote.get("shelf", b"k")).s == b"k"
    held.callback(None)
    assert await slow is None
    assert [item.s for item in (await query).items] == [b"k"]


@ensureDeferred
async def test_a_caller_that_gives_up(served: tuple[MemoryItems, RemoteItems]) -> None:
    """Cancelling one request leaves the connection in order."""
    _, remote = served
    asked = remote.get("shelf", b"k")
    asked.addErrback(lambda _: None)
    asked.cancel()
    assert await remote.get("shelf", b"l") is None


@ensureDeferred
async def test_what_is_too_long_is_not_sent(served: tuple[MemoryItems, RemoteItems]) -> None:
    """A request that no frame could carry fails by itself, and the next one works."""
    _, remote = served
    with pytest.raises(ValueError, match="bytes"):
        await remote.transact([Put(Item("shelf", b"k", {"x": "x" * (50 << 20)}))], "0" * 32)
    assert await remote.get("shelf", b"k") is None


@ensureDeferred
async def test_many_large_items_in_the_way(
    served: tuple[MemoryItems, RemoteItems], tmp_path: Path
) -> None:
    """Even the largest refusal fits into an answer."""
    items, _ = served
    large = [Item("shelf", b"\xff%02d" % n, {"x": "x" * 379_000}) for n in range(100)]
    for n, item in enumerate(large):
        await items.transact([Put(item)], f"{n:032x}")
    patient = await RemoteItems.connect(str(tmp_path / "catalog.sock"), reactor)
    found = await patient.get_many([(item.p, item.s) for item in large])
    assert list(found) == large
    creates = [Put(Item(item.p, item.s, {}), Absent()) for item in large]
    with pytest.raises(ConditionFailed) as refused:
        await patient.transact(creates, "f" * 32)
    assert list(refused.value.standing.values()) == large
    await patient.close()
