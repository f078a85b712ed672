"""The way in for other servers, as any handler uses it."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from godos.model.errors import IncompleteBody, NodeUnreachable
from godos.protocol.server_auth import Guard, Signer, of_bytes
from godos.web.server_gate import ServerGate
from godos.web.signed_exchange import SignedExchange
from tests.unit.web.fakes import FakeExchange

SECRET, BOOT = b"s" * 32, b"b" * 32
NOW = 1_700_000_000.0


class GateTests(SynchronousTestCase):
    """A JSON resource of an API server, such as the one that takes handed-over replies."""

    def setUp(self) -> None:
        self.gate = ServerGate(Guard(SECRET, BOOT.decode()), lambda: NOW, maybeDeferred)
        self.signer = Signer(SECRET)
        self.heard: list[Any] = []

    def exchange(self, body: bytes, signed: bool = True) -> FakeExchange:
        signature = self.signer.sign(b"POST", b"/-/located", of_bytes(body), BOOT, NOW)
        self.mac = signature.mac
        headers = {"authorization": signature.authorization} if signed else {}
        return FakeExchange("POST", "/-/located", headers, body)

    def hear(self, document: Any) -> Deferred[Any]:
        self.heard.append(document)
        return succeed({"taken": True})

    def test_a_signed_document_is_handled(self) -> None:
        """The handler gets the document, the sender a signed one."""
        exchange = self.exchange(b'{"uid": "x"}')
        self.successResultOf(self.gate.answer(exchange, self.hear))
        self.assertEqual([{"uid": "x"}], self.heard)
        self.assertEqual((200, b'{"taken": true}'), (exchange.status, exchange.sent))
        proof = exchange.answer["x-godos-answer"].encode()
        signed = self.signer.check_answer(self.mac, 200, proof)
        self.assertEqual(of_bytes(exchange.sent), signed.body)

    def test_an_unsigned_document_is_not_even_read(self) -> None:
        """Its body is never asked for."""
        exchange = self.exchange(b'{"uid": "x"}', signed=False)
        self.successResultOf(self.gate.answer(exchange, self.hear))
        self.assertEqual((403, [], False), (exchange.status, self.heard, exchange.body.asked))

    def test_what_is_no_document(self) -> None:
        """It is refused, and the handler does not hear of it."""
        for body in (b"{", b"[" * 100_000, b"\xff"):
            exchange = self.exchange(body)
            self.successResultOf(self.gate.answer(exchange, self.hear))
            self.assertEqual(400, exchange.status)
        self.assertEqual([], self.heard)

    def test_a_document_that_is_too_long(self) -> None:
        """Each handler says how much it takes."""
        exchange = self.exchange(b'"0123456789"')
        self.successResultOf(self.gate.answer(exchange, self.hear, limit=5))
        self.assertEqual((413, []), (exchange.status, self.heard))

    def test_a_handler_that_fails(self) -> None:
        """Its error is the answer; a bug is logged and told as one."""

        def fail(_: Any) -> Any:
            raise NodeUnreachable("not now")

        def crash(_: Any) -> Any:
            raise ZeroDivisionError("secret")

        for handle, status, code in (
            (fail, 503, "NodeUnreachable"),
            (crash, 500, "InternalError"),
        ):
            exchange = self.exchange(b"{}")
            self.successResultOf(self.gate.answer(exchange, handle))
            self.assertEqual((status, code), (exchange.status, json.loads(exchange.sent)["code"]))
            self.assertNotIn(b"secret", exchange.sent)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_a_failure_after_the_answer_began(self) -> None:
        """The connection is broken: no second answer, and no short one."""

        async def begin(call: SignedExchange) -> None:
            call.exchange.start(200, [(b"Content-Length", b"10")])
            raise IncompleteBody("gone")

        exchange = self.exchange(b"")
        self.successResultOf(self.gate.serve(exchange, begin))
        self.assertTrue(exchange.aborted)

    def test_a_sender_that_leaves(self) -> None:
        """The handler is cancelled."""
        waiting: Deferred[Any] = Deferred()
        serving = self.gate.answer(self.exchange(b"{}"), lambda _: waiting)
        serving.cancel()
        self.assertTrue(self.failureResultOf(serving))
        self.assertTrue(waiting.called)
