"""What `request_parser` knows of twisted.web's inside: these fail when a release changes it."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from twisted.internet.defer import succeed
from twisted.protocols.basic import LineReceiver
from twisted.web.http import HTTPChannel
from twisted.web.server import Request

from godos.web.channel_exchange import ChannelExchange
from godos.web.streaming_channel import StreamingChannel
from tests.unit.web.streaming_wire import Held, Wire, chunked, hello, request

CALLED_ON_CHANNEL = [
    "lineReceived",
    "rawDataReceived",
    "headerReceived",
    "allHeadersReceived",
    "allContentReceived",
    "checkPersistence",
    "requestDone",
    "_send100Continue",
    "_respondToBadRequestAndDisconnect",
    "lineLengthExceeded",
]
CALLED_ON_REQUEST = ["parseCookies", "gotLength", "handleContentChunk", "requestReceived"]
TRAFFIC = (
    request("GET /a")
    + request("PUT /a", "Expect: 100-continue", body=b"hello")
    + request("PUT /a", "Transfer-Encoding: chunked")
    + chunked(b"x")
    + request("PUT /a", "Transfer-Encoding: chunked")
    + b"ZZ\r\n"
)


def drive() -> None:
    """Let a channel see all that it can, in a new connection where one was closed."""
    wire = Wire(lambda exchange: hello(exchange) if exchange.method == b"GET" else succeed(None))
    with patch.object(ChannelExchange, "_failed", lambda *_: None):
        wire.send(TRAFFIC.partition(b"PUT")[0])
        for part in TRAFFIC.split(b"PUT")[1:]:
            wire.connect()
            wire.send(b"PUT" + part)
        wire.connect()
        wire.send(b"GET " + b"a" * 20_000)


@pytest.mark.parametrize("name", CALLED_ON_CHANNEL)
def test_channel_method(name: str) -> None:
    """twisted.web has the method under this name, and calls it."""
    assert hasattr(HTTPChannel, name)
    called: list[str] = []
    original = getattr(StreamingChannel, name)

    def spy(self: StreamingChannel, *args: object) -> object:
        called.append(name)
        return original(self, *args)

    def wanted(exchange: ChannelExchange, verbs: object) -> None:
        if exchange.method == b"PUT":
            exchange.body.collect(99).addBoth(lambda _: exchange.reply(200, []))
        else:
            exchange.reply(200, [])

    with patch.object(StreamingChannel, name, spy), patch.object(ChannelExchange, "run", wanted):
        drive()
    assert called


@pytest.mark.parametrize("name", CALLED_ON_REQUEST)
def test_request_method(name: str) -> None:
    """A channel calls this on its request."""
    assert hasattr(Request, name)
    called: list[str] = []
    original = getattr(ChannelExchange, name)

    def spy(self: ChannelExchange, *args: object) -> object:
        called.append(name)
        return original(self, *args)

    with patch.object(ChannelExchange, name, spy):
        drive()
    assert called


def test_attributes() -> None:
    """A channel keeps its state where we look for it."""
    held = Held()
    wire = Wire(held)
    channel = wire.channel
    assert channel.requests == []
    assert channel.line_mode
    wire.send(request("PUT /a", "Content-Length: 5"))
    assert channel.requests == held.exchanges
    assert channel.length == 5
    assert channel.persistent
    assert not channel.line_mode
    channel = HTTPChannel()
    for name in ("MAX_LENGTH", "totalHeadersSize", "maxHeaders", "requestFactory", "timeOut"):
        assert hasattr(channel, name)
    assert hasattr(LineReceiver, "clearLineBuffer")


def test_lost() -> None:
    """A channel tells its requests when the connection is lost."""
    held = Held()
    wire = Wire(held)
    wire.send(request("GET /a"))
    with patch.object(ChannelExchange, "connectionLost") as lost:
        HTTPChannel.connectionLost(wire.channel, None)
    assert lost.called


def test_next_request_is_parsed_by_request_done() -> None:
    """`requestDone` of the base class goes on with what was sent meanwhile."""
    held = Held()
    wire = Wire(held)
    wire.send(request("GET /a") + request("GET /b"))
    HTTPChannel.requestDone(wire.channel, held.last)
    assert held.last.target == b"/b"
