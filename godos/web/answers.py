"""An answer that is decided, and the one way in which answers are sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from godos.model.errors import BytesNotFound, GodosError
from godos.model.objects import IObjectRead
from godos.web.errors import answer_of, error_body, error_fields, error_headers, message_of
from godos.web.exchange import IExchange

JSON_TYPE = (b"Content-Type", b"application/json")
# On documents of ours, which hold names from outside: a browser must not take one for a page.
# Source: the Fetch standard, "X-Content-Type-Options".
NOSNIFF = (b"X-Content-Type-Options", b"nosniff")


@define(eq=False)
class Answer:
    """
    What a verb decided.

    With a `read` the body is what that yields, `length` bytes, and `body` is empty.
    `sent` counts the body's bytes that were given to the channel.
    """

    status: int
    headers: list[tuple[bytes, bytes]] = field(factory=list)
    body: bytes = b""
    read: IObjectRead | None = None
    length: int = 0
    sent: int = 0

    async def send(self, exchange: IExchange) -> None:
        """Send it; after the first byte of a body a failure must end in `abort`."""
        if self.read is not None:
            await self._send_read(exchange, self.read)
            return
        exchange.reply(self.status, self.headers, self.body)
        self.sent = 0 if exchange.method == b"HEAD" else len(self.body)

    async def _send_read(self, exchange: IExchange, read: IObjectRead) -> None:
        ahead: Deferred[bytes] | None = None
        try:
            piece = await read.read() if self.length else b""
            self._check(piece)
            if len(piece) == self.length:
                exchange.reply(self.status, self.headers, piece)
                self.sent = self.length
                return
            length = b"%d" % self.length
            exchange.start(self.status, [*self.headers, (b"Content-Length", length)])
            while True:
                self._check(piece)
                exchange.write(piece)
                self.sent += len(piece)
                if self.sent == self.length:
                    break
                ahead = read.read()  # while the client takes what it has
                await exchange.drained()
                piece, ahead = await ahead, None
            exchange.finish()
        finally:
            if ahead is not None:
                ahead.addErrback(lambda _: None)  # nobody waits for these bytes any more
                ahead.cancel()
            await read.close()

    def _check(self, piece: bytes) -> None:
        """A piece too few or too many would make another object look whole."""
        if self.sent + len(piece) > self.length or (self.length and not piece):
            raise BytesNotFound(f"the object's bytes ended after {self.sent} of {self.length}")


def json_answer(document: Mapping[str, Any], status: int = 200) -> Answer:
    """A document as JSON, in UTF-8."""
    text = json.dumps(document, ensure_ascii=False)
    return Answer(status, [JSON_TYPE, NOSNIFF], text.encode("utf-8") + b"\n")


def wants_json(exchange: IExchange) -> bool:
    """Whether the client asked for JSON, by `Accept` or by `?format=json`."""
    accept = exchange.header(b"accept")
    if accept is not None and b"application/json" in accept.lower():
        return True
    query = exchange.target.partition(b"?")[2]
    return b"format=json" in query.split(b"&")


def refusal(exchange: IExchange, error: GodosError) -> Answer:
    """The answer to an error, by the one table."""
    status, code = answer_of(error)
    resource = exchange.target.partition(b"?")[0].decode("utf-8", "replace")
    kind, body = error_body(
        code,
        message_of(error, code),
        resource,
        exchange.request_id,
        wants_json(exchange),
        error_fields(error),
    )
    return Answer(status, [(b"Content-Type", kind), NOSNIFF, *error_headers(error)], body)
