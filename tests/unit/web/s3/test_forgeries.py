"""
Forgeries: requests that were signed and then changed, replayed or made up.

Each is the request of somebody who saw a signed one and does not know the secret.  All are
refused, with S3's code for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from attrs import evolve

from godos.model.errors import GodosError, PayloadMismatch
from tests.unit.web.s3.signing import (
    WAYS,
    Sign,
    Signed,
    body_of,
    caller_of,
    code_of,
    header_v2,
    header_v4,
    query_v2,
    query_v4,
    signed,
)

Change = Callable[[Signed], Signed]


def refused(request: Signed, ahead: float = 0.0) -> str:
    """The code with which a request, or its body, is refused."""
    with pytest.raises(GodosError) as error:
        body_of(caller_of(request.exchange(), ahead))
    return code_of(error.value)


def target(pattern: str, replacement: str) -> Change:
    def change(request: Signed) -> Signed:
        changed = re.sub(pattern, replacement, request.target)
        assert changed != request.target, "nothing was changed"
        return evolve(request, target=changed)

    return change


def header(name: str, value: str | None) -> Change:
    return lambda request: request.with_header(name, value)


def in_header(name: str, pattern: str, replacement: str) -> Change:
    def change(request: Signed) -> Signed:
        value = next(v for k, v in request.headers.items() if k.lower() == name.lower())
        changed = re.sub(pattern, replacement, value)
        assert changed != value, "nothing was changed"
        return request.with_header(name, changed)

    return change


def authorization(pattern: str, replacement: str) -> Change:
    return in_header("Authorization", pattern, replacement)


def method(other: str) -> Change:
    return lambda request: evolve(request, method=other)


def twice(name: str) -> Change:
    """The same parameter again, with another value."""
    return lambda request: evolve(request, target=f"{request.target}&{name}=x")


def a_minute_later(request: Signed) -> Signed:
    time = datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    later = time + timedelta(minutes=1 if time.strftime("%H%M") != "2359" else -1)
    return request.with_header("X-Amz-Date", later.strftime("%Y%m%dT%H%M%SZ"))


def original(sign: Sign) -> Signed:
    return signed(
        sign,
        "PUT",
        "/photos/cat.jpg?versionId=abc",
        {"x-amz-meta-a": "b", "Content-Type": "image/jpeg"},
        b"hello",
    )


@pytest.mark.parametrize("sign", WAYS.values(), ids=WAYS)
def test_the_original_is_let_in(sign: Sign) -> None:
    """Without a change all of these requests are good: what is refused is the change."""
    assert body_of(caller_of(original(sign).exchange())) == b"hello"


MISMATCH = "SignatureDoesNotMatch"

EVERYWHERE: dict[str, tuple[Change, str]] = {
    "another method": (method("DELETE"), MISMATCH),
    "another key": (target("cat", "dog"), MISMATCH),
    "another bucket": (target("/photos/", "/secrets/"), MISMATCH),
    "a key in other letters": (target("cat", "CAT"), MISMATCH),
    "a key that resolves to the same": (target("/cat", "/./cat"), MISMATCH),
    "a key encoded twice": (target("cat", "%2563at"), MISMATCH),
    "a trailing slash": (target(r"cat\.jpg", "cat.jpg/"), MISMATCH),
    "a sub-resource more": (target(r"\?", "?acl&"), MISMATCH),
    "a sub-resource more, encoded": (target(r"\?", "?%61cl&"), MISMATCH),
    "another version": (target("versionId=abc", "versionId=def"), MISMATCH),
    "no version": (target("versionId=abc&?", ""), MISMATCH),
    "a parameter twice": (target("versionId=abc", "versionId=abc&versionId=abc"), MISMATCH),
    "other metadata": (header("x-amz-meta-a", "c"), MISMATCH),
    "a session token": (header("x-amz-security-token", "abc"), "InvalidToken"),
}


@pytest.mark.parametrize(("change", "code"), EVERYWHERE.values(), ids=EVERYWHERE)
@pytest.mark.parametrize("sign", WAYS.values(), ids=WAYS)
def test_changes_that_every_signature_covers(sign: Sign, change: Change, code: str) -> None:
    """What is asked for cannot be changed, however the request was signed."""
    assert refused(change(original(sign))) == code


V4_HEADER: dict[str, tuple[Change, str]] = {
    "any parameter more": (target("$", "&prefix=a"), MISMATCH),
    "another host": (header("Host", "elsewhere:8030"), MISMATCH),
    "no host": (header("Host", None), MISMATCH),
    "no metadata": (header("x-amz-meta-a", None), MISMATCH),
    "another type": (header("Content-Type", "text/html"), MISMATCH),
    "another time": (in_header("X-Amz-Date", "..Z$", "99Z"), "AccessDenied"),
    "a time a minute later": (a_minute_later, MISMATCH),
    "another day": (
        lambda request: request.with_header("X-Amz-Date", "20200101T000000Z"),
        "AuthorizationHeaderMalformed",
    ),
    "no time": (header("X-Amz-Date", None), "AccessDenied"),
    "another body's hash": (header("X-Amz-Content-SHA256", "0" * 64), MISMATCH),
    "an unsigned body": (header("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD"), MISMATCH),
    "no word of the body": (header("X-Amz-Content-SHA256", None), "InvalidRequest"),
    "an unsigned copy source": (header("x-amz-copy-source", "/secrets/k"), "AccessDenied"),
    "an unsigned acl": (header("x-amz-acl", "public-read"), "AccessDenied"),
    "unsigned metadata": (header("x-amz-meta-b", "c"), "AccessDenied"),
    "an unsigned checksum": (header("x-amz-checksum-crc32", "AAAAAA=="), "AccessDenied"),
    "a signed header taken off the list": (
        authorization(";x-amz-meta-a", ""),
        "AccessDenied",
    ),
    "the host taken off the list": (authorization("host;", ""), "AccessDenied"),
    "a header put on the list": (authorization("host;", "host;range;"), MISMATCH),
    "a header twice on the list": (
        authorization("host;", "host;host;"),
        "AuthorizationHeaderMalformed",
    ),
    "a list in other letters": (authorization("host;", "Host;"), "AuthorizationHeaderMalformed"),
    "an unknown key": (authorization("GODOSALICE", "GODOSMALLO"), "InvalidAccessKeyId"),
    "another user's key": (authorization("GODOSALICEKEY00001", "GODOSROOTKEY000001"), MISMATCH),
    "another signature": (
        authorization("Signature=.", "Signature=g"),
        "AuthorizationHeaderMalformed",
    ),
    "a signature of zeros": (authorization("Signature=.*", "Signature=" + "0" * 64), MISMATCH),
    "a shorter signature": (
        authorization("Signature=.*", "Signature=00"),
        "AuthorizationHeaderMalformed",
    ),
    "an empty signature": (
        authorization("Signature=.*", "Signature="),
        "AuthorizationHeaderMalformed",
    ),
    "no signature": (authorization(", Signature=.*", ""), "AuthorizationHeaderMalformed"),
    "two signatures": (
        authorization("$", ", Signature=" + "0" * 64),
        "AuthorizationHeaderMalformed",
    ),
    "another day's scope": (
        authorization(r"/20\d{6}/", "/20200101/"),
        "AuthorizationHeaderMalformed",
    ),
    "another region's scope": (
        authorization("/us-east-1/", "/eu-west-1/"),
        "AuthorizationHeaderMalformed",
    ),
    "another accepted region's scope": (authorization("/us-east-1/", "/auto/"), MISMATCH),
    "another service's scope": (authorization("/s3/", "/sqs/"), "AuthorizationHeaderMalformed"),
    "another terminator": (
        authorization("aws4_request", "aws4_reply"),
        "AuthorizationHeaderMalformed",
    ),
    "nothing but the scheme": (
        header("Authorization", "AWS4-HMAC-SHA256"),
        "AuthorizationHeaderMalformed",
    ),
    "another scheme": (authorization("^AWS4-HMAC-SHA256", "Bearer"), "InvalidArgument"),
    "an asymmetric scheme": (
        authorization("^AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
        "InvalidArgument",
    ),
    "an empty header": (header("Authorization", ""), "AccessDenied"),
    "a second way": (target("$", "&X-Amz-Algorithm=AWS4-HMAC-SHA256"), "InvalidArgument"),
    "a second, old way": (
        target("$", "&Signature=x&AWSAccessKeyId=y&Expires=1"),
        "InvalidArgument",
    ),
    "a session token in the query": (target("$", "&X-Amz-Security-Token=x"), "InvalidToken"),
}

V4_QUERY: dict[str, tuple[Change, str]] = {
    "any parameter more": (target("$", "&prefix=a"), MISMATCH),
    "a header as a parameter": (target("$", "&x-amz-acl=public-read"), MISMATCH),
    "a copy source as a parameter": (target("$", "&x-amz-copy-source=%2Fa%2Fb"), MISMATCH),
    "another host": (header("Host", "elsewhere:8030"), MISMATCH),
    "another type": (header("Content-Type", "text/html"), MISMATCH),
    "an unsigned copy source": (header("x-amz-copy-source", "/secrets/k"), "AccessDenied"),
    "an unsigned acl": (header("x-amz-acl", "public-read"), "AccessDenied"),
    "another word of the body": (header("x-amz-content-sha256", "0" * 64), MISMATCH),
    "a longer life": (target("X-Amz-Expires=600", "X-Amz-Expires=60000"), MISMATCH),
    "over a week": (
        target("X-Amz-Expires=600", "X-Amz-Expires=604801"),
        "AuthorizationQueryParametersError",
    ),
    "no life": (target("X-Amz-Expires=600", "X-Amz-Expires=0"), "AccessDenied"),
    "a negative life": (target("X-Amz-Expires=600", "X-Amz-Expires=-7"), "AccessDenied"),
    "a life that is no number": (
        target("X-Amz-Expires=600", "X-Amz-Expires=1e3"),
        "AuthorizationQueryParametersError",
    ),
    "another day": (
        target(r"X-Amz-Date=20\d{6}", "X-Amz-Date=20200101"),
        "AuthorizationQueryParametersError",
    ),
    "a time that is none": (
        target(r"X-Amz-Date=[0-9TZ]*", "X-Amz-Date=now"),
        "AuthorizationQueryParametersError",
    ),
    "the host taken off the list": (
        target("SignedHeaders=[^&]*", "SignedHeaders=x-amz-meta-a"),
        "AccessDenied",
    ),
    "an unknown key": (target("GODOSALICE", "GODOSMALLO"), "InvalidAccessKeyId"),
    "another user's key": (target("GODOSALICEKEY00001", "GODOSROOTKEY000001"), MISMATCH),
    "another signature": (target("X-Amz-Signature=.*", "X-Amz-Signature=" + "0" * 64), MISMATCH),
    "no signature": (target("&X-Amz-Signature=.*", ""), "AuthorizationQueryParametersError"),
    "another region": (target("us-east-1", "eu-west-1"), "AuthorizationQueryParametersError"),
    "another service": (target("%2Fs3%2F", "%2Fsqs%2F"), "AuthorizationQueryParametersError"),
    "another algorithm": (
        target("=AWS4-HMAC-SHA256", "=AWS4-HMAC-SHA1"),
        "AuthorizationQueryParametersError",
    ),
    "a second way": (header("Authorization", "AWS a:b"), "InvalidArgument"),
    "a second, old way": (twice("Signature"), "InvalidArgument"),
    "a session token": (target("$", "&X-Amz-Security-Token=x"), "InvalidToken"),
    **{
        f"{name} twice": (twice(name), "AuthorizationQueryParametersError")
        for name in (
            "X-Amz-Algorithm",
            "X-Amz-Credential",
            "X-Amz-Date",
            "X-Amz-Expires",
            "X-Amz-SignedHeaders",
            "X-Amz-Signature",
        )
    },
}

V2_HEADER: dict[str, tuple[Change, str]] = {
    "another type": (header("Content-Type", "text/html"), MISMATCH),
    "a digest more": (header("Content-MD5", "XUFAKrxLKna5cZ2REBfFkg=="), MISMATCH),
    "no metadata": (header("x-amz-meta-a", None), MISMATCH),
    "a copy source": (header("x-amz-copy-source", "/secrets/k"), MISMATCH),
    "an acl": (header("x-amz-acl", "public-read"), MISMATCH),
    "another time": (header("Date", "Tue, 27 Mar 2007 21:20:26 +0000"), "RequestTimeTooSkewed"),
    "a time before all times": (header("Date", "Tue, 07 Jul 1950 21:53:04 GMT"), "AccessDenied"),
    "a time after all times": (
        header("Date", "Tue, 07 Jul 9999 21:53:04 GMT"),
        "RequestTimeTooSkewed",
    ),
    "another time beside": (
        header("x-amz-date", "Tue, 27 Mar 2007 21:20:26 +0000"),
        "RequestTimeTooSkewed",
    ),
    "a time that is none": (header("Date", "Bad Date"), "AccessDenied"),
    "an empty time beside": (header("x-amz-date", ""), "AccessDenied"),
    "no time": (header("Date", None), "AccessDenied"),
    "an unknown key": (authorization("GODOSALICE", "GODOSMALLO"), "InvalidAccessKeyId"),
    "another user's key": (authorization("GODOSALICEKEY00001", "GODOSROOTKEY000001"), MISMATCH),
    "another signature": (authorization(":.*", ":FWeDfwojDSdS2Ztmpfeubhd9isU="), MISMATCH),
    "an empty signature": (authorization(":.*", ":"), "InvalidArgument"),
    "nothing but the scheme": (header("Authorization", "AWS HAHAHA"), "InvalidArgument"),
    "a second way": (target("$", "&Signature=x&AWSAccessKeyId=y&Expires=1"), "InvalidArgument"),
    "a second, new way": (target("$", "&X-Amz-Signature=x"), "InvalidArgument"),
}

V2_QUERY: dict[str, tuple[Change, str]] = {
    "another type": (header("Content-Type", "text/html"), MISMATCH),
    "a digest more": (header("Content-MD5", "XUFAKrxLKna5cZ2REBfFkg=="), MISMATCH),
    "a copy source": (header("x-amz-copy-source", "/secrets/k"), MISMATCH),
    "a copy source as a parameter": (target("$", "&x-amz-copy-source=%2Fa%2Fb"), MISMATCH),
    "other metadata as a parameter": (target("x-amz-meta-a=b", "x-amz-meta-a=c"), MISMATCH),
    "a longer life": (target(r"Expires=\d+", "Expires=9999999999"), MISMATCH),
    "a shorter life": (target(r"Expires=\d+", "Expires=1"), "AccessDenied"),
    "a life that is no number": (target(r"Expires=\d+", "Expires=never"), "AccessDenied"),
    "no life": (target(r"&Expires=\d+", ""), "AccessDenied"),
    "no signature": (target("&Signature=[^&]*", ""), "AccessDenied"),
    "no key": (target("AWSAccessKeyId=[^&]*&", ""), "AccessDenied"),
    "an unknown key": (target("GODOSALICE", "GODOSMALLO"), "InvalidAccessKeyId"),
    "another user's key": (target("GODOSALICEKEY00001", "GODOSROOTKEY000001"), MISMATCH),
    "another signature": (target("Signature=...", "Signature=AAA"), MISMATCH),
    "a second way": (header("Authorization", "AWS a:b"), "InvalidArgument"),
    "a second, new way": (twice("X-Amz-Signature"), "InvalidArgument"),
    "a session token": (target("$", "&x-amz-security-token=x"), "InvalidToken"),
    **{
        f"{name} twice": (twice(name), "AccessDenied")
        for name in ("AWSAccessKeyId", "Signature", "Expires")
    },
}

TABLES: list[tuple[str, Sign, dict[str, tuple[Change, str]]]] = [
    ("v4 header", header_v4, V4_HEADER),
    ("v4 query", query_v4, V4_QUERY),
    ("v2 header", header_v2, V2_HEADER),
    ("v2 query", query_v2, V2_QUERY),
]


@pytest.mark.parametrize(
    ("sign", "change", "code"),
    [
        pytest.param(sign, change, code, id=f"{way}-{name}")
        for way, sign, table in TABLES
        for name, (change, code) in table.items()
    ],
)
def test_forgeries(sign: Sign, change: Change, code: str) -> None:
    """A request that is not the one that was signed is refused, and the client is told why."""
    assert refused(change(original(sign))) == code


LATE: list[tuple[str, Sign, float, str]] = [
    ("v4 header, replayed", header_v4, 3600, "RequestTimeTooSkewed"),
    ("v4 header, from the future", header_v4, -3600, "RequestTimeTooSkewed"),
    ("v4 query, expired", query_v4, 602, "AccessDenied"),
    ("v4 query, from the future", query_v4, -3600, "AccessDenied"),
    ("v2 header, replayed", header_v2, 3600, "RequestTimeTooSkewed"),
    ("v2 header, from the future", header_v2, -3600, "RequestTimeTooSkewed"),
    ("v2 query, expired", query_v2, 602, "AccessDenied"),
]


@pytest.mark.parametrize(
    ("sign", "ahead", "code"), [row[1:] for row in LATE], ids=[r[0] for r in LATE]
)
def test_signatures_at_another_time(sign: Sign, ahead: float, code: str) -> None:
    """A signature is good for a while, and not before."""
    assert refused(original(sign), ahead) == code


@pytest.mark.parametrize("body", [b"hellO", b"", b"hello!", b"hell"])
def test_another_body(body: bytes) -> None:
    """A body that is not the one whose digest was signed is refused before its end."""
    request = evolve(original(header_v4), body=body)
    with pytest.raises(PayloadMismatch):
        body_of(caller_of(request.exchange()))


def test_what_must_be_signed_is_told() -> None:
    """The client reads which headers were not signed."""
    request = original(header_v4).with_header("x-amz-acl", "public-read")
    with pytest.raises(GodosError) as error:
        caller_of(request.exchange())
    assert error.value.fields["HeadersNotSigned"] == "x-amz-acl"  # type: ignore[attr-defined]
