"""A `StreamingSite` without network: bytes in, bytes out, time by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from godos.deferreds import deferred
from godos.web.exchange import IExchange
from godos.web.streaming import StreamingSite
from godos.web.streaming_channel import StreamingChannel

START = 1_700_000_000.0  # seconds since the epoch


class Transport(StringTransport):
    """
    A TCP transport whose client takes what it gets only when told so.

    While `stuck`, what is written stays here, and more than 256 KiB pause the producer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stuck = False
        self.unsent = 0
        self.bytes_sent = 0
        self.half_closed = False
        self.aborted = False

    def write(self, data: bytes) -> None:
        if self.half_closed or self.aborted:
            return
        super().write(data)
        self.unsent += len(data)
        if not self.stuck:
            self.take(self.unsent)
        elif self.unsent > 256 << 10 and self.producer is not None:
            self.producer.pauseProducing()

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def take(self, count: int) -> None:
        """The client takes that many bytes."""
        self.unsent -= count
        self.bytes_sent += count
        if not self.unsent and self.stuck and self.producer is not None:
            self.producer.resumeProducing()

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def abortConnection(self) -> None:
        self.aborted = True
        super().abortConnection()


@define
class Answer:
    """One answer as a client reads it."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name: str) -> str | None:
        found = [value for known, value in self.headers if known.lower() == name]
        assert len(found) < 2, f"{name} twice"
        return found[0] if found else None


def read_answers(stream: bytes, methods: str = "") -> list[Answer]:
    """All whole answers in `stream`, which must hold nothing else."""
    answers = []
    while stream:
        head, mark, stream = stream.partition(b"\r\n\r\n")
        assert mark, head
        first, *rest = head.decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.1 (\d{3}) [^\r\n]+", first)
        assert match, first
        headers = [tuple(line.split(": ", 1)) for line in rest]
        answer = Answer(int(match[1]), headers, b"")  # type: ignore[arg-type]
        bare = answer.status in (100, 204, 304) or methods[len(answers) :].startswith("H")
        length = 0 if bare else int(answer["content-length"] or 0)
        assert len(stream) >= length, "the answer is short"
        answer.body, stream = stream[:length], stream[length:]
        answers.append(answer)
    return answers


class Sink:
    """A consumer that remembers, and rests when told so."""

    def __init__(self, paused: bool = False) -> None:
        self.pieces: list[bytes] = []
        self.ended = False
        self.producer: Any = None
        self._paused = paused

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming
        self.producer = producer
        if self._paused:
            producer.pauseProducing()

    def unregisterProducer(self) -> None:
        self.ended = True

    def write(self, data: bytes) -> None:
        self.pieces.append(data)

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)


@define
class Wire:
    """One connection to a site whose verbs are `verbs`."""

    verbs: Callable[[IExchange], Deferred[None]]
    options: dict[str, Any] = field(factory=dict)
    resource: Any = None
    is_verb: Callable[[bytes, bytes], bool] = lambda target, method: True
    clock: Clock = field(factory=Clock)
    site: StreamingSite = field(init=False)
    transport: Transport = field(init=False)
    channel: StreamingChannel = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.clock.rightNow = START
        self.site = StreamingSite(
            self.verbs, self.resource, self.is_verb, self.clock, **self.options
        )
        self.connect()

    def connect(self) -> None:
        """Open a (further) connection."""
        self.transport = Transport()
        self.channel = self.site.buildProtocol(None)
        self.channel.makeConnection(self.transport)

    def send(self, data: bytes, piece: int | None = None) -> None:
        """The client sends; in pieces of at most `piece` bytes, if the server reads on."""
        step = piece or max(1, len(data))
        for start in range(0, len(data), step):
            if not self.transport.disconnecting:
                self.channel.dataReceived(data[start : start + step])

    def answers(self, methods: str = "") -> list[Answer]:
        """What was answered since the last call."""
        stream = self.transport.value()
        self.transport.clear()
        return read_answers(stream, methods)

    def answer(self, methods: str = "") -> Answer:
        """The only answer since the last call."""
        [answer] = self.answers(methods)
        return answer

    @property
    def reading(self) -> bool:
        """Whether the server takes what the client sends."""
        return self.transport.producerState == "producing"

    @property
    def closed(self) -> bool:
        """Whether the server closed, or closed its half and waits for the client."""
        return self.transport.disconnecting or self.transport.half_closed

    def drop(self, abort: bool = False) -> None:
        """The connection ends."""
        self.channel.connectionLost(Failure(ConnectionAborted() if abort else ConnectionDone()))


def request(
    line: str, *headers: str, body: bytes = b"", length: bool = True, version: str = "HTTP/1.1"
) -> bytes:
    """A request with a Host header, and Content-Length where there is a body."""
    lines = [f"{line} {version}", "Host: localhost", *headers]
    if body and length:
        lines.append(f"Content-Length: {len(body)}")
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n" + body


def hello(exchange: IExchange) -> Deferred[None]:
    """Answer every request with its method and target."""
    exchange.reply(200, [], exchange.method + b" " + exchange.target)
    return succeed(None)


@deferred
async def echo(exchange: IExchange) -> None:
    """Take the body, then answer with it."""
    sink = Sink()
    await exchange.body.deliver_to(sink)
    exchange.reply(200, [], sink.data)


def refuse(exchange: IExchange) -> Deferred[None]:
    """Answer 403 without looking at the body."""
    exchange.reply(403, [], b"no")
    return succeed(None)


def by_method(exchange: IExchange) -> Deferred[None]:
    """PUT takes the body, POST refuses it, everything else has none."""
    return {b"PUT": echo, b"POST": refuse}.get(exchange.method, hello)(exchange)


def chunked(*chunks: bytes) -> bytes:
    """A body in chunks."""
    return b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in (*chunks, b""))


def put(*chunks: bytes) -> bytes:
    """A PUT in chunks."""
    return request("PUT /a", "Transfer-Encoding: chunked") + chunked(*chunks)


class Held:
    """Verbs that answer nothing, and keep what they were asked."""

    def __init__(self) -> None:
        self.exchanges: list[IExchange] = []
        self.runs: list[Deferred[None]] = []
        self.cancelled = 0

    def __call__(self, exchange: IExchange) -> Deferred[None]:
        self.exchanges.append(exchange)
        run: Deferred[None] = Deferred(self._cancel)
        self.runs.append(run)
        return run

    def _cancel(self, _: Deferred[None]) -> None:
        self.cancelled += 1

    @property
    def last(self) -> Any:
        return self.exchanges[-1]
