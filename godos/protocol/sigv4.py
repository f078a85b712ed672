"""
Signature version 4: keys, what is signed, and whether a request is signed as it says.

Sans-IO.  Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature
Version 4)".
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

from attrs import define

from godos.protocol.signatures import (
    SKEW,
    RequestHead,
    SignatureRefused,
    check_skew,
    expired,
    mismatch,
    shown_bytes,
    to_iso,
)
from godos.protocol.sigv4_canonical import (
    Pairs,
    canonical_headers,
    canonical_path,
    canonical_query,
    canonical_request,
    without_secrets,
)

ALGORITHM = b"AWS4-HMAC-SHA256"
SIGNATURE = b"X-Amz-Signature"  # the parameter that is not signed
SERVICE = b"s3"
TERMINATOR = b"aws4_request"
LONGEST = 604800  # seconds that a presigned URL may be good for
_BOUND = (b"x-amz-date", b"x-amz-content-sha256")  # signed by their values, in any case
_BLOCK = 64  # bytes that SHA-256 takes at once
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
_KEYS = 1024  # signing keys remembered: each is good for one day and region


@define
class Claim:
    """
    What a request says of its signature.  Nothing of it is verified yet.

    `timestamp` is as it was signed (`20130524T000000Z`) and `signed_at` the same in seconds
    since the epoch.  `expires` are the seconds that a presigned URL is good for, None in a
    header.  `payload` stands for the body: hex digits, or one of S3's words.
    """

    access_key: str
    date: bytes
    region: bytes
    service: bytes
    signed_headers: bytes
    signature: bytes
    timestamp: bytes
    signed_at: int
    payload: bytes
    expires: int | None = None

    @property
    def scope(self) -> bytes:
        """What the signing key is good for."""
        return b"%s/%s/%s/%s" % (self.date, self.region, self.service, TERMINATOR)

    def malformed(self, message: str, **fields: str) -> SignatureRefused:
        """What to say of a claim that contradicts itself."""
        if self.expires is None:
            return SignatureRefused("AuthorizationHeaderMalformed", message, fields)
        return SignatureRefused("AuthorizationQueryParametersError", message, fields)


@lru_cache(_KEYS)
def signing_key(secret: str, date: bytes, region: bytes, service: bytes = SERVICE) -> bytes:
    """The key that signs all requests of one day in one region."""
    key = b"AWS4" + secret.encode("utf-8")
    for part in (date, region, service, TERMINATOR):
        key = hmac.digest(key, part, "sha256")
    return key


@lru_cache(_KEYS)
def _begun(key: bytes) -> tuple[Any, Any]:
    """The two hashes of an HMAC, which have taken the key.  Source: RFC 2104."""
    padded = key.ljust(_BLOCK, b"\0")
    return sha256(padded.translate(_INNER)), sha256(padded.translate(_OUTER))


def sign(key: bytes, text: bytes) -> bytes:
    """
    A signature (HMAC-SHA256) in hex, with a key of `signing_key`.

    `hmac.digest` gives the interpreter's lock away for these few bytes, and to get it back
    takes many times as long as they do.
    """
    begun, around = _begun(key)
    within = begun.copy()
    within.update(text)
    around = around.copy()
    around.update(within.digest())
    signature: str = around.hexdigest()
    return signature.encode("ascii")


def check_scope(claim: Claim, regions: Collection[bytes], region: str) -> None:
    """
    Check what the signing key is good for.

    Args:
        regions: those that a signature may name; `region` is the one to be told.

    Raises:
        SignatureRefused: it is for another place or day.
    """
    if claim.service != SERVICE:
        raise claim.malformed(f"the service of the credential's scope is {SERVICE.decode()}")
    if claim.region not in regions:
        given = claim.region.decode("latin-1")
        raise claim.malformed(f"the region {given!r} is wrong; expecting {region!r}", Region=region)
    if claim.date != claim.timestamp[:8]:
        raise claim.malformed("the date of the credential's scope is not that of the request")


def check_time(claim: Claim, now: float) -> None:
    """
    Check when it was signed, and how long it is good for.

    Raises:
        SignatureRefused: it is for another time.
    """
    if claim.expires is None:
        check_skew(claim.signed_at, claim.timestamp, now)
    else:
        _check_lifetime(claim, claim.expires, now)


def _check_lifetime(claim: Claim, expires: int, now: float) -> None:
    if claim.signed_at - now > SKEW:
        raise SignatureRefused(
            "AccessDenied",
            "the request is not valid yet: set the clock of whoever signed it",
            {"RequestTime": to_iso(claim.signed_at), "ServerTime": to_iso(now)},
        )
    if now > claim.signed_at + expires:
        raise expired(claim.signed_at + expires, now, expires)


def check_headers(claim: Claim, headers: Mapping[bytes, bytes]) -> None:
    """
    Refuse a request with a header that changes its meaning and that nobody signed.

    Raises:
        SignatureRefused: such a header is not signed.
    """
    signed = frozenset(claim.signed_headers.split(b";"))
    if b"host" not in signed:
        raise SignatureRefused(
            "AccessDenied", "the Host header must be signed", {"HeadersNotSigned": "host"}
        )
    missing = [
        name
        for name in headers
        if name[:6] == b"x-amz-" and name not in signed and name not in _BOUND
    ]
    if missing:
        raise SignatureRefused(
            "AccessDenied",
            "there were headers present in the request which were not signed",
            {"HeadersNotSigned": b", ".join(missing).decode("latin-1")},
        )


def verify(claim: Claim, secret: str, head: RequestHead, pairs: Pairs) -> bytes:
    """
    Check the signature of a request, and answer the signing key, for its chunks.

    Args:
        pairs: the decoded parameters of the query.

    Raises:
        SignatureRefused: it was signed with another secret, or changed since.
    """
    key = signing_key(secret, claim.date, claim.region, claim.service)
    query = canonical_query(pairs, SIGNATURE if claim.expires is not None else b"")
    names = claim.signed_headers
    lines = canonical_headers(head.headers, names.split(b";"))

    def text(path: bytes) -> tuple[bytes, bytes]:
        canonical = canonical_request(head.method, path, query, lines, names, claim.payload)
        return canonical, string_to_sign(claim, canonical)

    canonical, signed = text(head.path)
    if hmac.compare_digest(sign(key, signed), claim.signature):
        return key
    other = canonical_path(head.path)
    if other != head.path:  # the client signed one spelling of the key and sent another
        canonical, signed = text(other)
        if hmac.compare_digest(sign(key, signed), claim.signature):
            return key
    raise mismatch(
        claim.access_key,
        {
            "StringToSign": signed.decode("latin-1"),
            "SignatureProvided": claim.signature.decode("latin-1"),
            "StringToSignBytes": shown_bytes(signed),
            "CanonicalRequest": without_secrets(canonical),
        },
    )


def string_to_sign(claim: Claim, canonical: bytes) -> bytes:
    """What is signed of a canonical request."""
    digest = sha256(canonical).hexdigest().encode("ascii")
    return b"\n".join((ALGORITHM, claim.timestamp, claim.scope, digest))
