"""What a request says of its body, and the body that must keep it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256

from attrs import frozen

from godos.deferreds import InThread
from godos.model.bodies import IBody
from godos.model.errors import PayloadMismatch
from godos.protocol.aws_chunked import Decoder
from godos.protocol.signatures import UNSIGNED
from godos.protocol.sigv4_chunks import ChunkSignatures
from godos.web.errors import InvalidArgument, MissingContentLength, UnsupportedFeature
from godos.web.s3.body_readings import ChunkedReading, HashedReading
from godos.web.s3.signed_body import CheckedBody

SIGNED_CHUNKS = b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_CHUNKS_TRAILER = b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_CHUNKS_TRAILER = b"STREAMING-UNSIGNED-PAYLOAD-TRAILER"

_CHUNKED = (SIGNED_CHUNKS, SIGNED_CHUNKS_TRAILER, UNSIGNED_CHUNKS_TRAILER)
_HEX = re.compile(rb"[0-9a-fA-F]{64}")
_DIGITS = re.compile(rb"[0-9]{1,19}")
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_OF_NOTHING = sha256(b"").digest()
_MOST_TRAILERS = 16


@frozen
class Payload:
    """
    A body in the form in which it is to be stored.

    `sha256` is the digest that was announced, raw.  `bare` is the same body but nobody has
    compared it with `sha256`: for those who hash it anyway.  `trailers` are the names, in
    lower case, of what comes after the bytes: then `body` is a `CheckedBody`.
    """

    body: IBody
    bare: IBody
    sha256: bytes | None = None
    trailers: tuple[bytes, ...] = ()


def plain(body: IBody) -> Payload:
    """A body of which nothing is known."""
    return Payload(body, body)


def is_chunked(payload: bytes | None, headers: Mapping[bytes, bytes]) -> bool:
    """
    Whether a body has the framing of aws-chunked.

    Clients that sign by version 2, or not at all, say so without x-amz-content-sha256; the
    Content-Encoding alone means nothing, since it may be the object's.
    """
    if payload is not None:
        return payload in _CHUNKED
    return b"aws-chunked" in headers.get(b"content-encoding", b"").lower() and (
        b"x-amz-decoded-content-length" in headers or b"x-amz-trailer" in headers
    )


def announced(
    payload: bytes | None,
    headers: Mapping[bytes, bytes],
    body: IBody,
    in_thread: InThread,
    signatures: ChunkSignatures | None = None,
) -> Payload:
    """
    The body of a request.

    Args:
        payload: the x-amz-content-sha256, if there was one.
        signatures: of its chunks; None verifies none.

    Raises:
        InvalidArgument: a header of it makes no sense.
        MissingContentLength: the decoded length is not announced, and could be.
        PayloadMismatch: there is no body, but one was announced.
        UnsupportedFeature: its chunks are signed in a way that is not known here.
    """
    if is_chunked(payload, headers):
        return _chunked(payload, headers, body, in_thread, signatures)
    if payload is None or payload == UNSIGNED:
        return plain(body)
    if payload[:10] == b"STREAMING-":
        raise UnsupportedFeature(f"bodies are not taken in the form {_shown(payload)}")
    if _HEX.fullmatch(payload) is None:
        raise InvalidArgument(
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or "
            f"the 64 hex digits of a SHA-256, not {_shown(payload)}"
        )
    digest = bytes.fromhex(payload.decode("ascii"))
    if body.length == 0:
        if digest != _OF_NOTHING:
            raise PayloadMismatch("there is no body, but x-amz-content-sha256 is that of one")
        return Payload(body, body, digest)
    checked = CheckedBody(body, body.length, HashedReading(digest), in_thread)
    return Payload(checked, body, digest)


def _chunked(
    payload: bytes | None,
    headers: Mapping[bytes, bytes],
    body: IBody,
    in_thread: InThread,
    signatures: ChunkSignatures | None,
) -> Payload:
    length = _decoded_length(headers)
    if length is None and body.length is not None:
        raise MissingContentLength("an aws-chunked body comes with x-amz-decoded-content-length")
    trailers = () if payload == SIGNED_CHUNKS else _trailers(headers)
    signed = payload in (SIGNED_CHUNKS, SIGNED_CHUNKS_TRAILER)
    reading = ChunkedReading(Decoder(signed, trailers, length), signatures if signed else None)
    checked = CheckedBody(body, length, reading, in_thread)
    return Payload(checked, checked, None, trailers)


def _decoded_length(headers: Mapping[bytes, bytes]) -> int | None:
    text = headers.get(b"x-amz-decoded-content-length")
    if text is None:
        return None
    if _DIGITS.fullmatch(text) is None:
        raise InvalidArgument("x-amz-decoded-content-length is a number of bytes")
    return int(text)


def _trailers(headers: Mapping[bytes, bytes]) -> tuple[bytes, ...]:
    text = headers.get(b"x-amz-trailer", b"").strip()
    names = tuple(name.strip().lower() for name in text.split(b",")) if text else ()
    fits = len(names) <= _MOST_TRAILERS and len(set(names)) == len(names)
    if not fits or not all(map(_TOKEN.fullmatch, names)):
        raise InvalidArgument("x-amz-trailer names what comes after the body, each once")
    return names


def _shown(payload: bytes) -> str:
    return ascii(payload[:100].decode("latin-1"))
