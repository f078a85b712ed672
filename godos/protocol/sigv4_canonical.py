"""
The canonical form of a request, which signature version 4 signs.

Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import unquote_to_bytes

_PLAIN = re.compile(rb"[A-Za-z0-9\-._~]*")
_OTHERS = re.compile(rb"[^A-Za-z0-9\-._~]")
_OTHERS_OF_PATH = re.compile(rb"[^A-Za-z0-9\-._~/]")
_PATH = re.compile(rb"[A-Za-z0-9\-._~/]*")
_ENCODED = {bytes((byte,)): b"%%%02X" % byte for byte in range(256)}
_SECRET_HEADER = re.compile(
    rb"^(x-amz-(?:copy-source-)?server-side-encryption-customer-key:).*$", re.MULTILINE
)

Pairs = Sequence[tuple[bytes, bytes]]


def _encode(match: re.Match[bytes]) -> bytes:
    return _ENCODED[match[0]]


def uri_encode(raw: bytes) -> bytes:
    """Percent-encode all but letters, digits and `-._~`."""
    return _OTHERS.sub(_encode, raw)


def query_pairs(query: bytes) -> list[tuple[bytes, bytes]]:
    """
    Names and values of a raw query, decoded, in their order.

    A `+` is a space in values only, as `web.target.parse_query` reads them: what is signed
    must be what is acted on.
    """
    pairs = []
    for part in query.split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            pairs.append((unquote_to_bytes(name), unquote_to_bytes(value.replace(b"+", b" "))))
    return pairs


def canonical_query(pairs: Pairs, without: bytes = b"") -> bytes:
    """Decoded parameters, those named `without` left out, encoded and sorted."""
    encoded = sorted(
        (
            name if _PLAIN.fullmatch(name) else uri_encode(name),
            value if _PLAIN.fullmatch(value) else uri_encode(value),
        )
        for name, value in pairs
        if name != without
    )
    return b"&".join([b"%s=%s" % pair for pair in encoded])


def canonical_path(raw: bytes) -> bytes:
    """
    A raw path as most signers write it: decoded, and strictly encoded again.

    Slashes of the key may be encoded on the wire (`a%2Fb` and `a/b` name one key), but not
    so the bucket's: where it ends must not depend on how one reads it.
    """
    if _PATH.fullmatch(raw):
        return raw
    bucket, slash, key = raw[1:].partition(b"/")
    return b"/%s%s%s" % (
        uri_encode(unquote_to_bytes(bucket)),
        slash,
        _OTHERS_OF_PATH.sub(_encode, unquote_to_bytes(key)),
    )


def canonical_headers(headers: Mapping[bytes, bytes], names: Sequence[bytes]) -> list[bytes]:
    """A line for each of `names`, runs of spaces made one; what did not come is empty."""
    lines = []
    for name in names:
        value = headers.get(name, b"")
        if b"  " in value or b"\t" in value or value[:1] == b" " or value[-1:] == b" ":
            value = b" ".join(value.split())
        lines.append(b"%s:%s" % (name, value))
    return lines


def canonical_request(
    method: bytes, path: bytes, query: bytes, headers: Sequence[bytes], names: bytes, payload: bytes
) -> bytes:
    """
    Put the parts together.

    Args:
        path, query, headers: in canonical form.
        names: of the signed headers, joined with semicolons.
        payload: the hex SHA-256 of the body, or what stands for it.
    """
    return b"\n".join((method, path, query, *headers, b"", names, payload))


def without_secrets(canonical: bytes) -> str:
    """A canonical request to be shown to whoever signed it."""
    return _SECRET_HEADER.sub(rb"\1(not shown)", canonical).decode("utf-8", "backslashreplace")
