"""Clients that stop sending, and clients that stop taking."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from godos.model.errors import BodyStalled, IncompleteBody
from tests.unit.web.streaming_wire import Held, Sink, Wire, echo, hello, request


class StallTests(SynchronousTestCase):
    """Clients that stop sending."""

    def setUp(self) -> None:
        self.held = Held()
        self.wire = Wire(self.held, {"patience": 10.0})

    def seconds(self, count: int) -> None:
        self.wire.clock.pump([1.0] * count)

    def test_body_that_does_not_come(self) -> None:
        """A wanted body fails when nothing comes for the site's patience; then 400 is seen."""
        self.wire.send(request("PUT /a", "Content-Length: 100"))
        body = self.held.last.body.collect(100)
        self.seconds(9)
        self.wire.send(b"x")
        self.seconds(9)
        self.assertNoResult(body)
        self.seconds(2)
        self.failureResultOf(body, BodyStalled)
        self.held.last.reply(400, [])
        self.assertEqual("close", self.wire.answer()["connection"])
        self.assertTrue(self.wire.closed)

    def test_not_while_it_rests(self) -> None:
        """While we do not read it the client may take any time."""
        self.wire.send(request("PUT /a", "Content-Length: 100"))
        self.seconds(100)
        sink = Sink()
        body = self.held.last.body.deliver_to(sink)
        self.wire.send(b"x" * 50)
        sink.producer.pauseProducing()
        self.seconds(100)
        self.assertNoResult(body)
        sink.producer.resumeProducing()
        self.seconds(9)
        self.wire.send(b"x" * 50)
        self.successResultOf(body)
        self.seconds(100)
        self.held.last.reply(200, [])
        self.assertEqual(200, self.wire.answer().status)

    def test_stalled_and_never_answered(self) -> None:
        """A handler that does not react to it loses the connection."""
        self.wire.send(request("PUT /a", "Content-Length: 100"))
        self.held.last.body.collect(100).addErrback(lambda _: None)
        self.seconds(22)
        self.assertTrue(self.wire.transport.aborted)

    def test_error_answer(self) -> None:
        """A handler that lets the error escape answers 400, and nothing is logged as a bug."""
        wire = Wire(echo, {"patience": 10.0})
        wire.send(request("PUT /a", "Content-Length: 100"))
        wire.clock.pump([1.0] * 12)
        answer = wire.answer()
        self.assertEqual(400, answer.status)
        self.assertIn(b"RequestTimeout", answer.body)

    def test_headers(self) -> None:
        """Headers that dribble in get the patience once, not once for each byte."""
        for byte in b"GET / HTTP/1.1\r\nHost":
            self.wire.send(bytes([byte]))
            self.seconds(1)
        answer = self.wire.answer()
        self.assertEqual((408, "close"), (answer.status, answer["connection"]))
        self.assertTrue(answer["x-amz-request-id"])

    def test_idle(self) -> None:
        """A connection without request is closed; each request gives it new patience."""
        self.seconds(9)
        self.wire.send(request("GET /a"))
        self.seconds(100)
        self.held.last.reply(200, [])
        self.seconds(9)
        self.assertFalse(self.wire.closed)
        self.seconds(2)
        self.assertTrue(self.wire.closed)
        self.assertEqual(1, len(self.wire.answers()))

    def test_drained_body_that_does_not_come(self) -> None:
        """After a refusal the rest of the body is not waited for without end."""
        self.wire.send(request("POST /a", "Content-Length: 100"))
        self.held.last.reply(403, [])
        self.seconds(12)
        self.assertTrue(self.wire.closed)

    def test_close_that_does_not_come(self) -> None:
        """A client that does not close its side is cut off."""
        self.wire.send(request("GET /a", "Connection: close"))
        self.held.last.reply(200, [])
        self.assertTrue(self.wire.closed)
        self.seconds(20)
        self.assertTrue(self.wire.transport.aborted)


class SlowReaderTests(SynchronousTestCase):
    """Clients that stop taking their answer."""

    def setUp(self) -> None:
        self.held = Held()
        self.wire = Wire(self.held, {"patience": 10.0})
        self.wire.send(request("GET /a"))
        self.wire.transport.stuck = True
        self.held.last.start(200, [(b"Content-Length", b"100000000")])

    def fill(self) -> Deferred[None]:
        """Write until `drained` says to wait."""
        while True:
            self.held.last.write(b"x" * 65536)
            waiting: Deferred[None] = self.held.last.drained()
            if not waiting.called:
                return waiting

    def test_bounded(self) -> None:
        """Who waits for `drained` never has much more than a MiB on the way."""
        self.fill()
        self.assertLessEqual(self.wire.transport.unsent, (1 << 20) + 131072)
        self.assertGreater(self.wire.transport.unsent, 256 << 10)

    def test_goes_on(self) -> None:
        """When the client takes it, the handler goes on."""
        waiting = self.fill()
        self.wire.transport.take(self.wire.transport.unsent)
        self.successResultOf(waiting)
        self.assertNoResult(self.fill())

    def test_takes_nothing(self) -> None:
        """After the patience `drained` fails, and the connection is broken."""
        waiting = self.fill()
        waiting.addErrback(lambda failure: failure)
        self.wire.clock.pump([1.0] * 9)
        self.assertNoResult(waiting)
        self.wire.clock.pump([1.0] * 3)
        self.assertTrue(self.wire.transport.aborted)
        self.wire.drop(abort=True)
        self.assertIn("took nothing", str(self.failureResultOf(waiting, IncompleteBody).value))

    def test_takes_little(self) -> None:
        """A slow client keeps its connection."""
        waiting = self.fill()
        for _ in range(20):
            self.wire.transport.take(100)
            self.wire.clock.pump([1.0] * 9)
        self.assertNoResult(waiting)
        self.assertFalse(self.wire.transport.aborted)

    def test_cancel(self) -> None:
        """Waiting can be cancelled, and asked for again."""
        waiting = self.fill()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        again: Deferred[None] = self.held.last.drained()
        self.wire.transport.take(self.wire.transport.unsent)
        self.successResultOf(again)

    def test_end_of_an_answer(self) -> None:
        """The end of an answer that is not taken closes the connection as well."""
        wire = Wire(hello, {"patience": 10.0})
        wire.transport.stuck = True
        wire.send(request("GET /a"))
        wire.clock.pump([1.0] * 60)
        self.assertTrue(wire.transport.aborted)

    def test_close_is_not_held_up(self) -> None:
        """A transport that is to close is not left with a producer, or it never would."""
        wire = Wire(hello)
        wire.send(request("GET /a", "Connection: close"))
        self.assertIsNone(wire.transport.producer)

    def test_slow_end_of_an_answer(self) -> None:
        """One that is taken slowly does not."""
        wire = Wire(hello, {"patience": 10.0})
        wire.transport.stuck = True
        wire.send(request("GET /" + "a" * 300))
        for _ in range(200):
            wire.transport.take(1)
            wire.clock.advance(1.0)
        self.assertFalse(wire.transport.aborted)

    def test_pipelined_answers_do_not_pile_up(self) -> None:
        """Who sends many requests and takes no answer gets no more of them run."""
        ran: list[bytes] = []

        def large(exchange: Any) -> Deferred[None]:
            ran.append(exchange.target)
            exchange.reply(200, [], b"x" * 300_000)
            return succeed(None)

        wire = Wire(large)
        wire.transport.stuck = True
        wire.send(b"".join(request(f"GET /{n}") for n in range(100)))
        self.assertEqual([b"/0"], ran)
        while wire.transport.unsent:
            wire.transport.take(wire.transport.unsent)
        self.assertEqual(100, len(ran))
        self.assertEqual(100, len(wire.answers()))
