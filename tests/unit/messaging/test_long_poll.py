"""
Breaking a long poll off.

These tests use boto3 itself against a server that never answers, because the way to its
sockets leads through names that botocore keeps private: a version that has other names
fails here.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import pytest_twisted
from botocore.config import Config
from twisted.internet.defer import CancelledError
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from godos.messaging.long_poll import Connections, LongPoll

SOON = 10.0  # seconds: much less than the read time-out of a minute


class SilentServer:
    """Takes connections and requests, and never answers until `answer` is called."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(SOON)
        self._connections: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def request(self) -> socket.socket:
        """Blocks until somebody has asked."""
        while True:
            connection, _ = self._listener.accept()
            self._connections.append(connection)
            connection.settimeout(SOON)
            asked = b""
            while part := connection.recv(65536):  # headers and body may come apart
                asked += part
                if asked.endswith(b"}"):
                    return connection

    def answer(self, connection: socket.socket) -> None:
        body = b'{"QueueUrl":"http://here"}'
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    def close(self) -> None:
        for one in (self._listener, *self._connections):
            one.close()


@pytest.fixture
def server() -> Iterator[SilentServer]:
    server = SilentServer()
    yield server
    server.close()


@pytest.fixture
def client(server: SilentServer) -> Any:
    return boto3.client(
        "sqs",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id="t",
        aws_secret_access_key="t",
        config=Config(read_timeout=60, retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def connections(client: Any) -> Connections:
    connections = Connections()
    assert connections.watch(client), "botocore's private names have changed"
    return connections


@pytest.fixture
def long_poll(connections: Connections) -> Iterator[LongPoll]:
    from twisted.internet import reactor

    poll = LongPoll(reactor, "the poll", connections)
    yield poll
    poll.end()


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "the poll"]


@pytest_twisted.ensureDeferred
async def test_cancelling_ends_the_request(
    server: SilentServer, client: Any, long_poll: LongPoll
) -> None:
    """The caller is told at once, the server sees the end, and the thread is free again."""
    polling = long_poll.run(lambda: client.get_queue_url(QueueName="q"))
    connection = await deferToThread(server.request)
    polling.cancel()
    with pytest.raises(CancelledError):
        await polling
    assert await deferToThread(connection.recv, 1) == b""
    assert await long_poll.run(lambda: 7) == 7


@pytest_twisted.ensureDeferred
async def test_after_that_requests_work_again(
    server: SilentServer, client: Any, long_poll: LongPoll
) -> None:
    """A poll that was broken off is not the last one."""
    polling = long_poll.run(lambda: client.get_queue_url(QueueName="q"))
    await deferToThread(server.request)
    polling.cancel()
    with pytest.raises(CancelledError):
        await polling
    asking = long_poll.run(lambda: client.get_queue_url(QueueName="q")["QueueUrl"])
    server.answer(await deferToThread(server.request))
    assert await asking == "http://here"


@pytest_twisted.ensureDeferred
async def test_a_call_that_has_not_begun_is_not_made(
    server: SilentServer, client: Any, long_poll: LongPoll
) -> None:
    """Cancelling it leaves the one that runs alone."""
    made: list[int] = []
    running = long_poll.run(lambda: client.get_queue_url(QueueName="q")["QueueUrl"])
    connection = await deferToThread(server.request)
    waiting = long_poll.run(lambda: made.append(1))
    waiting.cancel()
    with pytest.raises(CancelledError):
        await waiting
    server.answer(connection)
    assert await running == "http://here"
    await long_poll.run(lambda: None)
    assert made == []


@pytest_twisted.ensureDeferred
async def test_the_end_ends_the_thread(
    server: SilentServer, client: Any, long_poll: LongPoll
) -> None:
    """Whatever it is doing."""
    polling = long_poll.run(lambda: client.get_queue_url(QueueName="q"))
    polling.addErrback(lambda _: None)
    await deferToThread(server.request)
    (thread,) = threads()
    assert thread.daemon
    long_poll.end()
    await deferToThread(thread.join, SOON)
    assert threads() == []
    long_poll.end()
    assert await long_poll.run(lambda: 7) == 7


@pytest_twisted.ensureDeferred
async def test_errors_come_out_as_they_are(long_poll: LongPoll) -> None:
    """Whoever waits for a result gets the exception instead."""
    with pytest.raises(ZeroDivisionError):
        await long_poll.run(lambda: 1 // 0)


@pytest_twisted.ensureDeferred
async def test_a_connection_that_is_made_too_late_is_closed(
    server: SilentServer, client: Any, connections: Connections
) -> None:
    """Between the order to stop and the socket there is no gap."""
    connections.shut()
    with pytest.raises(Exception, match=r"(?i)connection|BrokenOff"):
        await deferToThread(client.get_queue_url, QueueName="q")
    connections.reopen()
    asking = deferToThread(client.get_queue_url, QueueName="q")
    server.answer(await deferToThread(server.request))
    assert (await asking)["QueueUrl"] == "http://here"


def test_a_botocore_that_is_made_otherwise_is_survived() -> None:
    """Polls then end by themselves; nothing fails."""
    assert not Connections().watch(object())


@pytest_twisted.ensureDeferred
async def test_the_reactor_turns_meanwhile(
    server: SilentServer, client: Any, long_poll: LongPoll
) -> None:
    """A poll blocks its own thread and no other."""
    from twisted.internet import reactor

    polling = long_poll.run(lambda: client.get_queue_url(QueueName="q"))
    polling.addErrback(lambda _: None)
    await deferToThread(server.request)
    await deferLater(reactor, 0.01)
    assert not polling.called
