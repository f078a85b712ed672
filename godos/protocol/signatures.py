"""What all ways of signing a request have in common: its parts, its time, its refusal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

from attrs import define

from godos.model.errors import AccessDenied

SKEW = 900  # seconds that a signer's clock may differ from ours, as S3 has it
UNSIGNED = b"UNSIGNED-PAYLOAD"
_BASIC = re.compile(rb"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z")
_TIMES = 256  # texts of times remembered: the requests of a second share one


class SignatureRefused(AccessDenied):
    """
    A request, or a part of its body, is not signed as it must be.  Nothing was done.

    `code` is S3's name for it; `fields` are further elements of the error's body.
    """

    def __init__(self, code: str, message: str, fields: Mapping[str, str | int] = {}) -> None:
        super().__init__(message)
        self.code = code
        self.fields = fields


@define
class RequestHead:
    """
    What signatures cover of a request.

    `path` and `query` are the two parts of the raw target; `headers` have lower-case names,
    several of a name joined with a comma.
    """

    method: bytes
    path: bytes
    query: bytes
    headers: Mapping[bytes, bytes]


def joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers in order as a mapping, several of a name joined with a comma."""
    together: dict[bytes, bytes] = {}
    for name, value in headers:
        together[name] = b"%s,%s" % (together[name], value) if name in together else value
    return together


@lru_cache(_TIMES)
def basic_time(text: bytes) -> int | None:
    """Seconds since the epoch of `20130524T000000Z`; None when it is no such time."""
    match = _BASIC.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    try:
        return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
    except ValueError:
        return None


@lru_cache(_TIMES)
def http_time(text: bytes) -> int | None:
    """
    Seconds since the epoch of a `Date` header, or None.

    Old clients write it in many ways (`+0000` for `GMT`, a wrong day of the week).
    """
    try:
        date = parsedate_to_datetime(text.decode("ascii"))
        return int(date.replace(tzinfo=date.tzinfo or UTC).timestamp())
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None


def to_basic(seconds: int) -> bytes:
    """Seconds since the epoch as `20130524T000000Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%SZ").encode("ascii")


def to_iso(seconds: float) -> str:
    """Seconds since the epoch as `2013-05-24T00:00:00Z`."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def check_skew(signed: int, shown: bytes, now: float) -> None:
    """
    Compare a signer's clock with ours.

    Args:
        shown: the time as the request says it.

    Raises:
        SignatureRefused: they differ by more than `SKEW`.
    """
    if abs(signed - now) > SKEW:
        raise SignatureRefused(
            "RequestTimeTooSkewed",
            "the difference between the request's time and this server's is too large: set the "
            "clock of the client",
            {
                "RequestTime": shown.decode("latin-1"),
                "ServerTime": to_iso(now),
                "MaxAllowedSkewMilliseconds": SKEW * 1000,
            },
        )


def expired(expires: float, now: float, seconds: int | None = None) -> SignatureRefused:
    """What to say of a signature, or a policy, whose time has passed."""
    fields: dict[str, str | int] = {} if seconds is None else {"X-Amz-Expires": seconds}
    fields |= {"Expires": to_iso(expires), "ServerTime": to_iso(now)}
    return SignatureRefused("AccessDenied", "the request has expired: sign it again", fields)


def unknown_key(access_key: str) -> SignatureRefused:
    """What to say of an access key that nobody has."""
    return SignatureRefused(
        "InvalidAccessKeyId",
        "this server knows no access key of this id",
        {"AWSAccessKeyId": access_key},
    )


def mismatch(access_key: str, fields: Mapping[str, str | int] = {}) -> SignatureRefused:
    """What to say of a signature that is another than the one that was computed here."""
    return SignatureRefused(
        "SignatureDoesNotMatch",
        "the signature is not the one that was computed here: check the secret key, and "
        "whether something on the way changed the request",
        {"AWSAccessKeyId": access_key, **fields},
    )


def shown_bytes(raw: bytes) -> str:
    """Bytes as S3 shows those that were signed: in hex."""
    return raw.hex(" ")
