"""Headers of reads and uploads, dates, and what answers tell of an object."""

from __future__ import annotations

from base64 import b64encode
from hashlib import md5, sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.model.errors import (
    BadDigest,
    EntityTooLarge,
    GodosError,
    InvalidDigest,
    InvalidRequest,
    PreconditionFailed,
)
from godos.model.objects import ByteRange, GetRequest, ReadCondition
from godos.model.versions import UNCONDITIONAL, Attributes, ObjectVersion, WriteCondition
from godos.web.dates import http_date, listing_date, parse_http_date
from godos.web.errors import (
    ExpectationFailed,
    InvalidArgument,
    MetadataTooLarge,
    MissingContentLength,
    UnsupportedFeature,
)
from godos.web.headers import (
    describe,
    if_range_holds,
    not_modified,
    parse_etags,
    parse_range,
    read_request,
)
from godos.web.uploads import (
    MAX_SINGLE_PUT,
    check_expectation,
    check_length,
    put_request,
    refuse_unsupported,
    write_condition,
)
from tests.unit.web.fakes import FakeExchange

NOW = 1_700_000_000.0  # 14 November 2023
THEN = 784_111_777  # the date in RFC 9110


def version(**changes: Any) -> ObjectVersion:
    """A version with what a test cares for changed."""
    known: dict[str, Any] = {
        "bucket": "objects",
        "key": "k",
        "version_id": "v1",
        "seq": 1,
        "etag": "abc",
        "size": 3,
        "modified": THEN + 0.75,
        "incarnation": "0" * 32,
        "reference": "1" * 32,
        "rev": "2" * 32,
    }
    return ObjectVersion(**{**known, **changes})


def never() -> float:
    raise AssertionError("nobody needs the time for this")


# -- dates ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov  6 08:49:37 1994",
    ],
)
def test_the_three_forms_of_a_date(text: bytes) -> None:
    """A date may come in any form that HTTP ever had."""
    assert parse_http_date(text, NOW) == THEN


@pytest.mark.parametrize(
    ("text", "year"), [(b"26", 2026), (b"73", 2073), (b"74", 1974), (b"99", 1999), (b"00", 2000)]
)
def test_two_digits_of_a_year(text: bytes, year: int) -> None:
    """A year of two digits is at most 50 years ahead."""
    seconds = parse_http_date(b"Friday, 01-Jan-%s 00:00:00 GMT" % text, NOW)
    assert seconds is not None
    assert listing_date(seconds).startswith(f"{year}-01-01T00:00:00")


def test_a_leap_second_is_a_date() -> None:
    """The second 60 counts as the one before it."""
    leap = parse_http_date(b"Sat, 31 Dec 2016 23:59:60 GMT", NOW)
    assert leap == parse_http_date(b"Sat, 31 Dec 2016 23:59:59 GMT", NOW)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"yesterday",
        b"Sun, 06 Nov 1994 08:49:37",
        b"Sun, 06 Nov 1994 08:49:37 CET",
        b"Sun, 31 Feb 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 25:49:37 GMT",
        b"Sun, 6 Nov 1994 08:49:37 GMT",
        b"sun, 06 nov 1994 08:49:37 gmt",
        b"784111777",
        b"Sun, 06 Nov 0000 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:37 GMT\xff",
    ],
)
def test_what_is_no_date(text: bytes) -> None:
    """Anything else is no date."""
    assert parse_http_date(text, NOW) is None


@given(st.integers(0, 4_000_000_000))
def test_dates_come_back(seconds: int) -> None:
    """The date that is sent is read as the same second."""
    assert parse_http_date(http_date(seconds), NOW) == seconds


def test_dates_of_listings() -> None:
    """Listings tell the time to a millisecond."""
    assert listing_date(THEN + 0.25) == "1994-11-06T08:49:37.250Z"


# -- entity tags ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("raw", "strong", "any_strength"),
    [
        (b'"a"', ("a",), ("a",)),
        (b"a", ("a",), ("a",)),
        (b"*", ("*",), ("*",)),
        (b'"*"', (), ()),
        (b'"a", "b"', ("a", "b"), ("a", "b")),
        (b'"a","b" , c', ("a", "b", "c"), ("a", "b", "c")),
        (b'W/"a"', (), ("a",)),
        (b'W/"a", "b"', ("b",), ("a", "b")),
        (b'"a,b"', ("a,b",), ("a,b",)),
        (b'"a", ,, "b",', ("a", "b"), ("a", "b")),
        (b"", (), ()),
    ],
)
def test_lists_of_tags(raw: bytes, strong: tuple[str, ...], any_strength: tuple[str, ...]) -> None:
    """Tags lose their quotes; weak ones count only where weak ones may match."""
    assert parse_etags(raw, weak=False) == strong
    assert parse_etags(raw, weak=True) == any_strength


@pytest.mark.parametrize("raw", [b'"a', b'"a" "b"', b'a"b"', b'"a"b'])
def test_what_is_no_list_of_tags(raw: bytes) -> None:
    """A precondition that cannot be read is refused, never ignored."""
    with pytest.raises(InvalidArgument):
        parse_etags(raw, weak=True)


# -- ranges -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"bytes=0-4", ByteRange(0, 4)),
        (b"bytes=5-", ByteRange(5, None)),
        (b"bytes=-3", ByteRange(None, 3)),
        (b"bytes=-0", ByteRange(None, 0)),
        (b"Bytes= 0-4 ", ByteRange(0, 4)),
        (b"bytes=0-" + b"9" * 5000, ByteRange(0, 1 << 62)),
        (b"bytes=" + b"9" * 5000 + b"-", ByteRange(1 << 62, None)),
    ],
)
def test_ranges(raw: bytes, expected: ByteRange) -> None:
    """One range is understood: from here to there, from here on, or the last bytes."""
    assert parse_range(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"bytes=4-0",
        b"bytes=0-1,5-6",
        b"bytes=-",
        b"bytes=",
        b"bytes",
        b"items=0-4",
        b"bytes=a-b",
        b"bytes=0--4",
        b"bytes=--4",
        b"bytes=+1-2",
        b"bytes=1.5-2",
        b"bytes=\xb2-3",
        b"",
    ],
)
def test_senseless_ranges(raw: bytes) -> None:
    """Several ranges, other units and nonsense get the whole object, as from S3."""
    assert parse_range(raw) is None


# -- reads ------------------------------------------------------------------------------
def test_a_plain_read() -> None:
    """A read without conditions asks for nothing special."""
    assert read_request(FakeExchange("GET", "/b/k"), None, never) == GetRequest()


def test_all_that_a_read_can_ask() -> None:
    """Version, range and the four preconditions are passed on."""
    exchange = FakeExchange(
        "GET",
        "/b/k",
        {
            "Range": "bytes=1-2",
            "If-Match": '"a"',
            "If-None-Match": 'W/"b", "c"',
            "If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT",
            "If-Unmodified-Since": "Sun Nov  6 08:49:37 1994",
        },
    )
    assert read_request(exchange, "v1", lambda: NOW) == GetRequest(
        "v1", ByteRange(1, 2), ReadCondition(("a",), ("b", "c"), THEN, THEN)
    )


def test_dates_that_are_none_are_ignored() -> None:
    """A precondition with a broken date is as if it were not there, as RFC 9110 asks."""
    exchange = FakeExchange("GET", "/b/k", {"If-Modified-Since": "soon"})
    assert read_request(exchange, None, lambda: NOW).condition == ReadCondition()


# -- uploads ----------------------------------------------------------------------------
def headers(**given: str | bytes) -> list[tuple[bytes, bytes]]:
    """Headers as a channel hands them over."""
    return list(
        FakeExchange("PUT", "/b/k", {n.replace("_", "-"): v for n, v in given.items()}).headers()
    )


def b64(digest: bytes) -> str:
    return b64encode(digest).decode()


MD5, SHA = md5(b"x").digest(), sha256(b"x").digest()


def test_a_plain_upload() -> None:
    """Headers that mean nothing to the store are not kept."""
    request = put_request(headers(host="h", user_agent="curl", x_amz_date="1", accept="*/*"))
    assert (request.headers, request.metadata) == ({}, {})
    assert request.condition is UNCONDITIONAL
    assert request.md5 is request.sha256 is None


def test_what_is_kept() -> None:
    """The standard headers of a body and x-amz-meta- ones are kept as they were sent."""
    request = put_request(
        headers(
            content_type="text/plain; charset=utf-8",
            content_encoding="gzip",
            content_language="de",
            content_disposition='attachment; filename="ü.txt"',
            cache_control="max-age=60",
            expires="never",
            x_amz_meta_author="Zoë",
            x_amz_meta_two_words="a b",
        )
    )
    assert request.headers == {
        "content-type": "text/plain; charset=utf-8",
        "content-encoding": "gzip",
        "content-language": "de",
        "content-disposition": 'attachment; filename="ü.txt"',
        "cache-control": "max-age=60",
        "expires": "never",
    }
    assert request.metadata == {"author": "Zoë", "two-words": "a b"}


def test_a_repeated_header_is_joined() -> None:
    """Metadata that came twice is joined by a comma, as S3 does it."""
    given = [
        (b"x-amz-meta-a", b"1"),
        (b"x-amz-meta-a", b"2"),
        (b"cache-control", b"private"),
        (b"cache-control", b"max-age=1"),
    ]
    request = put_request(given)
    assert request.metadata == {"a": "1,2"}
    assert request.headers == {"cache-control": "private, max-age=1"}


def test_metadata_has_room_for_two_kilobytes() -> None:
    """Names and values count; the prefix does not."""
    assert put_request(headers(x_amz_meta_a="x" * 1023, x_amz_meta_b="ä" * 511 + "x"))
    with pytest.raises(MetadataTooLarge):
        put_request(headers(x_amz_meta_a="x" * 1023, x_amz_meta_b="ä" * 512))


def test_stored_headers_have_a_bound() -> None:
    """Standard headers may have 8 KB in all."""
    assert put_request(headers(content_type="x" * 8192))
    with pytest.raises(MetadataTooLarge):
        put_request(headers(content_type="x" * 8000, cache_control="x" * 193))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-amz-meta-a", b"\xff"),
        ("x-amz-meta-a", b"a\x01b"),
        ("x-amz-meta-", b"a"),
        ("content-type", b"\xff"),
        ("content-type", b"a\x7f"),
        ("x-amz-content-sha256", b"deadbeef"),
    ],
)
def test_values_that_cannot_be(name: str, value: bytes) -> None:
    """What is not UTF-8, or holds control characters, could not be sent back."""
    with pytest.raises(InvalidArgument):
        put_request([(name.encode(), value)])


@pytest.mark.parametrize(
    "name_and_value",
    [
        {"content_md5": b64(MD5)},
        {"digest": "MD5=" + b64(MD5)},
        {"content_md5": b64(MD5), "digest": "md5=" + b64(MD5)},
    ],
)
def test_an_announced_md5(name_and_value: dict[str, str]) -> None:
    """The MD5 that the body must have."""
    assert put_request(headers(**name_and_value)).md5 == MD5


@pytest.mark.parametrize(
    "name_and_value",
    [
        {"digest": "SHA-256=" + b64(SHA)},
        {"digest": "unixsum=30637, sha-256=" + b64(SHA)},
        {"content_digest": f"sha-256=:{b64(SHA)}:"},
        {"repr_digest": f"sha-512=:AAAA:, sha-256=:{b64(SHA)}:"},
        {"x_amz_content_sha256": SHA.hex()},
        {"x_amz_content_sha256": SHA.hex().upper()},
        {"x_amz_checksum_sha256": b64(SHA)},
        {"x_amz_checksum_sha256": b64(SHA), "x_amz_content_sha256": "UNSIGNED-PAYLOAD"},
    ],
)
def test_an_announced_sha256(name_and_value: dict[str, str]) -> None:
    """The SHA-256 that the body must have, in any of the headers that tell it."""
    assert put_request(headers(**name_and_value)).sha256 == SHA


@pytest.mark.parametrize(
    "name_and_value",
    [
        {"content_md5": ""},
        {"content_md5": MD5.hex()},
        {"content_md5": b64(MD5)[:-1]},
        {"content_md5": b64(MD5) + "AAAA"},
        {"content_md5": b64(SHA)},
        {"content_md5": "!" + b64(MD5)},
        {"digest": "SHA-256=" + b64(MD5)},
        {"digest": "SHA-256"},
        {"content_digest": "sha-256=" + b64(SHA)},
        {"content_digest": "sha-256=:"},
        {"content_digest": f"sha-256=:{b64(MD5)}:"},
        {"x_amz_checksum_sha256": SHA.hex()},
    ],
)
def test_digests_that_are_none(name_and_value: dict[str, str]) -> None:
    """A digest that cannot be one is refused before the body."""
    with pytest.raises(InvalidDigest):
        put_request(headers(**name_and_value))


def test_digests_that_contradict() -> None:
    """No body has two different digests."""
    other = b64(sha256(b"y").digest())
    with pytest.raises(BadDigest):
        put_request(headers(digest="SHA-256=" + other, x_amz_content_sha256=SHA.hex()))


@pytest.mark.parametrize(
    "name_and_value",
    [
        {"x_amz_content_sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
        {"x_amz_content_sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"},
        {"content_encoding": "aws-chunked"},
        {"content_encoding": "AWS-Chunked,gzip"},
        {"x_amz_decoded_content_length": "5"},
        {"x_amz_trailer": "x-amz-checksum-crc32"},
    ],
)
def test_aws_chunked_is_refused(name_and_value: dict[str, str]) -> None:
    """A body in chunks of S3's own form would be stored with its chunk headers."""
    with pytest.raises(UnsupportedFeature, match="aws-chunked"):
        put_request(headers(**name_and_value))


@pytest.mark.parametrize(
    "name_and_value",
    [
        {"x_amz_copy_source": "/objects/a"},
        {"x_amz_server_side_encryption": "AES256"},
        {"x_amz_object_lock_mode": "GOVERNANCE"},
        {"x_amz_tagging": "a=b"},
        {"x_amz_acl": "public-read"},
        {"x_amz_storage_class": "GLACIER"},
        {"x_amz_write_offset_bytes": "5"},
        {"if_none_match": '"abc"'},
        {"if_match": '"a", "b"'},
        {"if_unmodified_since": "Sun, 06 Nov 1994 08:49:37 GMT"},
    ],
)
def test_what_would_silently_not_be_done(name_and_value: dict[str, str]) -> None:
    """A header that asks for more than a plain PUT is refused rather than ignored."""
    with pytest.raises(UnsupportedFeature):
        put_request(headers(**name_and_value))


def test_harmless_properties() -> None:
    """What is so anyway may be asked for."""
    assert put_request(headers(x_amz_acl="private", x_amz_storage_class="STANDARD"))


def test_a_part_is_not_an_object() -> None:
    """A PUT of a part must not replace the whole."""
    with pytest.raises(InvalidRequest):
        put_request(headers(content_range="bytes 0-4/10"))


@pytest.mark.parametrize("read", [write_condition, lambda given: put_request(given).condition])
def test_conditions_of_writes(read: Any) -> None:
    """A write may ask for the version it knows, for any, or for none."""
    assert read(headers(if_match='"abc"')) == WriteCondition(if_match="abc")
    assert read(headers(if_match="*")) == WriteCondition(if_match="*")
    assert read(headers(if_none_match="*")) == WriteCondition(if_none_match_any=True)
    assert read(headers(if_modified_since="Sun Nov  6 08:49:37 1994")) is UNCONDITIONAL
    with pytest.raises(PreconditionFailed):
        read(headers(if_match='W/"abc"'))
    with pytest.raises(InvalidRequest):
        read(headers(if_match="*", if_none_match="*"))
    with pytest.raises(InvalidArgument):
        read(headers(if_match='"abc'))


def test_a_delete_reads_conditions_only() -> None:
    """Headers of an upload mean nothing to a DELETE."""
    assert write_condition(headers(content_md5="?", x_amz_meta_a="x" * 9999)) is UNCONDITIONAL


def test_buckets_with_special_properties() -> None:
    """A bucket that would not have what it is asked to have is not made."""
    refuse_unsupported(headers(x_amz_acl="private", x_amz_bucket_object_lock_enabled="false"))
    for asked in (
        {"x_amz_acl": "public-read"},
        {"x_amz_grant_read": "id=1"},
        {"x_amz_bucket_object_lock_enabled": "true"},
    ):
        with pytest.raises(UnsupportedFeature):
            refuse_unsupported(headers(**asked))


@pytest.mark.parametrize(
    ("exchange", "error"),
    [
        (FakeExchange("PUT", "/b/k"), MissingContentLength),
        (FakeExchange("PUT", "/b/k", {"Content-Length": str(MAX_SINGLE_PUT + 1)}), EntityTooLarge),
        (FakeExchange("PUT", "/b/k", {"Content-Length": str(MAX_SINGLE_PUT)}), None),
        (FakeExchange("PUT", "/b/k", {"Content-Length": "0"}), None),
        (FakeExchange("PUT", "/b/k", chunked=True), None),
        (FakeExchange("PUT", "/b/k", body=b""), None),
        (FakeExchange("PUT", "/b/k", body=b"x"), None),
    ],
)
def test_lengths(exchange: FakeExchange, error: type[GodosError] | None) -> None:
    """An upload tells its length or comes in chunks, and has at most 5 GiB."""
    if error is None:
        check_length(exchange)
    else:
        with pytest.raises(error):
            check_length(exchange)


@pytest.mark.parametrize("expect", ["100-continue", "100-Continue", "100-CONTINUE"])
def test_expecting_to_continue(expect: str) -> None:
    """The expectation of clients with large bodies, in any letters."""
    check_expectation(FakeExchange("PUT", "/b/k", {"Expect": expect}))


def test_other_expectations() -> None:
    """What nobody here does may not be expected."""
    with pytest.raises(ExpectationFailed):
        check_expectation(FakeExchange("PUT", "/b/k", {"Expect": "coffee"}))


# -- what answers tell ------------------------------------------------------------------
def test_an_object_without_properties() -> None:
    """ETag in quotes, the time in seconds, S3's type for what has none, no version id."""
    assert describe(version()) == [
        (b"ETag", b'"abc"'),
        (b"Last-Modified", b"Sun, 06 Nov 1994 08:49:37 GMT"),
        (b"Accept-Ranges", b"bytes"),
        (b"Content-Type", b"binary/octet-stream"),
    ]


def test_an_object_with_properties() -> None:
    """What was kept comes back, UTF-8 as UTF-8; a kept version tells its id."""
    told = dict(
        describe(
            version(
                is_null=False,
                attributes=Attributes(
                    {"content-type": "text/html", "cache-control": "no-cache"},
                    {"author": "Zoë"},
                ),
            )
        )
    )
    assert told[b"Content-Type"] == b"text/html"
    assert told[b"Cache-Control"] == b"no-cache"
    assert told[b"x-amz-meta-author"] == "Zoë".encode()
    assert told[b"x-amz-version-id"] == b"v1"


def test_an_unchanged_object() -> None:
    """A 304 has the validators and what caches need, and nothing of the body."""
    told = dict(
        not_modified(version(attributes=Attributes({"content-type": "a/b", "expires": "0"})))
    )
    assert set(told) == {b"ETag", b"Last-Modified", b"Expires"}


@pytest.mark.parametrize(
    ("raw", "holds"),
    [
        (b'"abc"', True),
        (b'"abd"', False),
        (b'W/"abc"', False),
        (b"Sun, 06 Nov 1994 08:49:37 GMT", True),
        (b"Sun, 06 Nov 1994 08:49:38 GMT", False),
    ],
)
def test_if_range(raw: bytes, holds: bool) -> None:
    """A part is of use only to who has another part of this very version."""
    assert if_range_holds(raw, version()) is holds
