"""What a request must look like for us to be sure where it ends, beyond twisted.web's checks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from godos.web.channel_exchange import ChannelExchange

_ABSOLUTE = re.compile(rb"https?://([^/?#]*)([^#]*)", re.IGNORECASE)
_CONTROL = bytes(range(33)) + b"\x7f"


class Refusal(Exception):
    """The request is answered with `status` and `code`, and the connection closed."""

    def __init__(self, status: int, code: str, problem: str) -> None:
        super().__init__(problem)
        self.status = status
        self.code = code


def read_request_line(line: bytes) -> tuple[bytes, bytes, bytes, bytes | None]:
    """
    Method, target, version and, for an absolute target, its authority.

    The target may hold raw bytes above 127: many clients send UTF-8 names as they are.
    The parser checks method and version.

    Raises:
        Refusal: it is no request line.  Source: RFC 9112, section 3.
    """
    parts = line.split(b" ")
    if len(parts) != 3:
        raise Refusal(400, "BadRequest", "the request line is not METHOD TARGET HTTP/1.1")
    method, target, version = parts
    if len(target.translate(None, _CONTROL)) != len(target):
        raise Refusal(400, "InvalidURI", "the target holds control characters: encode them as %XX")
    if target.startswith(b"/") or (target == b"*" and method == b"OPTIONS"):
        return method, target, version, None
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        raise Refusal(400, "InvalidURI", "the target must begin with /")
    path = match[2] if match[2].startswith(b"/") else b"/" + match[2]
    return method, path, version, match[1]


def is_last(exchange: ChannelExchange, version: bytes) -> bool:
    """Whether the client wants no other request on the connection.  HTTP/1.0 never does."""
    connection = exchange.header(b"connection")
    if version != b"HTTP/1.1":
        return True
    return connection is not None and b"close" in re.split(rb"[\s,]+", connection.lower())


def check_framing(exchange: ChannelExchange, length: int | None) -> None:
    """
    Refuse what two servers could read as different requests.

    Args:
        length: what the parser made of it: None is chunked, 0 is no body.

    Raises:
        Refusal: Source: RFC 9112, sections 3.2 and 6.1.
    """
    hosts = sum(1 for name, _ in exchange.headers() if name == b"host")
    if hosts > 1 or (hosts == 0 and exchange.version == b"HTTP/1.1"):
        raise Refusal(400, "BadRequest", "an HTTP/1.1 request has exactly one Host header")
    coding = exchange.header(b"transfer-encoding")
    if coding is not None:
        if exchange.version != b"HTTP/1.1":
            raise Refusal(400, "BadRequest", "Transfer-Encoding needs HTTP/1.1")
        if length is not None:
            raise Refusal(501, "NotImplemented", "the only Transfer-Encoding known is chunked")
        if coding.lower() != b"chunked":
            raise Refusal(400, "BadRequest", "Transfer-Encoding is chunked and nothing else")
