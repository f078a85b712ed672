"""Where requests say how they are signed by version 4: in a header, or in their query."""

from __future__ import annotations

import re
from collections.abc import Mapping

from godos.protocol.signatures import (
    UNSIGNED,
    SignatureRefused,
    basic_time,
    http_time,
    to_basic,
)
from godos.protocol.sigv4 import ALGORITHM, LONGEST, SIGNATURE, TERMINATOR, Claim
from godos.protocol.sigv4_canonical import Pairs

SHA256_HEADER = b"x-amz-content-sha256"
_ALGORITHM = b"X-Amz-Algorithm"
_CREDENTIAL = b"X-Amz-Credential"
_DATE = b"X-Amz-Date"
_EXPIRES = b"X-Amz-Expires"
_SIGNED = b"X-Amz-SignedHeaders"
_SHA256 = b"X-Amz-Content-Sha256"
_NEEDED = (_ALGORITHM, _CREDENTIAL, SIGNATURE, _DATE, _SIGNED, _EXPIRES)
PARAMETERS = frozenset((*_NEEDED, _SHA256))
_STANDARD = (b"content-md5", b"content-type")  # so does version 2
_OWN = frozenset(name.lower() for name in PARAMETERS)

_HEX = re.compile(rb"[0-9a-f]{64}")
_NAMES = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+(?:;[!#$%&'*+\-.^_`|~0-9a-z]+)*")
_DIGITS = re.compile(rb"-?[0-9]{1,18}")
_REGION = re.compile(rb"[A-Za-z0-9_-]{0,64}")


def _header_malformed(message: str) -> SignatureRefused:
    return SignatureRefused(
        "AuthorizationHeaderMalformed", f"the authorization header is malformed; {message}"
    )


def _query_error(message: str) -> SignatureRefused:
    return SignatureRefused("AuthorizationQueryParametersError", message)


def from_header(value: bytes, headers: Mapping[bytes, bytes]) -> Claim:
    """
    Read `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`.

    Args:
        value: of the Authorization header.

    Raises:
        SignatureRefused: it cannot be read, or its request lacks a date or a payload hash.
    """
    given: dict[bytes, bytes] = {}
    for part in value[len(ALGORITHM) :].split(b","):
        name, equals, text = part.strip().partition(b"=")
        if not equals or name in given:
            raise _header_malformed("it is a list of Name=value, each name once")
        given[name] = text
    for name in (b"Credential", b"SignedHeaders", b"Signature"):
        if name not in given:
            raise _header_malformed(f"it lacks {name.decode()}")
    problem = problem_of(given[b"Credential"], given[b"SignedHeaders"], given[b"Signature"])
    if problem:
        raise _header_malformed(problem)
    timestamp, signed_at = _time_of(headers)
    payload = headers.get(SHA256_HEADER)
    if payload is None:
        raise SignatureRefused(
            "InvalidRequest",
            "missing required header for this request: x-amz-content-sha256 (UNSIGNED-PAYLOAD "
            "will do)",
        )
    access_key, date, region, service, _ = given[b"Credential"].rsplit(b"/", 4)
    return Claim(
        access_key.decode("utf-8"),
        date,
        region,
        service,
        given[b"SignedHeaders"],
        given[b"Signature"],
        timestamp,
        signed_at,
        payload,
    )


def _time_of(headers: Mapping[bytes, bytes]) -> tuple[bytes, int]:
    """When a request was signed: x-amz-date, or else Date."""
    text = headers.get(b"x-amz-date") or headers.get(b"date") or b""
    seconds = basic_time(text)
    if seconds is not None:
        return text, seconds
    seconds = http_time(text)
    if seconds is None or seconds < 0:
        raise SignatureRefused(
            "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"
        )
    return to_basic(seconds), seconds


def problem_of(credential: bytes, signed_headers: bytes, signature: bytes) -> str:
    """What is wrong with the form of a claim, or nothing."""
    parts = credential.rsplit(b"/", 4)
    if len(parts) != 5 or not parts[0] or parts[4] != TERMINATOR:
        return "the credential is <access key>/<date>/<region>/s3/aws4_request"
    if not _is_text(parts[0]) or _REGION.fullmatch(parts[2]) is None:
        return "the credential holds an impossible character"
    if _NAMES.fullmatch(signed_headers) is None:
        return "the signed headers are names in lower case, joined with semicolons"
    names = signed_headers.split(b";")
    if len(set(names)) != len(names):
        return "a signed header is named twice"
    if _HEX.fullmatch(signature) is None:
        return "the signature is 64 hex digits in lower case"
    return ""


def _is_text(raw: bytes) -> bool:
    try:
        return raw.decode("utf-8").isprintable()
    except UnicodeDecodeError:
        return False


def is_presigned(pairs: Pairs) -> bool:
    """Whether a query claims to be signed by version 4."""
    return any(name in (_ALGORITHM, _CREDENTIAL, SIGNATURE) for name, _ in pairs)


def from_query(pairs: Pairs, headers: Mapping[bytes, bytes]) -> Claim:
    """
    Read the `X-Amz-…` parameters of a presigned URL.

    Raises:
        SignatureRefused: one is missing, came twice, or makes no sense.
    """
    given: dict[bytes, bytes] = {}
    for name, value in pairs:
        if name in PARAMETERS:
            if name in given:
                raise _query_error(f"the parameter {name.decode()} came more than once")
            given[name] = value
    if not all(given.get(name) for name in _NEEDED):
        names = ", ".join(name.decode() for name in _NEEDED)
        raise _query_error(f"query-string authentication version 4 requires {names}")
    if given[_ALGORITHM] != ALGORITHM:
        raise _query_error(f"X-Amz-Algorithm only supports {ALGORITHM.decode()}")
    problem = problem_of(given[_CREDENTIAL], given[_SIGNED], given[SIGNATURE])
    if problem:
        raise _query_error(f"error parsing the parameters of the signature; {problem}")
    signed_at = basic_time(given[_DATE])
    if signed_at is None:
        raise _query_error("X-Amz-Date must be in the ISO8601 Long Format yyyyMMdd'T'HHmmss'Z'")
    access_key, date, region, service, _ = given[_CREDENTIAL].rsplit(b"/", 4)
    return Claim(
        access_key.decode("utf-8"),
        date,
        region,
        service,
        given[_SIGNED],
        given[SIGNATURE],
        given[_DATE],
        signed_at,
        payload_of(pairs, headers),
        _lifetime(given[_EXPIRES]),
    )


def _lifetime(text: bytes) -> int:
    """
    Seconds that a presigned URL is good for.

    None at all, or fewer, is a URL that has expired when it was made.
    """
    if _DIGITS.fullmatch(text) is None:
        raise _query_error("X-Amz-Expires should be a number")
    seconds = int(text)
    if seconds > LONGEST:
        raise _query_error(f"X-Amz-Expires must be at most a week: {LONGEST} seconds")
    return seconds


def payload_of(pairs: Pairs, headers: Mapping[bytes, bytes]) -> bytes:
    """What stands for the body of a presigned request: nothing, unless it says more."""
    given = next((value for name, value in pairs if name == _SHA256), b"")
    return given or headers.get(SHA256_HEADER) or UNSIGNED


def is_hoisted(lower: bytes) -> bool:
    """Whether a parameter of a presigned URL, named in lower case, is a header there."""
    return lower in _STANDARD or (lower[:6] == b"x-amz-" and lower not in _OWN)


def hoisted(pairs: Pairs, headers: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """
    The headers that a presigned URL carries as parameters and that did not come as headers.

    Their names are in lower case.

    Raises:
        SignatureRefused: one came twice, or as a header of another value.
    """
    found: dict[bytes, bytes] = {}
    for name, value in pairs:
        lower = name.lower()
        if not is_hoisted(lower):
            continue
        if found.get(lower, value) != value or headers.get(lower, value) != value:
            raise SignatureRefused(
                "InvalidArgument",
                f"{lower.decode('latin-1')} came more than once, with different values",
                {"ArgumentName": lower.decode("latin-1")},
            )
        found[lower] = value
    return [(name, value) for name, value in found.items() if name not in headers]


def session_token_refused() -> SignatureRefused:
    """What to say of credentials that a token service gave: there is none here."""
    return SignatureRefused(
        "InvalidToken", "this server gives no session tokens and takes none; leave it out"
    )
