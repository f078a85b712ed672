"""Bodies over real sockets, on TCP and on TLS."""

from __future__ import annotations

import hashlib
import socket
import struct
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_twisted
from klein import Klein
from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from godos.deferreds import deferred
from godos.model.errors import IncompleteBody
from godos.web.exchange import IExchange
from godos.web.streaming import exchange_of
from tests.integration.streaming_server import Answer, Client, Server

HOST = b"Host: localhost\r\n"
GET = b"GET /hello HTTP/1.1\r\n" + HOST + b"\r\n"
DATA = hashlib.sha256(b"seed").digest() * (3 << 15)  # 3 MiB
LONG = 64 << 20  # bytes


def put(length: int, *headers: bytes, path: bytes = b"/a") -> bytes:
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"PUT %s HTTP/1.1\r\n%sContent-Length: %d\r\n%s\r\n" % (path, HOST, length, lines)


class Digest:
    """A consumer that hashes, and can be told to rest."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()
        self.size = 0
        self.producer: Any = None

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def write(self, data: bytes) -> None:
        self.sha256.update(data)
        self.size += len(data)


class Verbs:
    """PUT hashes its body, POST refuses it, GET says hello, /big sends `LONG` bytes."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.ended: list[str] = []  # how each request ended
        self.waiting: list[Deferred[None]] = []
        self.arrived: Deferred[None] = Deferred()

    @deferred
    async def __call__(self, exchange: IExchange) -> None:
        if not self.arrived.called:
            self.arrived.callback(None)
        try:
            await self._answer(exchange)
        except BaseException as error:
            self.ended.append(type(error).__name__)
            raise
        self.ended.append("answered")

    async def _answer(self, exchange: IExchange) -> None:
        if exchange.method == b"PUT":
            if exchange.target == b"/late":
                await deferLater(self._reactor, 0.2)
            digest = Digest()
            await exchange.body.deliver_to(digest)
            exchange.reply(200, [], f"{digest.size} {digest.sha256.hexdigest()}".encode())
        elif exchange.method == b"POST":
            exchange.reply(403, [], b"no")
        elif exchange.target == b"/big":
            await self._big(exchange)
        elif exchange.target == b"/never":
            waiting: Deferred[None] = Deferred()
            self.waiting.append(waiting)
            await waiting
            exchange.reply(200, [], b"at last")
        else:
            exchange.reply(200, [], b"hello")

    async def _big(self, exchange: IExchange) -> None:
        exchange.start(200, [(b"Content-Length", b"%d" % LONG)])
        for _ in range(LONG >> 18):
            exchange.write(bytes(1 << 18))
            await exchange.drained()
        exchange.finish()


@pytest.fixture
def reactor() -> Any:
    from twisted.internet import reactor

    return reactor


@pytest.fixture
def verbs(reactor: Any) -> Verbs:
    return Verbs(reactor)


@pytest_twisted.async_yield_fixture(params=["tcp", "tls"])
async def server(request: Any, reactor: Any) -> AsyncIterator[Server]:
    made = Server(reactor, request.param == "tls")
    yield made
    await made.stop()


async def until(reactor: Any, true: Any) -> None:
    """Wait until something has happened."""
    for _ in range(500):
        if true():
            return
        await deferLater(reactor, 0.02)
    pytest.fail("it did not happen within 10 seconds")


def expected(data: bytes) -> bytes:
    return f"{len(data)} {hashlib.sha256(data).hexdigest()}".encode()


@pytest_twisted.ensureDeferred
async def test_bodies(server: Server, verbs: Verbs) -> None:
    """Bodies arrive whole, with a length or in chunks of odd sizes, on one connection."""
    server.start(verbs)

    def talk(client: Client) -> list[Answer]:
        known = client.ask(put(len(DATA)), DATA)
        client.send(b"PUT /late HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", HOST, b"\r\n")
        start, size = 0, 1
        while start < len(DATA):
            piece = DATA[start : start + size]
            client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            start, size = start + size, size * 7 % 99991 + 1
        return [known, client.ask(b"0\r\n\r\n"), client.ask(GET)]

    known, chunked, hello = await server.talk(talk)
    assert known[2] == chunked[2] == expected(DATA)
    assert hello[2] == b"hello"


@pytest_twisted.ensureDeferred
async def test_continue(server: Server, verbs: Verbs) -> None:
    """A client that waits for `100 Continue` gets it, sends, and gets its answer."""
    server.start(verbs)

    def talk(client: Client) -> tuple[Answer, Answer]:
        return client.ask(put(5, b"Expect: 100-Continue", path=b"/late")), client.ask(b"hello")

    first, final = await server.talk(talk)
    assert first[0] == 100
    assert (final[0], final[2]) == (200, expected(b"hello"))


@pytest_twisted.ensureDeferred
async def test_refused_instead_of_continue(server: Server, verbs: Verbs) -> None:
    """A refusal comes before the body is sent, and the connection closes promptly."""
    server.start(verbs)

    def talk(client: Client) -> tuple[Answer, bytes]:
        answer = client.ask(put(5, b"Expect: 100-continue").replace(b"PUT", b"POST"))
        return answer, client.rest()

    answer, rest = await server.talk(talk)
    assert (answer[0], answer[1]["connection"], rest) == (403, "close", b"")


@pytest_twisted.ensureDeferred
async def test_refused_while_sending(server: Server, verbs: Verbs) -> None:
    """A client that pushes 64 MiB into a refusal reads the refusal, not a reset."""
    server.start(verbs)

    def talk(client: Client) -> Answer:
        client.send(put(LONG).replace(b"PUT", b"POST"))
        try:
            for _ in range(LONG // len(DATA)):
                client.send(DATA)
        except OSError:
            pass  # the server closed; what matters is whether its answer is there
        return client.answer()

    for _ in range(5):
        answer = await server.talk(talk)
        assert (answer[0], answer[1]["connection"], answer[2]) == (403, "close", b"no")


@pytest_twisted.ensureDeferred
async def test_refused_small_body(server: Server, verbs: Verbs) -> None:
    """A small refused body is swallowed, never run, and the connection goes on."""
    server.start(verbs)
    inner = GET.replace(b"/hello", b"/never")

    def talk(client: Client) -> tuple[Answer, Answer]:
        refused = client.ask(put(len(inner)).replace(b"PUT", b"POST"))
        return refused, client.ask(inner, GET)

    refused, hello = await server.talk(talk)
    assert refused[0] == 403
    assert hello[2] == b"hello"
    assert not verbs.waiting


@pytest_twisted.ensureDeferred
async def test_pipelined(server: Server, verbs: Verbs) -> None:
    """Requests in one segment are answered in order."""
    server.start(verbs)

    def talk(client: Client) -> list[bytes]:
        client.send(put(3, path=b"/late"), b"abc", GET, put(4), b"abcd", put(0), GET)
        return [client.answer()[2] for _ in range(5)]

    answers = await server.talk(talk)
    assert answers == [expected(b"abc"), b"hello", expected(b"abcd"), expected(b""), b"hello"]


@pytest_twisted.ensureDeferred
async def test_disconnect_in_mid_body(server: Server, verbs: Verbs, reactor: Any) -> None:
    """A client that leaves in the middle of its body ends the handler with IncompleteBody."""
    server.start(verbs)
    await server.talk(lambda client: client.send(put(LONG), DATA))
    await until(reactor, lambda: verbs.ended)
    assert verbs.ended == ["IncompleteBody"]
    await until(reactor, lambda: not server.site.connections)


@pytest_twisted.ensureDeferred
async def test_disconnect_in_mid_answer(server: Server, verbs: Verbs, reactor: Any) -> None:
    """A client that leaves in the middle of its answer ends the handler."""
    server.start(verbs)

    def talk(client: Client) -> None:
        client.send(GET.replace(b"hello", b"big"))
        client.socket.recv(100_000)

    await server.talk(talk)
    await until(reactor, lambda: verbs.ended)
    assert verbs.ended == ["IncompleteBody"]


@pytest_twisted.ensureDeferred
async def test_disconnect_while_waiting(server: Server, verbs: Verbs, reactor: Any) -> None:
    """A client that leaves before its answer began cancels the handler."""
    server.start(verbs)
    await server.talk(lambda client: client.send(GET.replace(b"hello", b"never")))
    await until(reactor, lambda: verbs.ended)
    assert verbs.ended == ["CancelledError"]


@pytest_twisted.ensureDeferred
async def test_malformed_chunk(server: Server, verbs: Verbs) -> None:
    """A chunk that is none is answered with 400, and the connection closes."""
    server.start(verbs)

    def talk(client: Client) -> tuple[Answer, bytes]:
        client.send(b"PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", HOST, b"\r\n")
        return client.ask(b"5\r\nhello\r\nZZ\r\n", GET), client.rest()

    answer, rest = await server.talk(talk)
    assert (answer[0], rest) == (400, b"")
    assert answer[1]["x-amz-request-id"].encode() in answer[2]


@pytest_twisted.ensureDeferred
async def test_big_answer(server: Server, verbs: Verbs) -> None:
    """An answer of 64 MiB arrives whole, and the connection goes on."""
    server.start(verbs)

    def talk(client: Client) -> tuple[int, bytes]:
        body = client.ask(GET.replace(b"hello", b"big"))[2]
        return len(body), client.ask(GET)[2]

    assert await server.talk(talk) == (LONG, b"hello")


@pytest_twisted.ensureDeferred
async def test_reader_that_stops(server: Server, verbs: Verbs, reactor: Any) -> None:
    """A client that stops reading loses the connection after the patience, and sees that."""
    server.start(verbs, patience=1.0)
    stalled = threading.Event()

    def talk() -> int:
        client = server.client(small_window=True)
        client.send(GET.replace(b"hello", b"big"))
        stalled.wait(20)
        try:
            return len(client.rest())
        except OSError:
            return -1
        finally:
            client.close()

    talking = deferToThread(talk)
    await until(reactor, lambda: verbs.ended)
    stalled.set()
    assert await talking < LONG
    assert verbs.ended == ["IncompleteBody"]


@pytest_twisted.ensureDeferred
async def test_abort(server: Server) -> None:
    """An aborted answer is visibly short."""

    @deferred
    async def half(exchange: IExchange) -> None:
        exchange.start(200, [(b"Content-Length", b"1000000")])
        exchange.write(bytes(500_000))
        await exchange.drained()
        exchange.abort()

    server.start(half)

    def talk(client: Client) -> str:
        try:
            client.ask(GET)
        except OSError as error:
            return type(error).__name__
        return "whole"

    assert await server.talk(talk) != "whole"


@pytest_twisted.ensureDeferred
async def test_body_at_rest(server: Server, reactor: Any) -> None:
    """While a body rests the client's sending blocks, and this process holds one read of it."""
    digest = Digest()

    @deferred
    async def rest(exchange: IExchange) -> None:
        await exchange.body.deliver_to(digest)
        exchange.reply(200, [], f"{digest.size}".encode())

    server.start(rest)
    sent: list[int] = []

    def talk(client: Client) -> Answer:
        client.send(put(LONG))
        for _ in range(LONG >> 18):
            client.send(bytes(1 << 18))
            sent.append(1 << 18)
        return client.answer()

    talking = server.talk(talk)
    await until(reactor, lambda: digest.size > 1 << 20)
    digest.producer.pauseProducing()
    before, body = digest.size, digest.producer
    await deferLater(reactor, 0.5)
    assert digest.size == before
    assert sum(sent) < LONG  # the rest waits in the client and in the kernel
    assert body.received - before <= 256 << 10
    digest.producer.resumeProducing()
    assert (await talking)[2] == b"%d" % LONG


@pytest_twisted.ensureDeferred
async def test_http_1_0(server: Server, verbs: Verbs) -> None:
    """An HTTP/1.0 client without keep-alive gets its answer and the end."""
    server.start(verbs)

    def talk(client: Client) -> tuple[Answer, bytes]:
        return client.ask(b"GET /hello HTTP/1.0\r\n\r\n"), client.rest()

    answer, rest = await server.talk(talk)
    assert (answer[1]["connection"], answer[2], rest) == ("close", b"hello", b"")


@pytest_twisted.ensureDeferred
async def test_half_closed(verbs: Verbs, reactor: Any) -> None:
    """A plain client that closes its half (`nc -N`) gets the answer."""
    server = Server(reactor, False)
    server.start(verbs)

    def talk(client: Client) -> bytes:
        client.send(put(5, path=b"/late"), b"hello")
        client.socket.shutdown(socket.SHUT_WR)
        return client.rest()

    try:
        assert expected(b"hello") in await server.talk(talk)
    finally:
        await server.stop()


@pytest_twisted.ensureDeferred
async def test_reset_by_client(server: Server, verbs: Verbs, reactor: Any) -> None:
    """A client that resets the connection leaves nothing behind."""
    server.start(verbs)

    def talk(client: Client) -> None:
        client.send(put(LONG), DATA)
        linger = struct.pack("ii", 1, 0)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    await server.talk(talk)
    await until(reactor, lambda: not server.site.connections)
    assert verbs.ended == ["IncompleteBody"]


# -- stopping ---------------------------------------------------------------------------------
@pytest_twisted.ensureDeferred
async def test_stop_idle(server: Server, verbs: Verbs, reactor: Any) -> None:
    """With only idle connections a stop takes less than a second."""
    server.start(verbs)
    clients = [await deferToThread(server.client) for _ in range(3)]
    for client in clients[:2]:
        await deferToThread(client.ask, GET)
    began = reactor.seconds()
    await server.stop()
    assert reactor.seconds() - began < 1.0
    for client in clients:
        client.close()


@pytest_twisted.ensureDeferred
async def test_stop_lets_requests_finish(server: Server, verbs: Verbs, reactor: Any) -> None:
    """A request that runs is answered, and then the connection closes."""
    server.start(verbs)
    talking = server.talk(
        lambda client: (client.ask(GET.replace(b"hello", b"never")), client.rest())
    )
    await until(reactor, lambda: verbs.waiting)
    quiet = server.site.quiesce(10.0)
    await deferLater(reactor, 0.1)
    assert not quiet.called
    verbs.waiting[0].callback(None)
    answer, rest = await talking
    assert (answer[1]["connection"], answer[2], rest) == ("close", b"at last", b"")
    await quiet


@pytest_twisted.ensureDeferred
async def test_stop_aborts_in_the_end(server: Server, verbs: Verbs, reactor: Any) -> None:
    """A request that does not end in time is broken off."""
    server.start(verbs)

    def talk(client: Client) -> str:
        try:
            client.ask(GET.replace(b"hello", b"never"))
        except OSError:
            return "broken"
        return "answered"

    talking = server.talk(talk)
    await until(reactor, lambda: verbs.waiting)
    await server.site.quiesce(0.2)
    assert await talking == "broken"
    assert verbs.ended == ["CancelledError"]


@pytest_twisted.ensureDeferred
async def test_too_many_connections(server: Server, verbs: Verbs, reactor: Any) -> None:
    """A connection too many is told so; once others are gone there is room again."""
    server.start(verbs, max_connections=2)
    clients = [await deferToThread(server.client) for _ in range(2)]
    for client in clients:
        await deferToThread(client.ask, GET)
    answer, rest = await server.talk(lambda client: (client.ask(GET), client.rest()))
    assert (answer[0], answer[1]["retry-after"], rest) == (503, "1", b"")
    for client in clients:
        client.close()
    await until(reactor, lambda: not server.site.connections)
    assert (await server.talk(lambda client: client.ask(GET)))[0] == 200


# -- Klein ------------------------------------------------------------------------------------
class App:
    """Klein routes with streaming bodies."""

    app = Klein()

    def __init__(self, verbs: Verbs) -> None:
        self.verbs = verbs
        self.errors: list[str] = []

    @app.route("/hello")
    def hello(self, request: Any) -> bytes:
        return b"klein"

    @app.route("/body", methods=["PUT"])
    @deferred
    async def body(self, request: Any) -> bytes:
        digest = Digest()
        try:
            await request.body.deliver_to(digest)
        except IncompleteBody as error:
            self.errors.append(str(error))
            raise
        return f"{digest.size} {digest.sha256.hexdigest()}".encode()

    @app.route("/exchange/<path:rest>", methods=["PUT", "POST", "GET"])
    def exchange(self, request: Any, rest: str) -> Deferred[None]:
        return self.verbs(exchange_of(request))


@pytest_twisted.ensureDeferred
async def test_klein(server: Server, verbs: Verbs, reactor: Any) -> None:
    """Klein routes get bodies as they come, beside verbs that do not pass through Klein."""
    app = App(verbs)
    server.start(verbs, app.app.resource(), lambda exchange: exchange.target.startswith(b"/verb"))

    def talk(client: Client) -> list[Answer]:
        return [
            client.ask(GET),
            client.ask(GET.replace(b"/hello", b"/verb")),
            client.ask(put(len(DATA), path=b"/body"), DATA),
            client.ask(put(5, path=b"/exchange/a"), b"hello"),
            client.ask(put(len(GET), path=b"/exchange/a").replace(b"PUT", b"POST"), GET),
            client.ask(put(5, path=b"/nowhere"), b"hello"),
            client.ask(GET),
        ]

    answers = await server.talk(talk)
    assert [answer[0] for answer in answers] == [200, 200, 200, 200, 403, 404, 200]
    assert [answer[2] for answer in answers[:5]] == [
        b"klein",
        b"hello",
        expected(DATA),
        expected(b"hello"),
        b"no",
    ]
    ids = {answer[1]["x-amz-request-id"] for answer in answers}
    assert len(ids) == len(answers)
    await server.talk(lambda client: client.send(put(LONG, path=b"/body"), DATA))
    await until(reactor, lambda: app.errors)
    assert "of the body" in app.errors[0]


@pytest_twisted.ensureDeferred
async def test_many_at_once(server: Server, verbs: Verbs) -> None:
    """Uploads and downloads at the same time do not disturb each other."""
    server.start(verbs)

    def up(client: Client) -> bytes:
        return client.ask(put(len(DATA)), DATA)[2]

    def down(client: Client) -> bytes:
        return b"%d" % len(client.ask(GET.replace(b"hello", b"big"))[2])

    talks = [server.talk(one) for one in (up, down, up, down)]
    results = await DeferredList(talks, fireOnOneErrback=True)
    assert [result for _, result in results] == [expected(DATA), b"%d" % LONG] * 2


def test_small_answers_leave_at_once() -> None:
    """Nagle's algorithm is off: a small answer does not wait for an acknowledgement."""
    from twisted.internet.interfaces import ITCPTransport
    from twisted.internet.task import Clock
    from twisted.internet.testing import StringTransport
    from zope.interface import alsoProvides

    from godos.web.streaming import StreamingSite

    class Transport(StringTransport):
        no_delay = False

        def setTcpNoDelay(self, enabled: bool) -> None:
            self.no_delay = enabled

    transport = Transport()
    alsoProvides(transport, ITCPTransport)
    site = StreamingSite(lambda _: succeed(None), None, lambda *_: True, Clock())
    site.buildProtocol(None).makeConnection(transport)
    assert transport.no_delay
