"""The digests that a client announces of a body: header values to raw bytes."""

from __future__ import annotations

import re
from binascii import Error as NotBase64
from binascii import a2b_base64
from collections.abc import Iterator

from godos.model.errors import InvalidDigest
from godos.web.errors import InvalidArgument, UnsupportedFeature

_HEX_SHA256 = re.compile(rb"[0-9a-fA-F]{64}")
NO_AWS_CHUNKED = (
    "bodies in aws-chunked form (x-amz-content-sha256: STREAMING-…) are not taken yet; "
    "send the bytes as they are, with UNSIGNED-PAYLOAD or their SHA-256"
)

# Each yields (algorithm, digest) for what can be checked; other algorithms are left out.
Announced = Iterator[tuple[str, bytes]]


def _base64(name: bytes, value: bytes, length: int) -> bytes:
    try:
        digest = a2b_base64(value, strict_mode=True)
    except NotBase64:
        digest = b""
    if len(digest) != length:
        raise InvalidDigest(f"{name.decode()} is not the base64 of {length} bytes")
    return digest


def content_md5(name: bytes, value: bytes) -> Announced:
    """`Content-MD5: <base64>`.  Source: RFC 1864."""
    yield "md5", _base64(name, value, 16)


def checksum_sha256(name: bytes, value: bytes) -> Announced:
    """`x-amz-checksum-sha256: <base64>`."""
    yield "sha256", _base64(name, value, 32)


def digest(name: bytes, value: bytes) -> Announced:
    """`Digest: SHA-256=<base64>, MD5=<base64>`.  Source: RFC 3230."""
    for part in value.split(b","):
        algorithm, _, text = part.strip().partition(b"=")
        match algorithm.lower():
            case b"sha-256":
                yield "sha256", _base64(name, text, 32)
            case b"md5":
                yield "md5", _base64(name, text, 16)


def content_digest(name: bytes, value: bytes) -> Announced:
    """`sha-256=:<base64>:` of Content-Digest and Repr-Digest.  Source: RFC 9530."""
    for part in value.split(b","):
        algorithm, _, text = part.strip().partition(b"=")
        if algorithm == b"sha-256":
            if not (len(text) > 1 and text.startswith(b":") and text.endswith(b":")):
                raise InvalidDigest(f"{name.decode()} is written sha-256=:<base64>:")
            yield "sha256", _base64(name, text[1:-1], 32)


def content_sha256(name: bytes, value: bytes) -> Announced:
    """
    `x-amz-content-sha256: <hex>`, which signing clients send.

    Raises:
        UnsupportedFeature: the body is in aws-chunked form; as it is it would be stored wrong.
    """
    if value.startswith(b"STREAMING-"):
        raise UnsupportedFeature(NO_AWS_CHUNKED)
    if value == b"UNSIGNED-PAYLOAD":
        return
    if _HEX_SHA256.fullmatch(value) is None:
        raise InvalidArgument(
            f"{name.decode()} is UNSIGNED-PAYLOAD or the 64 hex digits of a SHA-256"
        )
    yield "sha256", bytes.fromhex(value.decode())


READERS = {
    b"content-md5": content_md5,
    b"digest": digest,
    b"content-digest": content_digest,
    b"repr-digest": content_digest,
    b"x-amz-checksum-sha256": checksum_sha256,
    b"x-amz-content-sha256": content_sha256,
}
