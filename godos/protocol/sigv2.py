"""
Signature version 2, which old clients use: in a header, or in the query.

Sans-IO.  Source: Amazon S3 User Guide, "Signing and authenticating REST requests (AWS
signature version 2)".  Stricter than that page in one thing: every parameter that chooses
an operation is signed, also those that are younger than the page, so that a signed request
cannot be made to do something else.
"""

from __future__ import annotations

import hmac
import re
from binascii import b2a_base64
from collections.abc import Iterable, Mapping
from urllib.parse import unquote_to_bytes

from attrs import define

from godos.protocol.signatures import (
    RequestHead,
    SignatureRefused,
    basic_time,
    check_skew,
    expired,
    http_time,
    mismatch,
    shown_bytes,
)
from godos.protocol.sigv4_canonical import Pairs, canonical_path, without_secrets

SCHEME = b"AWS"
_KEY, _SIGNATURE, _EXPIRES = b"AWSAccessKeyId", b"Signature", b"Expires"
PARAMETERS = (_KEY, _SIGNATURE, _EXPIRES)
_AMZ = b"x-amz-"
_STANDARD = (b"content-md5", b"content-type")
_DIGITS = re.compile(rb"[0-9]{1,15}")
_CREDENTIAL = re.compile(rb"([^\s:]+(?::[^\s:]+)*):([A-Za-z0-9+/=]+)")

# Parameters that are signed: they choose the operation, or a version, or what is answered.
SIGNED = frozenset(
    b"""
    abac accelerate acl analytics annotation attributes cors defaultObjectAcl delete encryption
    intelligent-tiering inventory legal-hold lifecycle location logging
    metadataAnnotationTable metadataConfiguration metadataInventoryTable metadataJournalTable
    metadataTable metrics notification object-lock ownershipControls partNumber policy
    policyStatus publicAccessBlock renameObject replication requestPayment
    response-cache-control response-content-disposition response-content-encoding
    response-content-language response-content-type response-expires restore retention select
    select-type session storageClass tagging torrent uploadId uploads versionId versioning
    versions website
    """.split()
)


@define
class Claim:
    """
    What a request says of its signature.  Nothing of it is verified yet.

    `date` is as it is signed: of the Date header, or empty when x-amz-date has it, or the
    `Expires` of a presigned URL.  `signed_at` and `expires` are seconds since the epoch.
    """

    access_key: str
    signature: bytes
    date: bytes
    signed_at: int | None
    expires: int | None = None


def from_header(value: bytes, headers: Mapping[bytes, bytes]) -> Claim:
    """
    Read `AWS <access key>:<signature>`.

    Args:
        value: of the Authorization header.

    Raises:
        SignatureRefused: it cannot be read, or the request has no date.
    """
    match = _CREDENTIAL.fullmatch(value[len(SCHEME) + 1 :].strip())
    access_key = _text(match[1]) if match else None
    if match is None or access_key is None:
        raise SignatureRefused(
            "InvalidArgument",
            "the authorization header is invalid: it is AWS <access key>:<signature>",
            {"ArgumentName": "Authorization"},
        )
    amz = headers.get(b"x-amz-date")
    text = amz if amz is not None else headers.get(b"date", b"")
    seconds = basic_time(text)
    if seconds is None:
        seconds = http_time(text)
    if seconds is None or seconds < 0:
        raise SignatureRefused(
            "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"
        )
    return Claim(access_key, match[2], b"" if amz is not None else text, seconds)


def is_presigned(pairs: Pairs) -> bool:
    """Whether a query claims to be signed by version 2."""
    return any(name in (_KEY, _SIGNATURE) for name, _ in pairs)


def from_query(pairs: Pairs) -> Claim:
    """
    Read the parameters of a presigned URL.

    Raises:
        SignatureRefused: one is missing, came twice, or makes no sense.
    """
    given: dict[bytes, bytes] = {}
    for name, value in pairs:
        if name in PARAMETERS:
            if name in given:
                raise _denied(f"the parameter {name.decode()} came more than once")
            given[name] = value
    if not all(given.get(name) for name in PARAMETERS):
        raise _denied(
            "query-string authentication requires the Signature, Expires and AWSAccessKeyId "
            "parameters"
        )
    access_key = _text(given[_KEY])
    if access_key is None or _DIGITS.fullmatch(given[_EXPIRES]) is None:
        raise _denied("Expires should be seconds since the epoch, and the access key a text")
    return Claim(access_key, given[_SIGNATURE], given[_EXPIRES], None, int(given[_EXPIRES]))


def _denied(message: str) -> SignatureRefused:
    return SignatureRefused("AccessDenied", message)


def _text(raw: bytes) -> str | None:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


def check_time(claim: Claim, shown: bytes, now: float) -> None:
    """
    Check when it was signed, and how long it is good for.

    Args:
        shown: the date as the request says it.

    Raises:
        SignatureRefused: it has passed, or is too far from ours.
    """
    if claim.expires is not None and now > claim.expires:
        raise expired(claim.expires, now)
    if claim.signed_at is not None:
        check_skew(claim.signed_at, shown, now)


def verify(claim: Claim, secret: str, head: RequestHead, pairs: Pairs, bucket: bytes) -> None:
    """
    Check the signature of a request.

    Args:
        pairs: the decoded parameters of the query.
        bucket: named by the Host header and not by the path, or empty.

    Raises:
        SignatureRefused: it was signed with another secret, or changed since.
    """
    headers = head.headers if claim.expires is None else with_hoisted(head.headers, pairs)
    signed = b""
    # Some clients sign a bucket's path with a slash at its end, and send it without.
    paths = [head.path, canonical_path(head.path)]
    if not bucket and head.path.count(b"/") == 1 and head.path != b"/":
        paths.append(head.path + b"/")
    for path in dict.fromkeys(paths):
        resource = (b"/%s%s" % (bucket, path) if bucket else path) + _subresources(head.query)
        signed = string_to_sign(head.method, headers, claim.date, resource)
        if hmac.compare_digest(sign(secret, signed), claim.signature):
            return
    raise mismatch(
        claim.access_key,
        {
            "StringToSign": without_secrets(signed),
            "SignatureProvided": claim.signature.decode("latin-1"),
            "StringToSignBytes": shown_bytes(without_secrets(signed).encode("utf-8")),
        },
    )


def sign(secret: str, text: bytes) -> bytes:
    """A signature in base64."""
    return b2a_base64(hmac.digest(secret.encode("utf-8"), text, "sha1"), newline=False)


def with_hoisted(headers: Mapping[bytes, bytes], pairs: Pairs) -> Mapping[bytes, bytes]:
    """The headers of a request and those that its presigned URL carries."""
    together = dict(headers)
    for name, value in pairs:
        lower = name.lower()
        if lower.startswith(_AMZ):
            there = together.get(lower, value)  # some clients send it both ways
            together[lower] = value if there == value else b"%s,%s" % (there, value)
        elif lower in _STANDARD:
            together.setdefault(lower, value)
    return together


def string_to_sign(
    method: bytes, headers: Mapping[bytes, bytes], date: bytes, resource: bytes
) -> bytes:
    """What is signed of a request; `resource` is in canonical form."""
    amz = sorted(name for name in headers if name.startswith(_AMZ))
    lines = [b"%s:%s\n" % (name, headers[name].strip()) for name in amz]
    first = (method, *(headers.get(name, b"").strip() for name in _STANDARD), date.strip())
    return b"\n".join((*first, b"".join(lines) + resource))


def _subresources(query: bytes) -> bytes:
    """The signed parameters of a raw query, decoded, in the order of their names."""
    found = [(name, equals, value) for name, equals, value in _decoded(query) if name in SIGNED]
    found.sort(key=lambda parameter: parameter[0])
    return b"?" + b"&".join(map(b"".join, found)) if found else b""


def _decoded(query: bytes) -> Iterable[tuple[bytes, bytes, bytes]]:
    for part in query.split(b"&"):
        name, equals, value = part.partition(b"=")
        yield unquote_to_bytes(name), equals, unquote_to_bytes(value.replace(b"+", b" "))
