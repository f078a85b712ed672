"""What an `IExchange` promises, straight on the channel and on top of twisted.web."""

from __future__ import annotations

from typing import Any

from klein import Klein
from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface.verify import verifyObject

from godos.deferreds import deferred
from godos.model.bodies import IBody
from godos.model.errors import EntityTooLarge, NotEnoughNodes
from godos.web.exchange import IExchange
from godos.web.streaming import exchange_of
from godos.web.twisted_request import StreamingRequest
from tests.unit.web.streaming_wire import Held, Sink, Wire, hello, request


class ExchangeContract:
    """What a handler may rely on; a subclass says how the exchange is made."""

    def wire(self, verbs: Any) -> Wire:
        raise NotImplementedError

    def held(self, line: str = "GET /a//b%20?c", *headers: str) -> tuple[Wire, Any]:
        held = Held()
        wire = self.wire(held)
        wire.send(request(line, *headers))
        return wire, held.last

    def test_attributes(self: Any) -> None:
        """It tells who asks for what."""
        _, exchange = self.held("PUT /a//b%20?c", "X-Y: z", "Content-Length: 5")
        verifyObject(IExchange, exchange)
        verifyObject(IBody, exchange.body)
        self.assertEqual((b"PUT", b"/a//b%20?c"), (exchange.method, exchange.target))
        self.assertEqual((False, "192.168.1.1:54321"), (exchange.secure, exchange.peer))
        self.assertEqual(b"z", exchange.header(b"x-y"))
        self.assertIn((b"x-y", b"z"), list(exchange.headers()))
        self.assertEqual(5, exchange.body.length)
        self.assertFalse(exchange.started)

    def test_reply(self: Any) -> None:
        """One call answers, with all headers that an answer needs."""
        wire, exchange = self.held()
        exchange.reply(201, [(b"ETag", b'"x"'), (b"Vary", b"a"), (b"Vary", b"b")], b"body")
        self.assertTrue(exchange.started)
        answer = wire.answer()
        self.assertEqual((201, b"body"), (answer.status, answer.body))
        self.assertEqual("4", answer["content-length"])
        self.assertEqual('"x"', answer["etag"])
        self.assertEqual("godos", answer["server"])
        self.assertEqual("Tue, 14 Nov 2023 22:13:20 GMT", answer["date"])
        self.assertEqual(exchange.request_id, answer["x-amz-request-id"])
        self.assertEqual(["a", "b"], [v for n, v in answer.headers if n == "Vary"])

    def test_request_ids(self: Any) -> None:
        """No two requests have the same."""
        held = Held()
        wire = self.wire(held)
        wire.send(request("GET /a"))
        held.last.reply(200, [])
        wire.send(request("GET /a"))
        self.assertNotEqual(held.exchanges[0].request_id, held.exchanges[1].request_id)

    def test_head(self: Any) -> None:
        """HEAD is answered without body; its length is the body's, or what is given."""
        for headers in ([], [(b"Content-Length", b"4")]):
            wire, exchange = self.held("HEAD /a")
            exchange.reply(200, headers, b"body")
            answer = wire.answer("H")
            self.assertEqual(("4", b""), (answer["content-length"], answer.body))
        wire, exchange = self.held("HEAD /a")
        exchange.reply(200, [(b"Content-Length", b"123456")])
        self.assertEqual("123456", wire.answer("H")["content-length"])
        wire.send(request("GET /b"))
        self.assertFalse(wire.closed)

    def test_statuses_without_body(self: Any) -> None:
        """204 and 304 have no body, and no length unless it is given."""
        for status in (204, 304):
            wire, exchange = self.held()
            exchange.reply(status, [], b"body")
            answer = wire.answer()
            self.assertEqual((status, b""), (answer.status, answer.body))
            self.assertIsNone(answer["content-length"])
            self.assertFalse(wire.closed)

    def test_empty_body(self: Any) -> None:
        """An answer without body says so."""
        wire, exchange = self.held()
        exchange.reply(200, [])
        self.assertEqual("0", wire.answer()["content-length"])

    def test_large_reply(self: Any) -> None:
        """A reply of a MiB is sent whole."""
        wire, exchange = self.held()
        exchange.reply(200, [], bytes(1 << 20))
        self.assertEqual(bytes(1 << 20), wire.answer().body)

    def test_started(self: Any) -> None:
        """An answer can be sent in parts; the connection goes on."""
        wire, exchange = self.held()
        exchange.start(206, [(b"Content-Length", b"6"), (b"X", b"y")])
        self.assertTrue(exchange.started)
        exchange.write(b"abc")
        self.successResultOf(exchange.drained())
        exchange.write(b"def")
        exchange.finish()
        answer = wire.answer()
        self.assertEqual((206, b"abcdef", "y"), (answer.status, answer.body, answer["x"]))
        self.assertEqual(exchange.request_id, answer["x-amz-request-id"])
        self.assertFalse(wire.closed)

    def test_head_started(self: Any) -> None:
        """HEAD may be answered by the code of GET: its body goes nowhere."""
        wire, exchange = self.held("HEAD /a")
        exchange.start(200, [(b"Content-Length", b"6")])
        exchange.write(b"abcdef")
        exchange.finish()
        self.assertEqual("6", wire.answer("H")["content-length"])
        self.assertFalse(wire.closed)

    def test_start_needs_a_length(self: Any) -> None:
        """Without length a client could not tell a whole answer from a broken one."""
        _, exchange = self.held()
        self.assertRaises(ValueError, exchange.start, 200, [])

    def test_short(self: Any) -> None:
        """An answer that ends before its length is broken off, and logged as our fault."""
        wire, exchange = self.held()
        exchange.start(200, [(b"Content-Length", b"6")])
        exchange.write(b"abc")
        exchange.finish()
        self.assertTrue(wire.transport.aborted)

    def test_abort(self: Any) -> None:
        """Aborting breaks the connection; what is written after it goes nowhere."""
        wire, exchange = self.held()
        exchange.start(200, [(b"Content-Length", b"6")])
        exchange.abort()
        self.assertTrue(wire.transport.aborted)
        wire.transport.clear()
        exchange.write(b"abc")
        exchange.finish()
        self.assertEqual(b"", wire.transport.value())

    def test_answered_once(self: Any) -> None:
        """A second answer is a bug of the caller."""
        for first in ("reply", "start"):
            for second in ("reply", "start"):
                _, exchange = self.held()
                getattr(exchange, first)(200, [(b"Content-Length", b"0")])
                answer = getattr(exchange, second)
                self.assertRaises(RuntimeError, answer, 200, [(b"Content-Length", b"0")])

    def test_headers_cannot_be_injected(self: Any) -> None:
        """Line breaks in a value stay within the value."""
        wire, exchange = self.held()
        exchange.reply(200, [(b"X", b"a\r\nSet-Cookie: b\nc\rd"), (b"Y", b"z")], b"body")
        answer = wire.answer()
        self.assertEqual("a Set-Cookie: b c d", answer["x"])
        self.assertEqual(("z", b"body"), (answer["y"], answer.body))

    def test_body(self: Any) -> None:
        """The body can be taken, and a refused one is swallowed."""

        @deferred
        async def take(exchange: IExchange) -> None:
            sink = Sink()
            await exchange.body.deliver_to(sink)
            exchange.reply(200, [], sink.data)

        wire = self.wire(take)
        wire.send(request("PUT /a", body=b"hello") * 2)
        self.assertEqual([b"hello"] * 2, [answer.body for answer in wire.answers()])
        wire = self.wire(hello)
        wire.send(request("PUT /a", body=request("GET /b")) * 2)
        self.assertEqual([b"PUT /a"] * 2, [answer.body for answer in wire.answers()])

    # -- errors that escape ------------------------------------------------------------------
    def escaped(self: Any, error: Exception, late: bool = False, begin: bool = False) -> Wire:
        """Let a handler fail with `error`."""
        failing: Deferred[None] = Deferred()

        @deferred
        async def fail(exchange: IExchange) -> None:
            if begin:
                exchange.start(200, [(b"Content-Length", b"100")])
            if late:
                await failing
            raise error

        wire = self.wire(fail)
        wire.send(request("GET /a"))
        if late:
            failing.callback(None)
        return wire

    def test_bug(self: Any) -> None:
        """An error that nobody foresaw is 500 with a request id, and is in the log."""
        for late in (False, True):
            wire = self.escaped(KeyError("secret"), late)
            answer = wire.answer()
            self.assertEqual(500, answer.status)
            self.assertIn(answer["x-amz-request-id"].encode(), answer.body)
            self.assertNotIn(b"secret", answer.body)
            self.assertFalse(wire.closed)
            self.assertEqual(1, len(self.flushLoggedErrors(KeyError)))

    def test_foreseen(self: Any) -> None:
        """An error of godos has its answer."""
        answer = self.escaped(NotEnoughNodes("two of three")).answer()
        self.assertEqual((503, "1"), (answer.status, answer["retry-after"]))
        self.assertIn(b"Two of three", answer.body)
        self.assertEqual(400, self.escaped(EntityTooLarge("too large")).answer().status)
        self.assertEqual([], self.flushLoggedErrors())

    def test_bug_after_the_start(self: Any) -> None:
        """After the answer began its connection is broken off."""
        for late in (False, True):
            wire = self.escaped(KeyError("x"), late, begin=True)
            self.assertTrue(wire.transport.aborted)
            self.assertEqual(1, len(self.flushLoggedErrors(KeyError)))

    def test_lost_quietly(self: Any) -> None:
        """The end of a handler whose client left is no error."""
        wire, _ = self.held()
        wire.drop()
        self.assertEqual([], self.flushLoggedErrors())

    def test_drained_after_loss(self: Any) -> None:
        """Nobody waits for a client that left."""
        wire, exchange = self.held()
        exchange.start(200, [(b"Content-Length", b"6")])
        wire.drop()
        exchange.write(b"x")
        exchange.finish()
        exchange.abort()
        self.failureResultOf(exchange.drained())


class ChannelExchangeTests(ExchangeContract, SynchronousTestCase):
    """The fast path."""

    def wire(self, verbs: Any) -> Wire:
        return Wire(verbs)

    def test_not_answered(self) -> None:
        """A handler that ends without an answer is a bug: 500."""
        wire = Wire(lambda _: succeed(None))
        wire.send(request("GET /a"))
        self.assertEqual(500, wire.answer().status)
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))

    def test_not_finished(self) -> None:
        """One that ends within its answer is too: the connection is broken off."""

        def half(exchange: IExchange) -> Deferred[None]:
            exchange.start(200, [(b"Content-Length", b"6")])
            return succeed(None)

        wire = Wire(half)
        wire.send(request("GET /a"))
        self.assertTrue(wire.transport.aborted)
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))

    def test_never_answered(self) -> None:
        """A handler that never ends keeps its client waiting, and ends when that leaves."""
        held = Held()
        wire = Wire(held)
        wire.send(request("GET /a"))
        wire.clock.pump([1.0] * 1000)
        self.assertFalse(wire.closed)
        wire.drop()
        self.assertEqual(1, held.cancelled)

    def test_wrong_length(self) -> None:
        """A length that is not the body's is a bug, and so are bytes beyond it."""
        _, exchange = self.held()
        self.assertRaises(ValueError, exchange.reply, 200, [(b"Content-Length", b"5")], b"body")
        exchange.start(200, [(b"Content-Length", b"5")])
        self.assertRaises(ValueError, exchange.write, b"123456")

    def test_one_write(self) -> None:
        """Head and body of a small answer leave together."""
        writes: list[bytes] = []
        wire, exchange = self.held()
        wire.transport.write = writes.append  # type: ignore[method-assign]
        exchange.reply(200, [], b"body")
        self.assertEqual(1, len(writes))

    def test_date(self) -> None:
        """The date of an answer is the second's."""
        wire = Wire(hello)
        dates = []
        for _ in range(3):
            wire.send(request("GET /a"))
            dates.append(wire.answer()["date"])
            wire.clock.advance(0.6)
        self.assertEqual(dates[0], dates[1])
        self.assertEqual("Tue, 14 Nov 2023 22:13:21 GMT", dates[2])


class RequestExchangeTests(ExchangeContract, SynchronousTestCase):
    """Exchanges of Klein handlers."""

    def wire(self, verbs: Any) -> Wire:
        class App:
            app = Klein()

            @app.route("/", defaults={"path": ""}, methods=["GET", "HEAD", "PUT"])
            @app.route("/<path:path>", methods=["GET", "HEAD", "PUT"])
            def any(self, request: Any, path: str) -> Any:
                return verbs(exchange_of(request))

        # Klein's router redirects `//`; one leaf takes all and asks Klein's handler
        class Leaf(Resource):
            isLeaf = True

            def __init__(self, resource: Any) -> None:
                super().__init__()
                self._resource = resource

            def render(self, request: Any) -> Any:
                request.postpath = [b"a"]
                return self._resource.render(request)

        return Wire(verbs, resource=Leaf(App().app.resource()), is_verb=lambda *_: False)

    def test_same_exchange(self) -> None:
        """Every piece of code that asks for a request's exchange gets the same."""
        seen: list[Any] = []

        class Leaf(Resource):
            isLeaf = True

            def render_GET(self, request: Any) -> Any:
                seen.extend([exchange_of(request), exchange_of(request)])
                return b"x"

        Wire(hello, resource=Leaf(), is_verb=lambda *_: False).send(request("GET /a"))
        self.assertIs(seen[0], seen[1])
        self.assertRaises(TypeError, exchange_of, object())


class TwistedRequestTests(SynchronousTestCase):
    """Ordinary resources, without exchange."""

    def wire(self, render: Any) -> Wire:
        class Leaf(Resource):
            isLeaf = True

            def render(self, request: Any) -> Any:
                return render(request)

        return Wire(hello, resource=Leaf(), is_verb=lambda *_: False)

    def test_render(self) -> None:
        """What `render` returns is the answer, and has a request id."""
        wire = self.wire(lambda request: request.path)
        wire.send(request("GET /a?b") * 2)
        for answer in wire.answers():
            self.assertEqual((200, b"/a"), (answer.status, answer.body))
            self.assertEqual(("godos",), (answer["server"],))
            self.assertTrue(answer["x-amz-request-id"])

    def test_body_at_header_time(self) -> None:
        """The resource runs before the body is there; `content` stays empty."""
        seen: list[Any] = []

        def render(request: StreamingRequest) -> Any:
            seen.append((request.body.length, request.content.read(), request.args))
            body = request.body.collect(99)
            body.addCallback(lambda pieces: request.write(b"".join(pieces)))
            body.addCallback(lambda _: request.finish())
            return NOT_DONE_YET

        wire = self.wire(render)
        form = "Content-Type: application/x-www-form-urlencoded"
        wire.send(request("POST /a?x=1", form, "Content-Length: 5"))
        self.assertEqual([(5, b"", {b"x": [b"1"]})], seen)
        wire.send(b"y=2&z")
        self.assertIn(b"y=2&z", wire.transport.value())
        wire.send(request("POST /a?x=1", form, "Content-Length: 5") + b"hello")
        self.assertEqual(2, len(seen))

    def test_short(self) -> None:
        """An answer shorter than its Content-Length is broken off."""

        def render(request: Any) -> bytes:
            request.setHeader(b"Content-Length", b"6")
            request.write(b"abc")
            request.finish()
            return NOT_DONE_YET

        wire = self.wire(render)
        wire.send(request("GET /a"))
        self.assertTrue(wire.transport.aborted)

    def test_bug(self) -> None:
        """What `render` raises is 500 in our words."""

        def render(request: Any) -> bytes:
            raise KeyError("secret")

        wire = self.wire(render)
        wire.send(request("GET /a"))
        answer = wire.answer()
        self.assertEqual(500, answer.status)
        self.assertIn(b"InternalError", answer.body)
        self.assertNotIn(b"secret", answer.body)
        self.assertEqual(1, len(self.flushLoggedErrors(KeyError)))

    def test_method_not_allowed(self) -> None:
        """twisted.web's own error answers carry a request id too."""

        class Leaf(Resource):
            isLeaf = True

            def render_GET(self, request: Any) -> bytes:
                return b""

        wire = Wire(hello, resource=Leaf(), is_verb=lambda *_: False)
        wire.send(request("POST /a"))
        answer = wire.answer()
        self.assertEqual(405, answer.status)
        self.assertTrue(answer["x-amz-request-id"])

    def test_dispatch(self) -> None:
        """Each request goes where `is_verb` says, by its raw target and method."""
        asked: list[tuple[bytes, bytes]] = []

        def is_verb(exchange: Any) -> bool:
            asked.append((exchange.target, exchange.method))
            started: bool = exchange.target.startswith(b"/o//")
            return started

        class Leaf(Resource):
            isLeaf = True

            def render(self, request: Any) -> bytes:
                return b"resource"

        wire = Wire(hello, resource=Leaf(), is_verb=is_verb)
        wire.send(request("GET /o//a") + request("DELETE /o/a"))
        self.assertEqual([b"GET /o//a", b"resource"], [one.body for one in wire.answers()])
        self.assertEqual([(b"/o//a", b"GET"), (b"/o/a", b"DELETE")], asked)
