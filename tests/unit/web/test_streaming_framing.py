"""Requests that cannot be read, or could be read in two ways."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from godos.web.framing import Refusal, read_request_line
from tests.unit.web.streaming_wire import Held, Wire, hello, request

INNER = request("GET /smuggled")
CHUNKED = "Transfer-Encoding: chunked"

REFUSED = {
    "a length and chunks": (400, request("PUT /a", CHUNKED, "Content-Length: 5")),
    "chunks and a length": (400, request("PUT /a", "Content-Length: 5", CHUNKED)),
    "two lengths that differ": (400, request("PUT /a", "Content-Length: 5", "Content-Length: 6")),
    "two lengths that agree": (400, request("PUT /a", "Content-Length: 5", "Content-Length: 5")),
    "lengths in a list": (400, request("PUT /a", "Content-Length: 5, 5")),
    "a negative length": (400, request("PUT /a", "Content-Length: -5")),
    "a length with a sign": (400, request("PUT /a", "Content-Length: +5")),
    "a length in hexadecimal": (400, request("PUT /a", "Content-Length: 0x5")),
    "an empty length": (400, request("PUT /a", "Content-Length: ")),
    "a length of 5000 digits": (400, request("PUT /a", "Content-Length: " + "9" * 5000)),
    "two kinds of chunks": (400, request("PUT /a", CHUNKED, CHUNKED)),
    "chunks and the identity": (400, request("PUT /a", CHUNKED, "Transfer-Encoding: identity")),
    "the identity and chunks": (400, request("PUT /a", "Transfer-Encoding: identity", CHUNKED)),
    "a length on a second line": (400, request("PUT /a", "Content-Length:\r\n 5")),
    "a header on a second line": (400, request("GET /", "X: a\r\n\tContent-Length: 5")),
    "a first header that is indented": (400, b"GET / HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n"),
    "chunks within gzip": (400, request("PUT /a", "Transfer-Encoding: gzip, chunked")),
    "an unknown coding": (400, request("PUT /a", "Transfer-Encoding: xchunked")),
    "the identity coding": (
        501,
        request("PUT /a", "Transfer-Encoding: identity", "Content-Length: 5"),
    ),
    "chunks in HTTP/1.0": (400, request("PUT /a", CHUNKED, version="HTTP/1.0")),
    "no Host": (400, b"GET / HTTP/1.1\r\n\r\n"),
    "two Hosts": (400, request("GET /", "Host: other")),
    "a space before the colon": (400, request("GET /", "Content-Length : 5")),
    "a header without colon": (400, request("GET /", "nonsense")),
    "a bare LF in a header": (400, request("GET /", "X: a\nContent-Length: 5")),
    "a bare CR in a header": (400, request("GET /", "X: a\rContent-Length: 5")),
    "a NUL in a header": (400, request("GET /", "X: a\0b")),
    "no version": (400, b"GET /\r\nHost: localhost\r\n\r\n"),
    "an unknown version": (400, request("GET /", version="HTTP/3.0")),
    "HTTP/2 by surprise": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "words too many": (400, request("GET / or so")),
    "no method": (400, request(" /")),
    "a strange method": (400, request("G(T /")),
    "a relative target": (400, request("GET index.html")),
    "a target for a proxy": (400, request("CONNECT example.org:80")),
    "an asterisk": (400, request("GET *")),
    "a tab in the target": (400, request("GET /a\tb")),
    "a control character in the target": (400, request("GET /a\x01b")),
    "TLS on a plain port": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    "only line breaks": (400, b"\r\n" * 9),
    "a long target": (414, request("GET /" + "a" * 20_000)),
    "a long target without end": (414, b"GET /" + b"a" * 20_000),
    "a long header": (431, request("GET /", "X: " + "a" * 20_000)),
    "a long header without end": (431, b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000),
    "many headers": (431, request("GET /", *["X: y"] * 300)),
    "headers that are long together": (431, request("GET /", *["X: " + "y" * 100] * 180)),
}


@pytest.mark.parametrize("piece", [None, 1, 1000])
@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, piece: int | None) -> None:
    """The client is told why, with a request id; what follows is never read as a request."""
    status, sent = REFUSED[name]
    held = Held()
    wire = Wire(held)
    wire.send(sent + INNER * 3, piece)
    answer = wire.answer()
    assert (answer.status, answer["connection"]) == (status, "close")
    request_id = answer["x-amz-request-id"]
    assert request_id
    assert request_id.encode() in answer.body
    assert wire.closed
    assert not held.exchanges
    wire.send(INNER)
    assert not held.exchanges
    wire.drop()


class TargetTests(SynchronousTestCase):
    """Request targets reach the handler as they were sent."""

    def target(self, line: str, *headers: str) -> tuple[bytes, bytes | None]:
        held = Held()
        wire = Wire(held)
        wire.send(request(line, *headers))
        self.assertEqual(b"", wire.transport.value())
        return held.last.target, held.last.header(b"host")

    def test_raw(self) -> None:
        """Nothing is decoded, merged or resolved."""
        for raw in ("/a//b/../c/", "/a%2Fb%00?x=%zz&y", "/%ff", "//", "/;x#y"):
            self.assertEqual((raw.encode(), b"localhost"), self.target(f"GET {raw}"))

    def test_bytes_above_127(self) -> None:
        """Clients that send UTF-8 as it is, or Latin-1, are understood as well."""
        self.assertEqual("/sch\xf6n".encode("latin-1"), self.target("GET /sch\xf6n")[0])
        raw = "/schön/日本".encode()
        self.assertEqual(raw, self.target("GET " + raw.decode("latin-1"))[0])

    def test_absolute(self) -> None:
        """The form that proxies send is reduced; its host replaces the header's."""
        for line, target in (
            ("GET http://example.org/a/b?c", b"/a/b?c"),
            ("GET HTTPS://example.org", b"/"),
            ("GET http://example.org?c", b"/?c"),
            ("GET http://example.org/a//http://b/", b"/a//http://b/"),
        ):
            self.assertEqual((target, b"example.org"), self.target(line))

    def test_asterisk(self) -> None:
        """OPTIONS may ask for the whole server."""
        self.assertEqual(b"*", self.target("OPTIONS *")[0])


class HeaderTests(SynchronousTestCase):
    """Request headers reach the handler."""

    def test_order_and_case(self) -> None:
        """They come in order, with names in lower case; those of one name can be had joined."""
        held = Held()
        wire = Wire(held)
        wire.send(request("GET /", "X-B: 1", "x-a:  2\t", "X-B: \xe4", "X-C:"))
        expected = [(b"x-b", b"1"), (b"x-a", b"2"), (b"x-b", b"\xe4"), (b"x-c", b"")]
        self.assertEqual([(b"host", b"localhost"), *expected], list(held.last.headers()))
        self.assertEqual(b"1, \xe4", held.last.header(b"x-b"))
        self.assertEqual(b"", held.last.header(b"x-c"))
        self.assertIsNone(held.last.header(b"x-d"))

    def test_blank_line_before(self) -> None:
        """One line break too many after a request is forgiven."""
        wire = Wire(hello)
        wire.send(request("GET /a") + b"\r\n" + request("GET /b"))
        self.assertEqual([b"GET /a", b"GET /b"], [answer.body for answer in wire.answers()])

    def test_connection_close(self) -> None:
        """A client may say that a request is its last, alone or in a list."""
        for value in ("close", "Close", "keep-alive, CLOSE", "foo,close"):
            wire = Wire(hello)
            wire.send(request("GET /a", f"Connection: {value}") + INNER)
            self.assertEqual("close", wire.answer()["connection"])
            self.assertTrue(wire.closed)
        wire = Wire(hello)
        wire.send(request("GET /a", "Connection: keep-alive, disclosed"))
        self.assertIsNone(wire.answer()["connection"])
        self.assertFalse(wire.closed)

    def test_http_1_0(self) -> None:
        """HTTP/1.0 connections serve one request each, and need no Host."""
        wire = Wire(hello)
        wire.send(b"GET /a HTTP/1.0\r\n\r\n")
        self.assertEqual(("close", b"GET /a"), ((a := wire.answer())["connection"], a.body))
        self.assertTrue(wire.closed)

    def test_largest_head(self) -> None:
        """Limits are the site's, and what is within them is served, request after request."""
        wire = Wire(hello, {"max_header": 300, "max_headers": 10})
        for _ in range(3):
            wire.send(request("GET /a", *["X: y"] * 9))
            wire.send(request("GET /a", "X: " + "y" * 240))
        self.assertEqual([200] * 6, [answer.status for answer in wire.answers()])
        wire.send(request("GET /a", "X: " + "y" * 280))
        self.assertEqual(431, wire.answer().status)


@given(st.binary(max_size=400), st.integers(1, 100))
def test_garbage(data: bytes, piece: int) -> None:
    """Whatever is sent, it is answered in HTTP or not at all, and nothing breaks."""
    wire = Wire(hello)
    wire.send(data, piece)
    for answer in wire.answers():
        assert answer["x-amz-request-id"]
    wire.drop()


@given(st.binary())
def test_request_lines(line: bytes) -> None:
    """A request line is read as it is, or refused."""
    try:
        method, target, version, authority = read_request_line(line)
    except Refusal:
        return
    assert authority is not None or b" ".join((method, target, version)) == line
    assert re.match(rb"[/*]", target)
