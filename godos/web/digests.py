"""
The digests that HTTP's own headers announce of a body: header values to raw bytes.

Each function yields (algorithm, digest) for what can be checked; others are left out.
"""

from __future__ import annotations

from binascii import Error as NotBase64
from binascii import a2b_base64
from collections.abc import Iterator

from godos.model.errors import InvalidDigest

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


READERS = {
    b"content-md5": content_md5,
    b"digest": digest,
    b"content-digest": content_digest,
    b"repr-digest": content_digest,
}
