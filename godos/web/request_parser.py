"""
twisted.web's HTTP parser, made to say when a request's headers are in.

All knowledge of how `twisted.web.http.HTTPChannel` works inside is here.  Private names:

- `_send100Continue` is overridden: `100 Continue` waits until somebody wants the body;
- `_respondToBadRequestAndDisconnect` is overridden: the answer has a body and a request
  id, and the client gets to see it.

Undocumented but public: `requests`, `length`, `persistent`, `requestFactory`, `MAX_LENGTH`,
`totalHeadersSize`, `maxHeaders`, `lineReceived`, `rawDataReceived`, `lineLengthExceeded`,
`headerReceived`, `allHeadersReceived`, `allContentReceived`, `checkPersistence`,
`requestDone`, and what a channel calls on its request: `parseCookies`, `gotLength`,
`handleContentChunk`, `requestReceived`, `connectionLost`.  `test_streaming_twisted.py`
fails for each that a Twisted release renames or ceases to call.
"""

from __future__ import annotations

from typing import Any

from twisted.web.http import HTTPChannel

from godos.web.channel_exchange import ChannelExchange
from godos.web.framing import Refusal, check_framing, is_last, read_request_line

BULK = 4096  # bytes
AHEAD = 16384  # bytes of further requests that are read while one runs


class RequestParser(HTTPChannel):
    """
    From bytes to requests.

    A subclass is told of heads (`head_arrived`), of ends (`whole_arrived`) and of what is
    no HTTP (`refuse`, `framing_broke`).  Once it is `deaf`, whatever arrives is swallowed.
    """

    requestFactory: Any = ChannelExchange
    transport: Any

    def __init__(self, max_header: int, max_headers: int) -> None:
        super().__init__()
        self.timeOut = None  # there are other clocks
        self.MAX_LENGTH = self.totalHeadersSize = max_header
        self.maxHeaders = max_headers
        self.deaf = False
        self.in_head = False  # between a request line and the end of its headers
        self.parsing = False  # within dataReceived
        self.expects_continue = False  # the client waits for `100 Continue`
        self._head_size = self._head_lines = 0
        self._ahead: int | None = None  # bytes read since the running request was whole

    # -- what a subclass does --------------------------------------------------------------------
    def head_arrived(self, exchange: ChannelExchange) -> None:
        """The headers of a request with a body are in."""
        raise NotImplementedError

    def whole_arrived(self) -> None:
        """All of a request is about to be in; afterwards one without body starts."""
        raise NotImplementedError

    def refuse(self, refusal: Refusal) -> None:
        """What arrived is no request."""
        raise NotImplementedError

    def framing_broke(self) -> None:
        """The body that is arriving cannot be read on."""
        raise NotImplementedError

    def is_last_one(self) -> bool:
        """Whether no other request shall follow."""
        raise NotImplementedError

    # -- feeding the parser ----------------------------------------------------------------------
    def dataReceived(self, data: bytes) -> None:
        """Called by the transport."""
        if self.deaf:
            return
        outermost, self.parsing = not self.parsing, True
        if self.line_mode and len(data) > BULK:
            data = self._feed_heads(data)
        if data:
            super().dataReceived(data)
        if outermost:
            self.parsing = False
            self.parsed()

    def parsed(self) -> None:
        """All that arrived was looked at."""
        if self.deaf:
            self.clearLineBuffer()

    def _feed_heads(self, data: bytes) -> bytes:
        """
        Feed heads one by one, and answer what is left.

        LineReceiver copies all that it has for each line, which is dear when a body, or
        hundreds of requests, follow in the same buffer.
        """
        start = 0
        while self.line_mode and not self.deaf and len(data) - start > BULK:
            end = data.find(b"\r\n\r\n", start) + 4
            if end < 4:
                break
            super().dataReceived(data[start:end])
            start = end
        return data[start:] if start else data

    # -- the head --------------------------------------------------------------------------------
    def lineReceived(self, line: bytes) -> bool:
        """Called for each line of a head.  True makes the parser stop."""
        if not self.deaf:
            self._head_line(line)
        return self.deaf

    def _head_line(self, line: bytes) -> None:
        self._head_size += len(line) + 2
        self._head_lines += 1
        if self._head_size > self.totalHeadersSize or self._head_lines > self.maxHeaders + 2:
            self.lineLengthExceeded(line)
        elif self.in_head and line.startswith((b" ", b"\t")):  # Source: RFC 9112, section 5.2
            problem = "a header that goes on in a second line is not understood by all alike"
            self.refuse(Refusal(400, "BadRequest", problem))
        elif self.in_head or not line:
            super().lineReceived(line)
        else:
            self._request_line(line)

    def _request_line(self, line: bytes) -> None:
        try:
            method, target, version, authority = read_request_line(line)
        except Refusal as refusal:
            self.refuse(refusal)
            return
        self.in_head = True
        super().lineReceived(b"%s / %s" % (method, version))  # its view of targets is narrower
        if not self.deaf:
            self.requests[-1].begin_head(method, target, version, authority)

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: ARG002
        """Called for a line that is too long, and by us for a head that is."""
        if self.in_head:
            problem = "the headers are too long, or too many"
            self.refuse(Refusal(431, "RequestHeaderSectionTooLarge", problem))
        else:
            self.refuse(Refusal(414, "KeyTooLongError", "the request line is too long"))

    def headerReceived(self, line: bytes) -> bool:
        """Called with each header."""
        if self.deaf:
            return False
        if len(line.translate(None, b"\r\n\0")) != len(line):  # Source: RFC 9110, section 5.5
            self._respondToBadRequestAndDisconnect()
            return False
        try:
            return bool(super().headerReceived(line))
        except ValueError:  # thousands of digits in Content-Length
            self._respondToBadRequestAndDisconnect()
            return False

    def checkPersistence(self, request: Any, version: bytes) -> bool:
        """Called to know whether another request may follow this one."""
        return not (self.is_last_one() or is_last(request, version))

    def allHeadersReceived(self) -> None:
        """Called at the empty line."""
        if self.deaf:
            return
        exchange = self.requests[-1]
        try:
            check_framing(exchange, self.length)
        except Refusal as refusal:
            self.refuse(refusal)
            return
        self.expects_continue = False
        super().allHeadersReceived()
        self.in_head = False
        if self.length != 0:
            self.head_arrived(exchange)

    def _send100Continue(self) -> None:
        """Called for `Expect: 100-continue`."""
        self.expects_continue = True

    # -- the body --------------------------------------------------------------------------------
    def rawDataReceived(self, data: bytes) -> None:
        """
        Called with bytes of a body, and with what follows a running request.

        The base class keeps the latter without bound when the transport is full as well.
        """
        if self.deaf:
            return
        if self._ahead is not None:
            self._ahead += len(data)
            if self._ahead > AHEAD:
                self.transport.pauseProducing()
        super().rawDataReceived(data)

    def allContentReceived(self) -> None:
        """Called at the end of a request, with or without body."""
        if self.deaf:
            return
        self._head_size = self._head_lines = 0
        self._ahead = 0
        self.whole_arrived()
        super().allContentReceived()

    def requestDone(self, request: Any) -> None:
        """Parse what follows an answered request, or close the connection."""
        self._ahead = None
        super().requestDone(request)

    def _respondToBadRequestAndDisconnect(self) -> None:
        """Called for what is no HTTP/1.1."""
        if self.deaf:
            return
        if self.line_mode:
            self.refuse(Refusal(400, "BadRequest", "this is not a valid HTTP/1.1 request"))
        else:
            self.framing_broke()
