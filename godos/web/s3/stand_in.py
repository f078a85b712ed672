"""An exchange as another request than it is: what a form, or a page of a website, asks for."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface import implementer

from godos.model.bodies import IBody
from godos.web.exchange import Headers, IExchange


@implementer(IExchange)
class StandIn:
    """
    `exchange` with another method and other headers, for operations that look at these.

    Args:
        headers: names in lower case.
        body: instead of the exchange's own.
    """

    def __init__(
        self, exchange: IExchange, method: bytes, headers: Headers, body: IBody | None = None
    ) -> None:
        self._exchange = exchange
        self._headers = headers
        self.method = method
        self.body = exchange.body if body is None else body
        self.target = exchange.target
        self.secure = exchange.secure
        self.peer = exchange.peer
        self.request_id = exchange.request_id

    @property
    def started(self) -> bool:
        """See `IExchange`."""
        started: bool = self._exchange.started
        return started

    def header(self, name: bytes) -> bytes | None:
        """See `IExchange`."""
        values = [value for given, value in self._headers if given == name]
        return b", ".join(values) if values else None

    def headers(self) -> Headers:
        """See `IExchange`."""
        return self._headers

    # -- the answer is that of the exchange itself ---------------------------------------------
    def reply(self, status: int, headers: Headers, body: bytes = b"") -> None:
        """See `IExchange`."""
        self._exchange.reply(status, headers, body)

    def start(self, status: int, headers: Headers) -> None:
        """See `IExchange`."""
        self._exchange.start(status, headers)

    def write(self, data: bytes) -> None:
        """See `IExchange`."""
        self._exchange.write(data)

    def drained(self) -> Deferred[None]:
        """See `IExchange`."""
        return self._exchange.drained()

    def finish(self) -> None:
        """See `IExchange`."""
        self._exchange.finish()

    def abort(self) -> None:
        """See `IExchange`."""
        self._exchange.abort()
