"""Status lines and headers, from values to bytes."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus

from twisted.internet.interfaces import IReactorTime

from godos.web.dates import http_date
from godos.web.exchange import Headers

SERVER = b"godos"
NO_BODY = frozenset((204, 304))
CONTENT_LENGTH = b"content-length"


@cache
def status_line(status: int) -> bytes:
    """`HTTP/1.1 404 Not Found`, its end of line and the Server header."""
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Unknown"
    return b"HTTP/1.1 %d %s\r\nServer: %s\r\n" % (status, reason.encode(), SERVER)


class Heads:
    """Renders the heads of answers; the Date is rendered once a second."""

    def __init__(self, clock: IReactorTime) -> None:
        self._seconds = clock.seconds
        self._second = -1
        self._date = b""

    def date(self) -> bytes:
        """The value of the Date header."""
        now = int(self._seconds())
        if now != self._second:
            self._second, self._date = now, http_date(now)
        return self._date

    def render(
        self,
        status: int,
        headers: Headers,
        request_id: str,
        length: int | None = None,
        close: bool = False,
    ) -> bytes:
        """
        All up to the empty line.

        Args:
            length: written as Content-Length; None when `headers` have it, or none is due.
            close: say that the connection ends with this answer.
        """
        lines = [
            status_line(status),
            b"Date: %s\r\n" % self.date(),
            b"x-amz-request-id: %s\r\n" % request_id.encode(),
        ]
        if length is not None:
            lines.append(b"Content-Length: %d\r\n" % length)
        if close:
            lines.append(b"Connection: close\r\n")
        breaks = len(lines) + 2 + len(headers)  # the first line holds two, the last is empty
        lines += [b"%s: %s\r\n" % header for header in headers]
        lines.append(b"\r\n")
        head = b"".join(lines)
        if head.count(b"\n") != breaks or head.count(b"\r") != breaks:
            return self.render(status, _on_one_line(headers), request_id, length, close)
        return head


def _on_one_line(headers: Headers) -> Headers:
    """A value with line breaks in it would be read as several headers."""
    return [(b" ".join(name.split()), b" ".join(value.splitlines())) for name, value in headers]


def announced_length(headers: Headers) -> int | None:
    """The Content-Length among the headers of an answer."""
    for name, value in headers:
        if name.lower() == CONTENT_LENGTH:
            return int(value)
    return None
