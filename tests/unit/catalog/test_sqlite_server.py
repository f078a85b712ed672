"""The owner's side of the socket."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from godos.catalog.sqlite_server import MOST_RUNNING, ItemsConnection, ItemsServer, is_trusted
from godos.catalog.sqlite_wire import GREETING, Frames, to_frame
from godos.model.errors import CannotStart
from tests.memory_items import MemoryItems

TOKEN = "0" * 32
PUT = ["put", None, ["shelf", "k", {"n": 1}, None, None, None]]
ITEM = ["shelf", "k", {"n": 1}, None, None, None]


class Wire(StringTransport):
    """A transport that knows that it was broken off."""

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True

    def getHandle(self) -> None:
        return None


class ConnectionTests(SynchronousTestCase):
    """One peer, whose store answers when the test says so."""

    def setUp(self) -> None:
        self.held: list[Deferred[None]] = []
        self.items = MemoryItems()
        self.ended: list[ItemsConnection] = []
        self.connection = ItemsConnection(self.items, self.ended.append, lambda _: True)
        self.wire = Wire()
        self.connection.makeConnection(self.wire)
        self.frames = Frames()

    def hold(self, _operation: str) -> Deferred[None]:
        self.held.append(Deferred())
        return self.held[-1]

    def say(self, *messages: Any) -> None:
        self.connection.dataReceived(b"".join(map(to_frame, messages)))

    def heard(self) -> list[Any]:
        data = self.wire.value()
        self.wire.clear()
        return list(self.frames.feed(data))

    def hang_up(self) -> None:
        self.connection.connectionLost()

    def test_requests_are_answered(self) -> None:
        """Each verb has its answer, with the number of its request."""
        self.say(GREETING, [1, "transact", [PUT], TOKEN], [2, "get", "shelf", "k"])
        self.say([3, "get_many", [["shelf", "k"], ["shelf", "l"]]])
        self.say([4, "query", "shelf", "", None, 10, False], [5, "scan", None, 10])
        self.assertEqual(
            [
                GREETING,
                [1, "done", None],
                [2, "done", ITEM],
                [3, "done", [ITEM, None]],
                [4, "done", [None, ITEM]],
                [5, "done", [None, ITEM]],
            ],
            self.heard(),
        )

    def test_refusals_are_told(self) -> None:
        """What stood in the way, a wrong argument, a spent token and an outage are told apart."""
        check = ["check", ["absent"], "shelf", "k"]
        self.say(GREETING, [1, "transact", [PUT], TOKEN], [2, "transact", [check], "1" * 32])
        self.say([3, "get", "", "k"], [4, "dance"], [5, "get", 7, "k"])
        self.say([6, "transact", [["x"]], TOKEN])
        self.say([7, "transact", [check], TOKEN])
        answers = {number: rest for number, *rest in self.heard()[1:]}
        self.assertEqual(["refused", [[0, ITEM]]], answers[2])
        self.assertEqual(["wrong"] * 4, [answers[n][0] for n in (3, 4, 5, 6)])
        self.assertEqual("reused", answers[7][0])
        self.items.close()
        self.say([8, "get", "shelf", "k"])
        self.assertEqual([[8, "unavailable"]], [answer[:2] for answer in self.heard()])

    def test_a_failure_of_the_owner_is_an_outage(self) -> None:
        """A bug in the owner is logged there, and does not silence it."""
        self.items.before = lambda _: 1 // 0  # type: ignore[assignment, return-value]
        self.say(GREETING, [1, "get", "shelf", "k"])
        self.assertEqual("unavailable", self.heard()[1][1])
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_what_is_cancelled_is_not_called_a_failure(self) -> None:
        """Who waits for what the owner has cancelled is hung up on, and asks again elsewhere."""
        self.items.before = self.hold
        self.say(GREETING, [1, "get", "shelf", "k"])
        self.held[0].cancel()
        self.assertEqual([GREETING], self.heard())
        self.assertTrue(self.wire.aborted)
        self.successResultOf(self.connection._running.idle())
        self.assertEqual([], self.flushLoggedErrors())

    def test_a_stranger_is_refused(self) -> None:
        """A process of another user hears nothing, not even a greeting."""
        connection = ItemsConnection(self.items, self.ended.append, lambda _: False)
        wire = Wire()
        connection.makeConnection(wire)
        self.assertTrue(wire.aborted)
        self.assertEqual(b"", wire.value())

    def test_who_does_not_greet_is_refused(self) -> None:
        """A peer that speaks another version, or something else, is not served."""
        self.say([GREETING[0], 99], [1, "transact", [PUT], TOKEN])
        self.assertTrue(self.wire.aborted)
        self.assertIsNone(self.successResultOf(self.items.get("shelf", b"k")))

    def test_nonsense_ends_the_connection(self) -> None:
        """After something that is no request nothing more is served."""
        self.say(GREETING, {"no": "request"})
        self.assertTrue(self.wire.aborted)

    def test_a_flood_waits_in_the_socket(self) -> None:
        """When many requests run, no more are read until half of them are answered."""
        self.items.before = self.hold
        self.say(GREETING, *([n, "get", "shelf", "k"] for n in range(MOST_RUNNING - 1)))
        self.assertEqual("producing", self.wire.producerState)
        self.say([MOST_RUNNING, "get", "shelf", "k"])
        self.assertEqual("paused", self.wire.producerState)
        for held in self.held[: MOST_RUNNING // 2]:
            held.callback(None)
        self.assertEqual("paused", self.wire.producerState)
        self.held[-1].callback(None)
        self.assertEqual("producing", self.wire.producerState)

    def test_who_does_not_listen_is_not_read(self) -> None:
        """While a peer does not take its answers, its requests wait in the socket."""
        self.say(GREETING)
        producer = self.wire.producer
        self.assertTrue(self.wire.streaming)
        producer.pauseProducing()
        self.assertEqual("paused", self.wire.producerState)
        producer.resumeProducing()
        self.assertEqual("producing", self.wire.producerState)

    def test_stopping_answers_what_was_asked(self) -> None:
        """What was asked before is answered, what comes now is left to the next owner."""
        self.items.before = self.hold
        self.say(GREETING, [1, "get", "shelf", "k"])
        stopping = self.connection.stop()
        self.say([2, "get", "shelf", "k"])
        self.assertFalse(self.wire.disconnecting)
        self.held[0].callback(None)
        self.assertTrue(self.wire.disconnecting)
        self.assertEqual([GREETING, [1, "done", None]], self.heard())
        self.assertNoResult(stopping)
        self.hang_up()
        self.successResultOf(stopping)
        self.assertEqual(1, len(self.held))

    def test_an_answer_for_nobody_is_dropped(self) -> None:
        """A peer that went away before its answer disturbs nobody; it is forgotten."""
        self.items.before = self.hold
        self.say(GREETING, [1, "transact", [PUT], TOKEN])
        self.wire.clear()
        self.connection.connected = 0
        self.hang_up()
        self.held[0].callback(None)
        self.assertEqual(b"", self.wire.value())
        self.assertEqual([self.connection], self.ended)
        self.items.before = MemoryItems().before
        self.assertIsNotNone(self.successResultOf(self.items.get("shelf", b"k")))


def test_our_own_processes_are_trusted() -> None:
    """The kernel tells that the other end of a socket is our own."""
    here, there = socket.socketpair()
    with here, there:
        assert is_trusted(here)


def test_processes_of_others_are_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Had we another user id than the process at the other end, it would be refused."""
    there = socket.socketpair()
    uid = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: uid + 1)
    monkeypatch.setattr("godos.catalog.sqlite_server._ROOT", -1)
    with there[0], there[1]:
        assert not is_trusted(there[0])


@ensureDeferred
async def test_the_socket_is_its_users_alone(tmp_path: Path) -> None:
    """The socket's file may be used by its user only, and goes with the server."""
    path = tmp_path / "catalog.sock"
    server = ItemsServer(reactor, MemoryItems(), str(path))
    server.start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await server.stop()
    assert not path.exists()


@ensureDeferred
async def test_a_dead_owners_socket_is_replaced(tmp_path: Path) -> None:
    """A socket that was left behind by a killed process is no obstacle."""
    path = tmp_path / "catalog.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    server = ItemsServer(reactor, MemoryItems(), str(path))
    server.start()
    await server.stop()


def test_something_else_is_not_replaced(tmp_path: Path) -> None:
    """A file that is no socket is never removed."""
    path = tmp_path / "catalog.sock"
    path.write_text("precious")
    with pytest.raises(CannotStart, match=r"catalog\.sock"):
        ItemsServer(reactor, MemoryItems(), str(path)).start()
    assert path.read_text() == "precious"


@ensureDeferred
async def test_a_socket_that_somebody_removed_does_not_hinder_the_end(tmp_path: Path) -> None:
    """The server ends also when its socket's file has vanished."""
    path = tmp_path / "catalog.sock"
    server = ItemsServer(reactor, MemoryItems(), str(path))
    server.start()
    path.unlink()
    await server.stop()


@ensureDeferred
async def test_a_path_that_is_too_long_for_a_socket(tmp_path: Path) -> None:
    """Folders may be nested deeper than a socket's address can say."""
    folder = tmp_path / ("x" * 120) / ("y" * 120)
    folder.mkdir(parents=True)
    server = ItemsServer(reactor, MemoryItems(), str(folder / "catalog.sock"))
    server.start()
    assert (folder / "catalog.sock").is_socket()
    await server.stop()
    assert list(folder.iterdir()) == []
