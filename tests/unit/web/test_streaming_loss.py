"""Clients that leave, close their half, or break their framing."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from godos.deferreds import deferred
from godos.model.errors import IncompleteBody
from godos.web.exchange import IExchange
from tests.unit.web.streaming_wire import Held, Sink, Wire, echo, hello, request

INNER = request("GET /smuggled")


class LossTests(SynchronousTestCase):
    """Clients that leave."""

    def test_in_mid_body(self) -> None:
        """A handler that waits for the body is told that it is incomplete."""
        seen: list[Exception] = []

        @deferred
        async def take(exchange: IExchange) -> None:
            try:
                await exchange.body.deliver_to(Sink())
            except Exception as error:
                seen.append(error)
                raise

        wire = Wire(take)
        wire.send(request("PUT /a", "Content-Length: 100") + b"x" * 40)
        wire.drop()
        [error] = seen
        self.assertIsInstance(error, IncompleteBody)
        self.assertIn("40 of 100", str(error))
        self.assertEqual([], self.flushLoggedErrors())

    def test_cancelled_elsewhere(self) -> None:
        """A handler that waits for something else is cancelled."""
        held = Held()
        wire = Wire(held)
        wire.send(request("PUT /a", "Content-Length: 100") + b"x" * 40)
        wire.drop()
        self.failureResultOf(held.last.body.collect(100), IncompleteBody)
        self.assertEqual(1, held.cancelled)

    def test_clean_up_is_not_cancelled(self) -> None:
        """A handler may take its time to clean up after the loss."""
        cleaning: Deferred[None] = Deferred()
        cleaned: list[bool] = []

        @deferred
        async def take(exchange: IExchange) -> None:
            try:
                await exchange.body.deliver_to(Sink())
            except IncompleteBody:
                await cleaning
                cleaned.append(True)
                exchange.reply(400, [])

        wire = Wire(take)
        wire.send(request("PUT /a", "Content-Length: 100"))
        wire.drop()
        cleaning.callback(None)
        self.assertEqual([True], cleaned)
        self.assertEqual([], wire.answers())

    def test_waiting_for_the_client(self) -> None:
        """A handler that waits for the client to take more is told."""
        held = Held()
        wire = Wire(held)
        wire.send(request("GET /a"))
        wire.transport.stuck = True
        held.last.start(200, [(b"Content-Length", b"3000000")])
        held.last.write(b"x" * 1_500_000)
        held.last.write(b"x" * 1_500_000)
        waiting = held.last.drained()
        wire.drop(abort=True)
        self.failureResultOf(waiting, IncompleteBody)
        self.failureResultOf(held.last.drained(), IncompleteBody)

    def test_after_the_answer(self) -> None:
        """Work that goes on after the answer is not cancelled."""
        held = Held()
        wire = Wire(held)
        wire.send(request("GET /a"))
        held.last.reply(200, [])
        wire.drop()
        self.assertEqual(0, held.cancelled)

    def test_late_words_go_nowhere(self) -> None:
        """What a handler says after the client left is dropped."""
        for say in (
            lambda x: x.reply(200, []),
            lambda x: x.start(200, [(b"Content-Length", b"1")]),
            lambda x: x.write(b"x"),
            lambda x: x.finish(),
            lambda x: x.abort(),
        ):
            held = Held()
            wire = Wire(held)
            wire.send(request("GET /a"))
            wire.drop()
            say(held.last)
            self.assertEqual([], wire.answers())
            self.assertFalse(held.last.started)


class HalfCloseTests(SynchronousTestCase):
    """Clients that close their half, as `nc -N` does; or all of it: that looks the same."""

    def test_answered(self) -> None:
        """An answer that comes soon is sent, then the connection closes."""
        held = Held()
        wire = Wire(held)
        wire.send(request("GET /a"))
        wire.channel.readConnectionLost()
        self.assertFalse(wire.transport.disconnecting)
        held.last.reply(200, [], b"here")
        self.assertEqual(b"here", wire.answer().body)
        self.assertTrue(wire.transport.disconnecting)

    def test_all_that_was_sent_is_answered(self) -> None:
        """Requests that were sent before are all answered."""
        held = Held()
        wire = Wire(held)
        wire.send(request("GET /1") + request("GET /2") + request("GET /3"))
        wire.channel.readConnectionLost()
        for _ in range(3):
            held.last.reply(200, [], held.last.target)
        self.assertEqual([b"/1", b"/2", b"/3"], [one.body for one in wire.answers()])
        self.assertTrue(wire.transport.disconnecting)

    def test_long_answer(self) -> None:
        """An answer that has begun goes on as long as the client takes it."""
        held = Held()
        wire = Wire(held)
        wire.send(request("GET /a"))
        held.last.start(200, [(b"Content-Length", b"4")])
        wire.channel.readConnectionLost()
        wire.clock.pump([1.0] * 300)
        held.last.write(b"late")
        held.last.finish()
        self.assertEqual(b"late", wire.answer().body)
        self.assertTrue(wire.transport.disconnecting)

    def test_begun_in_time(self) -> None:
        """It may begin after the client closed its half."""
        held = Held()
        wire = Wire(held)
        wire.send(request("GET /a"))
        wire.channel.readConnectionLost()
        held.last.start(200, [(b"Content-Length", b"4")])
        wire.clock.pump([1.0] * 300)
        held.last.write(b"late")
        held.last.finish()
        self.assertEqual(b"late", wire.answer().body)

    def test_not_waited_for(self) -> None:
        """An answer that does not come soon is taken for unwanted: the handler is cancelled."""
        held = Held()
        wire = Wire(held)
        wire.send(request("GET /a"))
        wire.channel.readConnectionLost()
        wire.clock.pump([1.0] * 4)
        self.assertTrue(wire.transport.disconnecting)
        wire.drop()
        self.assertEqual(1, held.cancelled)

    def test_in_mid_body(self) -> None:
        """Without its whole body a request cannot be answered."""
        wire = Wire(echo)
        wire.send(request("PUT /a", "Content-Length: 100") + b"x" * 40)
        wire.channel.readConnectionLost()
        self.assertTrue(wire.transport.disconnecting)

    def test_idle(self) -> None:
        """Between requests it is the end."""
        wire = Wire(hello)
        wire.send(request("GET /a"))
        wire.channel.readConnectionLost()
        self.assertTrue(wire.transport.disconnecting)


class BrokenBodyTests(SynchronousTestCase):
    """Bodies whose framing is broken."""

    def test_answered(self) -> None:
        """The client gets 400 with a request id, whatever the handler waits for."""
        held = Held()
        wire = Wire(held)
        wire.send(request("PUT /a", "Transfer-Encoding: chunked"))
        body = held.last.body.collect(99)
        wire.send(b"5\r\nhello\r\nZZ\r\n" + INNER)
        answer = wire.answer()
        self.assertEqual((400, "close"), (answer.status, answer["connection"]))
        self.assertEqual(held.last.request_id, answer["x-amz-request-id"])
        self.failureResultOf(body, IncompleteBody)
        self.assertEqual(1, held.cancelled)
        self.assertTrue(wire.closed)
        wire.send(INNER)
        self.assertEqual([], wire.answers())

    def test_before_it_was_wanted(self) -> None:
        """That does not wait for the handler to look at the body."""
        held = Held()
        wire = Wire(held)
        wire.send(request("PUT /a", "Transfer-Encoding: chunked") + b"ZZ\r\n")
        self.assertEqual(400, wire.answer().status)
        self.failureResultOf(held.last.body.collect(9), IncompleteBody)

    def test_after_the_answer_began(self) -> None:
        """An answer that has begun is broken off."""
        held = Held()
        wire = Wire(held)
        wire.send(request("PUT /a", "Transfer-Encoding: chunked"))
        body = held.last.body.deliver_to(Sink())
        held.last.start(200, [(b"Content-Length", b"10")])
        wire.send(b"ZZ\r\n")
        self.assertTrue(wire.transport.aborted)
        self.failureResultOf(body, IncompleteBody)

    def test_consumer_fails(self) -> None:
        """A consumer that fails is no fault of the client: 500, and the reason in the log."""

        class Broken(Sink):
            def write(self, data: bytes) -> None:
                raise OSError("no space")

        @deferred
        async def take(exchange: IExchange) -> None:
            await exchange.body.deliver_to(Broken())

        wire = Wire(take)
        wire.send(request("PUT /a", body=b"hello"))
        self.assertEqual(500, wire.answer().status)
        self.assertTrue(self.flushLoggedErrors(OSError))
