"""Whatever arrives in the place of a signature is let in or refused, and never a fault."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from godos.model.errors import GodosError
from tests.unit.web.fakes import FakeExchange
from tests.unit.web.s3.signing import (
    HOST,
    KEY,
    Signed,
    authentication,
    body_of,
    caller_of,
    header_v2,
    header_v4,
    query_v2,
    query_v4,
    result_of,
    signed,
)

PIECES = [
    b"AWS4-HMAC-SHA256 ",
    b"AWS ",
    b"Credential=",
    b"SignedHeaders=",
    b"Signature=",
    b",",
    b"/",
    b"=",
    b":",
    b";",
    KEY.encode(),
    b"/20260101/us-east-1/s3/aws4_request",
    b"host;x-amz-date",
    b"0" * 64,
]
RAW = st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=10).map(b"".join)
HEADER = RAW.map(lambda raw: bytes(byte for byte in raw if byte not in b"\r\n\0").strip())
PARAMETERS = [
    b"X-Amz-Algorithm=AWS4-HMAC-SHA256",
    b"X-Amz-Credential=" + KEY.encode() + b"%2F20260101%2Fus-east-1%2Fs3%2Faws4_request",
    b"X-Amz-Date=20260101T000000Z",
    b"X-Amz-Expires=600",
    b"X-Amz-Expires=",
    b"X-Amz-SignedHeaders=host",
    b"X-Amz-Signature=" + b"0" * 64,
    b"X-Amz-Content-Sha256=x",
    b"AWSAccessKeyId=" + KEY.encode(),
    b"Signature=x",
    b"Expires=9999999999",
    b"x-amz-acl=private",
    b"acl",
    b"%",
    b"%zz=%",
]
QUERY = st.lists(st.sampled_from(PARAMETERS) | st.binary(max_size=6), max_size=10).map(b"&".join)
DATES = st.sampled_from([b"", b"20260101T000000Z", b"Tue, 27 Mar 2007 21:20:26 +0000"]) | HEADER
PAYLOADS = st.sampled_from(
    [
        b"UNSIGNED-PAYLOAD",
        b"STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        b"0" * 64,
        b"",
    ]
)
NAMES = st.sampled_from(
    [
        b"authorization",
        b"x-amz-trailer",
        b"x-amz-decoded-content-length",
        b"content-encoding",
        b"x-amz-security-token",
    ]
)


def handle(exchange: FakeExchange) -> None:
    with suppress(GodosError):
        body_of(caller_of(exchange))


@settings(max_examples=400, deadline=None)
@given(
    HEADER,
    QUERY,
    DATES,
    PAYLOADS,
    st.lists(st.tuples(NAMES, HEADER), max_size=3),
    st.binary(max_size=30),
)
def test_requests(
    authorization: bytes,
    query: bytes,
    date: bytes,
    payload: bytes,
    more: list[tuple[bytes, bytes]],
    body: bytes,
) -> None:
    """Any header, query, date and body is an answer for the client."""
    headers = [(b"host", HOST.encode()), (b"x-amz-date", date), (b"x-amz-content-sha256", payload)]
    for signed_by in ([(b"authorization", authorization)], []):
        lines: list[tuple[str, bytes]] = [
            (name.decode(), value) for name, value in [*headers, *signed_by, *more]
        ]
        handle(FakeExchange("PUT", b"/b/k?" + query, lines, body))  # type: ignore[arg-type]


ORIGINALS = [
    signed(sign, "PUT", "/photos/cat.jpg?versionId=a", {"x-amz-meta-a": "b"}, b"hello")
    for sign in (header_v4, query_v4, header_v2, query_v2)
]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(ORIGINALS),
    st.integers(0, 2000),
    st.binary(max_size=3).filter(lambda raw: not set(raw) & set(b"\r\n\0")),
    st.integers(0, 3),
)
def test_signed_requests_that_were_damaged(
    original: object, at: int, text: bytes, cut: int
) -> None:
    """A signed request with some bytes changed is an answer for the client."""

    assert isinstance(original, Signed)
    target = original.target.encode()
    at %= len(target)
    damaged = target[:at] + text + target[at + cut :]
    handle(FakeExchange("PUT", damaged, original.headers, b"hello"))
    value = original.headers.get("Authorization", "").encode()
    value = value[: at % (len(value) + 1)] + text + value[at % (len(value) + 1) + cut :]
    headers = {**original.headers, "Authorization": value}
    handle(FakeExchange("PUT", target, headers, b"hello"))


FIELDS = [
    "policy",
    "signature",
    "awsaccesskeyid",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-signature",
    "key",
]


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(FIELDS),
        st.text(max_size=10)
        | st.sampled_from(
            [
                "AWS4-HMAC-SHA256",
                f"{KEY}/20260101/us-east-1/s3/aws4_request",
                "20260101T000000Z",
                "0" * 64,
                KEY,
            ]
        ),
    )
)
def test_forms(fields: dict[str, str]) -> None:
    """Any fields of a form are an answer for the client."""
    with suppress(GodosError):
        exchange = FakeExchange("POST", "/b")
        result_of(authentication().authenticate_form(exchange, fields, "b"))
