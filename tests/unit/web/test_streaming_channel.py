"""Requests and bodies on one connection: who is asked for what, and what follows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from godos.deferreds import deferred
from godos.model.errors import EntityTooLarge
from godos.web.exchange import IExchange
from tests.unit.web.streaming_wire import (
    Held,
    Sink,
    Wire,
    by_method,
    chunked,
    echo,
    put,
    refuse,
    request,
)

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EXPECT = "Expect: 100-continue"
INNER = request("GET /smuggled")


class BodyTests(SynchronousTestCase):
    """Requests that bring a body."""

    def test_content_length(self) -> None:
        """A body of known length reaches the handler."""
        wire = Wire(echo)
        wire.send(request("PUT /a", body=b"hello"))
        self.assertEqual(b"hello", wire.answer().body)
        self.assertFalse(wire.closed)

    def test_chunked(self) -> None:
        """A chunked body does too, and the connection goes on."""
        wire = Wire(echo)
        wire.send(put(b"h", b"ello " * 99, b"world") * 2, piece=7)
        self.assertEqual([b"h" + b"ello " * 99 + b"world"] * 2, [a.body for a in wire.answers()])

    def test_starts_with_the_headers(self) -> None:
        """The handler runs before the body is there, and can know its length."""
        held = Held()
        wire = Wire(held)
        wire.send(request("PUT /a", "Content-Length: 5"))
        self.assertEqual(5, held.last.body.length)
        wire = Wire(held)
        wire.send(request("PUT /a", "Transfer-Encoding: chunked"))
        self.assertIsNone(held.last.body.length)
        wire = Wire(held)
        wire.send(request("GET /a"))
        self.assertEqual(0, held.last.body.length)

    def test_not_read_before_wanted(self) -> None:
        """Until the handler asks for the body the connection is not read."""
        held = Held()
        wire = Wire(held)
        wire.send(request("PUT /a", "Content-Length: 5"))
        self.assertFalse(wire.reading)
        sink = Sink()
        held.last.body.deliver_to(sink)
        self.assertTrue(wire.reading)
        wire.send(b"hel")
        sink.producer.pauseProducing()
        self.assertFalse(wire.reading)
        sink.producer.resumeProducing()
        self.assertTrue(wire.reading)
        wire.send(b"lo")
        self.assertEqual(b"hello", sink.data)

    def test_write_side_does_not_undo_a_pause(self) -> None:
        """When the client has taken an answer, a resting body still rests."""
        held = Held()
        wire = Wire(held)
        wire.send(request("PUT /a", "Content-Length: 5"))
        wire.transport.stuck = True
        held.last.start(200, [(b"Content-Length", b"300000")])
        held.last.write(b"x" * 300_000)
        wire.transport.take(wire.transport.unsent)
        self.assertFalse(wire.reading)

    def test_reads_on_after_the_body(self) -> None:
        """After the last byte the connection is read again, to notice when the client leaves."""
        held = Held()
        wire = Wire(held)
        wire.send(request("PUT /a", "Content-Length: 5") + b"hello")
        self.assertTrue(wire.reading)
        wire.drop()
        self.assertEqual(1, held.cancelled)

    def test_paused_body_holds_one_read(self) -> None:
        """What a resting body keeps is bounded by one read of the connection, 256 KiB."""
        held = Held()
        wire = Wire(held)
        wire.send(request("PUT /a", "Content-Length: 100000000"))
        sink = Sink()
        body = held.last.body
        body.deliver_to(sink)
        read = bytes(256 << 10)
        while wire.reading:
            wire.send(read)
            if len(sink.data) == 4 * len(read):
                sink.producer.pauseProducing()
                wire.send(read)  # was on its way
        self.assertLessEqual(body.received - len(sink.data), len(read))

    def test_requests_ahead_are_bounded(self) -> None:
        """While a request runs not much more than 16 KiB of what follows it is read."""
        for stuck in (False, True):
            held = Held()
            wire = Wire(held)
            wire.transport.stuck = stuck
            wire.send(request("GET /a"))
            held.last.start(200, [(b"Content-Length", b"300000")])
            held.last.write(b"x" * 300_000)
            sent = 0
            while wire.reading:
                wire.send(b"x" * 1000)
                sent += 1000
                self.assertLess(sent, 20_000)

    def test_collect_over_limit(self) -> None:
        """A handler learns that a body is too large, and can say so."""

        @deferred
        async def small(exchange: IExchange) -> None:
            try:
                await exchange.body.collect(4)
            except EntityTooLarge:
                exchange.reply(400, [], b"too large")

        for sent in (request("PUT /a", body=b"hello"), put(b"hel", b"lo")):
            wire = Wire(small)
            wire.send(sent)
            self.assertEqual(b"too large", wire.answer().body)

    def test_pipelined(self) -> None:
        """Requests sent without waiting are answered one by one and in order."""
        wire = Wire(by_method)
        wire.send(
            request("PUT /1", body=b"abc")
            + request("PUT /2", body=b"abcd")
            + request("GET /3")
            + put(b"ab", b"cde")
            + request("PUT /5", "Content-Length: 0")
            + request("GET /6")
        )
        bodies = [answer.body for answer in wire.answers()]
        self.assertEqual([b"abc", b"abcd", b"GET /3", b"abcde", b"", b"GET /6"], bodies)

    def test_pipelined_waits(self) -> None:
        """The next request does not run before the one before it was answered."""
        held = Held()
        wire = Wire(held)
        wire.send(request("GET /1") + request("PUT /2", body=b"hello") + request("GET /3"))
        self.assertEqual([b"/1"], [one.target for one in held.exchanges])
        held.last.reply(200, [])
        self.assertEqual(b"/2", held.last.target)
        held.last.reply(200, [])
        self.assertEqual(b"/3", held.last.target)


class ContinueTests(SynchronousTestCase):
    """`Expect: 100-continue`."""

    def test_only_when_wanted(self) -> None:
        """The client is told to go on when the handler wants the body, in any letter case."""
        for expect in (EXPECT, "expect: 100-CONTINUE", "EXPECT: 100-Continue"):
            held = Held()
            wire = Wire(held)
            wire.send(request("PUT /a", expect, "Content-Length: 5"))
            self.assertEqual(b"", wire.transport.value())
            body = held.last.body.collect(5)
            self.assertEqual(CONTINUE, wire.transport.value())
            wire.transport.clear()
            wire.send(b"hello")
            self.assertEqual([b"hello"], self.successResultOf(body))
            held.last.reply(200, [])
            self.assertEqual(200, wire.answer().status)
            self.assertFalse(wire.closed)

    def test_once(self) -> None:
        """A consumer that rests and goes on does not repeat it."""
        held = Held()
        wire = Wire(held)
        wire.send(request("PUT /a", EXPECT, "Content-Length: 5"))
        sink = Sink()
        held.last.body.deliver_to(sink)
        sink.producer.pauseProducing()
        sink.producer.resumeProducing()
        self.assertEqual(CONTINUE, wire.transport.value())

    def test_nothing_to_wait_for(self) -> None:
        """It comes before the answer where a body is empty, or was sent without waiting."""
        for body in (b"", b"hello"):
            held = Held()
            wire = Wire(held)
            wire.send(request("PUT /a", EXPECT, f"Content-Length: {len(body)}") + body)
            self.assertEqual(b"", wire.transport.value())
            held.last.reply(200, [])
            self.assertTrue(wire.transport.value().startswith(CONTINUE + b"HTTP/1.1 200 "))
            self.assertEqual(2, wire.transport.value().count(b"HTTP/1.1"))
            self.assertFalse(wire.closed)

    def test_refused(self) -> None:
        """A refusal comes instead of it and ends the connection: the body may not come."""
        wire = Wire(refuse)
        wire.send(request("PUT /a", EXPECT, "Content-Length: 5"))
        answer = wire.answer()
        self.assertEqual(403, answer.status)
        self.assertEqual("close", answer["connection"])
        self.assertTrue(wire.closed)
        wire.send(INNER)
        self.assertEqual([], wire.answers())

    def test_announced_too_large(self) -> None:
        """`collect` refuses by the announced length, before the client sends a byte."""
        held = Held()
        wire = Wire(held)
        wire.send(request("PUT /a", EXPECT, "Content-Length: 5"))
        self.failureResultOf(held.last.body.collect(4), EntityTooLarge)
        self.assertEqual(b"", wire.transport.value())

    def test_not_for_http_1_0(self) -> None:
        """An HTTP/1.0 client would take it for the answer."""
        wire = Wire(echo)
        wire.send(request("PUT /a", EXPECT, body=b"hello", version="HTTP/1.0"))
        self.assertEqual(b"hello", wire.answer().body)


class EarlyAnswerTests(SynchronousTestCase):
    """Answers that come before the body has."""

    def test_small_body_is_drained(self) -> None:
        """The rest of a small body is swallowed: it is never read as a request."""
        for piece in (None, 1, 40):
            wire = Wire(by_method)
            wire.send(request("POST /a", body=INNER) + request("GET /b"), piece)
            first, second = wire.answers()
            self.assertEqual((403, None), (first.status, first["connection"]))
            self.assertEqual(b"GET /b", second.body)

    def test_drained_after_a_wait(self) -> None:
        """That holds when the refusal comes first and the body later."""
        held = Held()
        wire = Wire(held)
        wire.send(request("POST /a", f"Content-Length: {len(INNER)}"))
        held.last.reply(403, [])
        self.assertTrue(wire.reading)
        wire.send(INNER)
        wire.send(request("GET /b"))
        self.assertEqual([b"/a", b"/b"], [one.target for one in held.exchanges])

    def test_large_body(self) -> None:
        """Of a large body the client need not send the rest: it sees the answer and the end."""
        wire = Wire(refuse)
        wire.send(request("PUT /a", "Content-Length: 67108864") + INNER * 99)
        answer = wire.answer()
        self.assertEqual((403, "close"), (answer.status, answer["connection"]))
        self.assertTrue(wire.transport.half_closed)
        self.assertTrue(wire.reading)
        for _ in range(9):
            wire.send(INNER * 1000)
        self.assertEqual([], wire.answers())
        wire.clock.pump([1.0] * 7)
        self.assertTrue(wire.transport.aborted)

    def test_chunked_body(self) -> None:
        """A chunked body has no known end: it is not waited for either."""
        wire = Wire(refuse)
        wire.send(put(INNER) + INNER)
        self.assertEqual("close", wire.answer()["connection"])
        self.assertTrue(wire.transport.half_closed)

    def test_large_body_of_a_slow_client(self) -> None:
        """A client that goes on sending is not cut off while it still reads nothing."""
        wire = Wire(refuse)
        wire.send(request("PUT /a", "Content-Length: 67108864"))
        for _ in range(20):
            wire.clock.advance(1.0)
            wire.send(b"x" * 1000)
        self.assertFalse(wire.transport.aborted)
        for _ in range(12):
            wire.clock.advance(1.0)
            wire.send(b"x" * 1000)
        self.assertTrue(wire.transport.aborted)

    def test_client_closes_after_refusal(self) -> None:
        """When the client has seen the end and closes, the connection is gone at once."""
        wire = Wire(refuse)
        wire.send(request("PUT /a", "Content-Length: 67108864"))
        wire.channel.readConnectionLost()
        self.assertTrue(wire.transport.disconnecting)

    def test_answer_while_the_body_is_read(self) -> None:
        """An answer may begin before the body's end; both go on."""
        held = Held()
        wire = Wire(held)
        wire.send(request("PUT /a", "Transfer-Encoding: chunked"))
        sink = Sink()
        held.last.body.deliver_to(sink)
        held.last.start(200, [(b"Content-Length", b"2")])
        held.last.write(b"ok")
        wire.send(chunked(b"hello"))
        self.assertEqual(b"hello", sink.data)
        held.last.finish()
        answer = wire.answer()
        self.assertEqual((b"ok", None), (answer.body, answer["connection"]))
        wire.send(request("GET /b"))
        self.assertEqual(b"/b", held.last.target)


BODIES = st.lists(
    st.tuples(st.sampled_from(["PUT", "POST", "CHUNKED", "GET"]), st.binary(max_size=300)),
    max_size=5,
)


@given(BODIES, st.integers(1, 700))
def test_however_it_is_cut(requests: list[tuple[str, bytes]], piece: int) -> None:
    """Requests mean the same wherever the network cuts them, and each is answered once."""
    sent, expected = b"", []
    for method, body in requests:
        if method == "CHUNKED":
            sent += put(body[:9], body[9:]) if body[9:] and body[:9] else put(body or b"-")
            expected.append((200, body or b"-"))
        elif method == "GET":
            sent += request("GET /x")
            expected.append((200, b"GET /x"))
        else:
            sent += request(f"{method} /x", f"Content-Length: {len(body)}", length=False)
            sent += body
            expected.append((200, body) if method == "PUT" else (403, b"no"))
    wire = Wire(by_method)
    wire.send(sent, piece)
    assert [(answer.status, answer.body) for answer in wire.answers()] == expected
    assert not wire.closed
