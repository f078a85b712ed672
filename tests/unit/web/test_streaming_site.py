"""All connections together: how many, and how they end."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.web.streaming_wire import Held, Wire, hello, request


class QuiesceTests(SynchronousTestCase):
    """A graceful stop."""

    def setUp(self) -> None:
        self.held = Held()
        self.wire = Wire(self.held)

    def quiesce(self, timeout: float = 10.0) -> Deferred[None]:
        return self.wire.site.quiesce(timeout)

    def test_nothing_open(self) -> None:
        """Without connections it is done at once."""
        self.wire.drop()
        self.successResultOf(self.quiesce())
        self.assertEqual([], self.wire.clock.getDelayedCalls())

    def test_no_new_connections(self) -> None:
        """Who comes now is turned away."""
        self.quiesce()
        self.assertIsNone(self.wire.site.buildProtocol(None))

    def test_idle(self) -> None:
        """Connections between requests close at once."""
        self.wire.send(request("GET /a"))
        self.held.last.reply(200, [])
        quiet = self.quiesce()
        self.assertTrue(self.wire.transport.disconnecting)
        self.assertNoResult(quiet)
        self.wire.drop()
        self.successResultOf(quiet)
        self.assertEqual([], self.wire.clock.getDelayedCalls())

    def test_idle_but_clinging(self) -> None:
        """One whose client does not close its side is cut within a second."""
        self.quiesce()
        self.wire.clock.advance(0.6)
        self.assertTrue(self.wire.transport.aborted)

    def test_in_mid_head(self) -> None:
        """A request that is not here yet is not waited for."""
        self.wire.send(b"GET / HTTP/1.1\r\nHo")
        self.quiesce()
        self.assertTrue(self.wire.transport.disconnecting)

    def test_running(self) -> None:
        """A running request ends with its answer, then the connection closes."""
        self.wire.send(request("PUT /a", "Content-Length: 5"))
        body = self.held.last.body.collect(5)
        self.quiesce()
        self.wire.clock.advance(5.0)
        self.assertFalse(self.wire.closed)
        self.wire.send(b"hello" + request("GET /b"))
        self.assertEqual([b"hello"], self.successResultOf(body))
        self.held.last.reply(200, [])
        self.assertEqual("close", self.wire.answer()["connection"])
        self.assertTrue(self.wire.transport.disconnecting)
        self.assertEqual(1, len(self.held.exchanges))

    def test_answer_in_progress(self) -> None:
        """An answer that has begun is sent to its end."""
        self.wire.send(request("GET /a"))
        self.held.last.start(200, [(b"Content-Length", b"2")])
        self.quiesce()
        self.held.last.write(b"ok")
        self.held.last.finish()
        self.assertEqual(b"ok", self.wire.answer().body)
        self.assertTrue(self.wire.transport.disconnecting)

    def test_late(self) -> None:
        """What still runs after the time-out is broken off."""
        self.wire.send(request("GET /a"))
        quiet = self.quiesce()
        self.wire.clock.pump([1.0] * 9)
        self.assertFalse(self.wire.transport.aborted)
        self.wire.clock.pump([1.0] * 2)
        self.assertTrue(self.wire.transport.aborted)
        self.wire.drop(abort=True)
        self.successResultOf(quiet)
        self.assertEqual(1, self.held.cancelled)

    def test_hurry(self) -> None:
        """A stop can be hurried."""
        self.wire.send(request("GET /a"))
        self.quiesce()
        self.wire.site.abort()
        self.assertTrue(self.wire.transport.aborted)

    def test_two_wait(self) -> None:
        """Whoever asks is told."""
        first, second = self.quiesce(), self.quiesce()
        self.wire.drop()
        self.successResultOf(first)
        self.successResultOf(second)
        self.assertEqual([], self.wire.clock.getDelayedCalls())

    def test_again(self) -> None:
        """A site that listens anew serves anew."""
        self.wire.drop()
        self.successResultOf(self.quiesce())
        self.wire.site.startFactory()
        self.wire.connect()
        self.wire.send(request("GET /a"))
        self.assertEqual(1, len(self.held.exchanges))


class ConnectionsTests(SynchronousTestCase):
    """How many connections there may be."""

    def test_counted(self) -> None:
        """The site knows them, and keeps no clock running without them."""
        wire = Wire(hello)
        self.assertEqual(1, wire.site.connections)
        self.assertEqual(1, len(wire.clock.getDelayedCalls()))
        wire.drop()
        self.assertEqual(0, wire.site.connections)
        self.assertEqual([], wire.clock.getDelayedCalls())

    def test_too_many(self) -> None:
        """One too many is answered 503, far too many are not answered."""
        wire = Wire(hello, {"max_connections": 8})
        for _ in range(7):
            wire.connect()
        wire.send(request("GET /a"))
        self.assertEqual(200, wire.answer().status)
        wire.connect()
        wire.send(request("GET /a"))
        answer = wire.answer()
        self.assertEqual((503, "close"), (answer.status, answer["connection"]))
        self.assertEqual("1", answer["retry-after"])
        self.assertIn(b"SlowDown", answer.body)
        wire.connect()
        self.assertIsNone(wire.site.buildProtocol(None))
        wire.drop()
        wire.connect()

    def test_http_1_only(self) -> None:
        """TLS clients are not offered HTTP/2."""
        self.assertEqual([b"http/1.1"], Wire(hello).site.acceptableProtocols())


class RequestIdTests(SynchronousTestCase):
    """Request ids."""

    def test_other_processes(self) -> None:
        """Two servers give different ids."""
        ids = {Wire(hello, clock=Clock()).site.new_request_id() for _ in range(20)}
        self.assertEqual(20, len(ids))
        self.assertEqual({18}, {len(one) for one in ids})

    def test_in_the_log(self) -> None:
        """The log line of an error has the id that the client saw."""
        from twisted.logger import formatEvent, globalLogPublisher

        lines: list[str | None] = []

        def observe(event: Any) -> None:
            lines.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

        def fail(_: object) -> Any:
            raise KeyError("x")

        wire = Wire(fail)
        wire.send(request("GET /sch\xc3\xb6n"))
        request_id = wire.answer()["x-amz-request-id"]
        self.assertIn(f"GET /schön ({request_id}) failed", lines)
        self.flushLoggedErrors(KeyError)
