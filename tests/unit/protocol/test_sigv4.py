"""Signature version 4, compared with the examples that AWS publishes."""

from __future__ import annotations

from calendar import timegm

import pytest

from godos.protocol import sigv4, sigv4_claims
from godos.protocol.signatures import RequestHead, SignatureRefused, basic_time, http_time
from godos.protocol.sigv4_canonical import (
    canonical_headers,
    canonical_path,
    canonical_query,
    query_pairs,
)

# Source: Amazon S3 API Reference, "Examples: Signature Calculations in AWS Signature
# Version 4" and "Authenticating Requests: Using Query Parameters".
ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
DATE = b"20130524T000000Z"
NOW = timegm((2013, 5, 24, 0, 0, 0))
EMPTY = b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
WELCOME = b"44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
HOST = b"examplebucket.s3.amazonaws.com"
CREDENTIAL = b"AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"

CUSTOMER_KEY = b"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

Headers = dict[bytes, bytes]


def authorization(names: bytes, signature: bytes) -> bytes:
    return b"AWS4-HMAC-SHA256 Credential=%s,SignedHeaders=%s,Signature=%s" % (
        CREDENTIAL,
        names,
        signature,
    )


def verify(
    method: bytes, path: bytes, query: bytes, headers: Headers, names: bytes, signature: bytes
) -> None:
    headers = {b"host": HOST, b"x-amz-date": DATE, **headers}
    claim = sigv4_claims.from_header(authorization(names, signature), headers)
    assert claim.access_key == ACCESS_KEY
    sigv4.check_scope(claim, {b"us-east-1"}, "us-east-1")
    sigv4.check_time(claim, NOW)
    sigv4.check_headers(claim, headers)
    sigv4.verify(claim, SECRET, RequestHead(method, path, query, headers), query_pairs(query))


EXAMPLES = {
    "get an object": (
        b"GET",
        b"/test.txt",
        b"",
        {b"range": b"bytes=0-9", b"x-amz-content-sha256": EMPTY},
        b"host;range;x-amz-content-sha256;x-amz-date",
        b"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    "put an object": (
        b"PUT",
        b"/test$file.text",
        b"",
        {
            b"date": b"Fri, 24 May 2013 00:00:00 GMT",
            b"x-amz-storage-class": b"REDUCED_REDUNDANCY",
            b"x-amz-content-sha256": WELCOME,
        },
        b"date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        b"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ),
    "get a lifecycle": (
        b"GET",
        b"/",
        b"lifecycle",
        {b"x-amz-content-sha256": EMPTY},
        b"host;x-amz-content-sha256;x-amz-date",
        b"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    ),
    "list objects": (
        b"GET",
        b"/",
        b"prefix=J&max-keys=2",
        {b"x-amz-content-sha256": EMPTY},
        b"host;x-amz-content-sha256;x-amz-date",
        b"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
}


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_published_examples_are_let_in(
    example: tuple[bytes, bytes, bytes, Headers, bytes, bytes],
) -> None:
    """The requests that AWS's documentation signs are signed correctly."""
    verify(*example)


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_a_changed_digit_is_refused(
    example: tuple[bytes, bytes, bytes, Headers, bytes, bytes],
) -> None:
    """The same requests with another signature are refused."""
    *request, signature = example
    changed = (b"0" if signature[:1] != b"0" else b"1") + signature[1:]
    with pytest.raises(SignatureRefused) as refused:
        verify(*request, changed)  # type: ignore[arg-type]
    assert refused.value.code == "SignatureDoesNotMatch"


PRESIGNED = (
    b"X-Amz-Algorithm=AWS4-HMAC-SHA256"
    b"&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
    b"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    b"&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
)


def test_the_published_presigned_url_is_let_in_for_a_day() -> None:
    """The URL that AWS's documentation presigns is good for 86400 seconds, and then not."""
    pairs, headers = query_pairs(PRESIGNED), {b"host": HOST}
    claim = sigv4_claims.from_query(pairs, headers)
    sigv4.check_headers(claim, headers)
    sigv4.verify(claim, SECRET, RequestHead(b"GET", b"/test.txt", PRESIGNED, headers), pairs)
    for now in (NOW - 900, NOW, NOW + 86400):
        sigv4.check_time(claim, now)
    for now, said in ((NOW - 901, "not valid yet"), (NOW + 86401, "expired")):
        with pytest.raises(SignatureRefused, match=said) as refused:
            sigv4.check_time(claim, now)
        assert refused.value.code == "AccessDenied"


def test_an_error_tells_what_was_signed_but_no_secret() -> None:
    """Whoever signed wrongly sees what the server signed, without keys of any kind."""
    headers = {
        b"x-amz-content-sha256": EMPTY,
        b"x-amz-server-side-encryption-customer-key": CUSTOMER_KEY,
    }
    names = b"host;x-amz-content-sha256;x-amz-date;x-amz-server-side-encryption-customer-key"
    with pytest.raises(SignatureRefused) as refused:
        verify(b"GET", b"/k", b"", headers, names, b"0" * 64)
    fields = refused.value.fields
    assert fields["AWSAccessKeyId"] == ACCESS_KEY
    assert str(fields["StringToSign"]).startswith("AWS4-HMAC-SHA256\n20130524T000000Z\n")
    assert "x-amz-server-side-encryption-customer-key:(not shown)\n" in str(
        fields["CanonicalRequest"]
    )
    told = str(fields) + str(refused.value)
    assert SECRET not in told and CUSTOMER_KEY.decode() not in told
    claim = sigv4_claims.from_header(
        authorization(names, b"0" * 64), {**headers, b"x-amz-date": DATE}
    )
    assert sigv4.signing_key(SECRET, claim.date, claim.region).hex() not in told


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        (b"/", b"/"),
        (b"/bucket/a//b/../c", b"/bucket/a//b/../c"),  # keys are not normalised
        (b"/bucket/a%2Fb", b"/bucket/a/b"),
        (b"/a%2Fb/c", b"/a%2Fb/c"),  # where a bucket ends does not depend on the reader
        (b"/bucket/%7e%41", b"/bucket/~A"),
        (b"/bucket/a+b c*", b"/bucket/a%2Bb%20c%2A"),
        (b"/bucket/%c3%a9", b"/bucket/%C3%A9"),
    ],
)
def test_paths_have_one_canonical_spelling(raw: bytes, canonical: bytes) -> None:
    """A path is encoded in one way only, and otherwise left as it is."""
    assert canonical_path(raw) == canonical


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        (b"", b""),
        (b"acl", b"acl="),
        (b"b=2&a=1&&a=0", b"a=0&a=1&b=2"),
        (b"a-b=1&a=1", b"a=1&a-b=1"),  # by names, and not by `name=value`
        (b"prefix=a/b&x=%7e", b"prefix=a%2Fb&x=~"),
        (b"a=b+c&d+e=f", b"a=b%20c&d%2Be=f"),  # a plus is a space in values only
        (b"a=b=c", b"a=b%3Dc"),
    ],
)
def test_queries_have_one_canonical_spelling(raw: bytes, canonical: bytes) -> None:
    """Parameters are encoded in one way and sorted by name, then by value."""
    assert canonical_query(query_pairs(raw)) == canonical


def test_runs_of_spaces_in_headers_count_as_one() -> None:
    """Proxies may change the spaces of a header; its signature stays good."""
    lines = canonical_headers({b"a": b" x   y ", b"b": b"1\t2"}, [b"a", b"b", b"c"])
    assert lines == [b"a:x y", b"b:1 2", b"c:"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"20130524T000000Z", NOW),
        (b"20130524T000000", None),
        (b"20131324T000000Z", None),
        (b"", None),
    ],
)
def test_times_of_version_4(text: bytes, seconds: int | None) -> None:
    """A time is written in one way, and is a day that exists."""
    assert basic_time(text) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"Fri, 24 May 2013 00:00:00 GMT", NOW),
        (b"Fri, 24 May 2013 00:00:00 +0000", NOW),
        (b"Fri, 24 May 2013 02:00:00 +0200", NOW),
        (b"Mon, 24 May 2013 00:00:00 GMT", NOW),  # the weekday is wrong, the time is not
        (b"Bad Date", None),
        (b"", None),
        (b"\xff", None),
        (b"Fri, 99 May 2013 00:00:00 GMT", None),
    ],
)
def test_times_of_old_clients(text: bytes, seconds: int | None) -> None:
    """Dates are read as old clients write them."""
    assert http_time(text) == seconds


def test_signing_keys_differ_by_secret_day_and_region() -> None:
    """A key that leaked is good for one day and region of one secret only."""
    keys = {
        sigv4.signing_key(secret, day, region)
        for secret in (SECRET, SECRET + "x")
        for day in (b"20130524", b"20130525")
        for region in (b"us-east-1", b"eu-west-1")
    }
    assert len(keys) == 8
