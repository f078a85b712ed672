"""An exchange that remembers what it was told, for tests of what answers exchanges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer
from zope.interface import implementer
from zope.interface.verify import verifyObject

from godos.deferreds import deferred
from godos.model.bodies import IBody
from godos.model.errors import EntityTooLarge, IncompleteBody
from godos.web.exchange import Headers, IExchange

HeaderLines = list[tuple[bytes, bytes]]


class _Producer:
    def __init__(self) -> None:
        self.stopped = False

    def pauseProducing(self) -> None:
        pass

    def resumeProducing(self) -> None:
        pass

    def stopProducing(self) -> None:
        self.stopped = True


@implementer(IBody)
class FakeBody:
    """A body of given pieces; `asked` tells whether anybody wanted it."""

    def __init__(self, pieces: list[bytes], length: int | None) -> None:
        self._pieces = pieces
        self.length = length
        self.asked = False

    @deferred
    async def deliver_to(self, consumer: IConsumer) -> None:
        assert not self.asked, "a body is taken once"
        self.asked, producer = True, _Producer()
        consumer.registerProducer(producer, True)
        for piece in self._pieces:
            if producer.stopped:
                break
            consumer.write(piece)
        consumer.unregisterProducer()
        if producer.stopped:
            raise IncompleteBody("stopped")

    @deferred
    async def collect(self, limit: int) -> list[bytes]:
        assert not self.asked, "a body is taken once"
        self.asked = True
        if sum(map(len, self._pieces)) > limit:
            raise EntityTooLarge(f"more than {limit} bytes")
        return self._pieces


@implementer(IExchange)
class FakeExchange:
    """
    A request as a channel would hand it over, and the answer it got.

    With `slow`, `drained` waits until `drain` is called.
    """

    secure = False
    peer = "127.0.0.1"
    request_id = "0123456789abcdef"

    def __init__(
        self,
        method: str,
        target: str | bytes,
        headers: Mapping[str, str | bytes] | HeaderLines | None = None,
        body: bytes | list[bytes] | None = None,
        chunked: bool = False,
        slow: bool = False,
    ) -> None:
        self.method = method.encode()
        self.target = target.encode() if isinstance(target, str) else target
        given = headers.items() if isinstance(headers, Mapping) else headers or []
        self._headers = [(_bytes(name).lower(), _bytes(value)) for name, value in given]
        pieces = [body] if isinstance(body, bytes) else body or []
        length = sum(map(len, pieces))
        if chunked:
            self._headers.append((b"transfer-encoding", b"chunked"))
        elif body is not None and self.header(b"content-length") is None:
            self._headers.append((b"content-length", b"%d" % length))
        announced = int(self.header(b"content-length") or 0)
        self.body = FakeBody(pieces, None if chunked else announced)
        self.slow = slow
        self.status: int | None = None
        self.lines: HeaderLines = []
        self.sent = b""
        self.pieces = 0
        self.finished = self.aborted = self.started = False
        self._waiting: Deferred[None] | None = None
        verifyObject(IExchange, self)

    # -- IExchange ----------------------------------------------------------------------
    def header(self, name: bytes) -> bytes | None:
        values = [value for known, value in self._headers if known == name]
        return b", ".join(values) if values else None

    def headers(self) -> Headers:
        return self._headers

    def reply(self, status: int, headers: Headers, body: bytes = b"") -> None:
        silent = self.method == b"HEAD" or status in (204, 304)
        self.start(status, headers)
        if "content-length" not in self.answer and status not in (204, 304):
            self.lines.append((b"Content-Length", b"%d" % len(body)))
        self.sent = b"" if silent else body
        self.pieces = 1
        self.finished = True

    def start(self, status: int, headers: Headers) -> None:
        assert not self.started, "an exchange is answered once"
        self.started, self.status, self.lines = True, status, list(headers)
        for name, value in headers:
            assert type(name) is bytes and type(value) is bytes
            assert not set(name + value) & set(b"\r\n\0")

    def write(self, data: bytes) -> None:
        assert self.started and not self.finished and not self.aborted
        self.sent += data
        self.pieces += 1

    def drained(self) -> Deferred[None]:
        if not self.slow:
            return succeed(None)
        self._waiting = Deferred()
        return self._waiting

    def finish(self) -> None:
        assert len(self.sent) == int(self.answer["content-length"]), "an answer cut short"
        self.finished = True

    def abort(self) -> None:
        self.aborted = True

    # -- for the test -------------------------------------------------------------------
    def drain(self, failure: Exception | None = None) -> None:
        """The client took what was sent, or went away."""
        waiting, self._waiting = self._waiting, None
        assert waiting is not None
        if failure is None:
            waiting.callback(None)
        else:
            waiting.errback(failure)

    @property
    def answer(self) -> dict[str, Any]:
        """The answer's headers, with names in lower case."""
        answer = {name.decode().lower(): value.decode() for name, value in self.lines}
        assert len(answer) == len(self.lines), "a header came twice"
        return answer


def _bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8") if isinstance(text, str) else text
