"""Signature version 2, compared with the examples that AWS publishes."""

from __future__ import annotations

import pytest
from botocore.loaders import Loader

from godos.protocol import sigv2
from godos.protocol.signatures import RequestHead, SignatureRefused
from godos.protocol.sigv4_canonical import query_pairs

# Source: Amazon S3 User Guide, "Signing and authenticating REST requests".
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KEY = b"AKIAIOSFODNN7EXAMPLE"

Example = tuple[bytes, bytes, bytes, dict[bytes, bytes], bytes, bytes]

EXAMPLES: dict[str, Example] = {
    "get an object": (
        b"GET",
        b"/photos/puppy.jpg",
        b"",
        {b"date": b"Tue, 27 Mar 2007 19:36:42 +0000"},
        b"johnsmith",
        b"bWq2s1WEIj+Ydj0vQ697zp+IXMU=",
    ),
    "put an object": (
        b"PUT",
        b"/photos/puppy.jpg",
        b"",
        {b"date": b"Tue, 27 Mar 2007 21:15:45 +0000", b"content-type": b"image/jpeg"},
        b"johnsmith",
        b"MyyxeRY7whkBe+bq8fHCL/2kKUg=",
    ),
    "list objects": (
        b"GET",
        b"/",
        b"prefix=photos&max-keys=50&marker=puppy",
        {b"date": b"Tue, 27 Mar 2007 19:42:41 +0000"},
        b"johnsmith",
        b"htDYFYduRNen8P9ZfE/s9SuKy0U=",
    ),
    "get an acl": (
        b"GET",
        b"/",
        b"acl",
        {b"date": b"Tue, 27 Mar 2007 19:44:46 +0000"},
        b"johnsmith",
        b"c2WLPFtWHVgbEmeEG93a4cG37dM=",
    ),
    "upload with metadata": (
        b"PUT",
        b"/db-backup.dat.gz",
        b"",
        {
            b"date": b"Tue, 27 Mar 2007 21:06:08 +0000",
            b"x-amz-acl": b"public-read",
            b"content-type": b"application/x-download",
            b"content-md5": b"4gJE4saaMU4BqNR0kLY+lw==",
            b"x-amz-meta-reviewedby": b"joe@johnsmith.net,jane@johnsmith.net",
            b"x-amz-meta-filechecksum": b"0x02661779",
            b"x-amz-meta-checksumalgorithm": b"crc32",
        },
        b"static.johnsmith.net",
        b"ilyl83RwaSoYIEdixDQcA4OnAnc=",
    ),
    "list all buckets": (
        b"GET",
        b"/",
        b"",
        {b"date": b"Wed, 28 Mar 2007 01:29:59 +0000"},
        b"",
        b"qGdzdERIC03wnaRNKh6OqZehG9s=",
    ),
    "unicode keys": (
        b"GET",
        b"/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re",
        b"",
        {b"date": b"Wed, 28 Mar 2007 01:49:49 +0000"},
        b"",
        b"DNEZGsoieTZ92F3bUfSPQcbGmlM=",
    ),
}


def verify(example: Example) -> None:
    method, path, query, headers, bucket, signature = example
    claim = sigv2.from_header(b"AWS %s:%s" % (KEY, signature), headers)
    assert claim.access_key == KEY.decode()
    head = RequestHead(method, path, query, headers)
    sigv2.verify(claim, SECRET, head, query_pairs(query), bucket)


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_published_examples_are_let_in(example: Example) -> None:
    """The requests that AWS's documentation signs are signed correctly."""
    verify(example)


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_another_method_is_refused(example: Example) -> None:
    """The same requests with another verb are refused."""
    with pytest.raises(SignatureRefused) as refused:
        verify((b"DELETE", *example[1:]))
    assert refused.value.code == "SignatureDoesNotMatch"
    assert SECRET not in str(refused.value.fields)


def test_the_published_presigned_url_is_let_in_until_it_expires() -> None:
    """The URL that AWS's documentation presigns is good until the second that it names."""
    query = (
        b"AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D"
        b"&Expires=1175139620"
    )
    pairs = query_pairs(query)
    claim = sigv2.from_query(pairs)
    head = RequestHead(b"GET", b"/photos/puppy.jpg", query, {})
    sigv2.verify(claim, SECRET, head, pairs, b"johnsmith")
    sigv2.check_time(claim, b"", 1175139620)
    with pytest.raises(SignatureRefused, match="expired") as refused:
        sigv2.check_time(claim, b"", 1175139621)
    assert refused.value.code == "AccessDenied"


def test_x_amz_date_stands_for_the_date() -> None:
    """With x-amz-date the line of the date is empty, and Date may be anything."""
    headers = {b"x-amz-date": b"Tue, 27 Mar 2007 21:20:26 +0000", b"date": b"whatever"}
    claim = sigv2.from_header(b"AWS key:" + b"A" * 28, headers)
    assert claim.date == b""
    text = sigv2.string_to_sign(b"GET", headers, claim.date, b"/b/k")
    assert text == b"GET\n\n\n\nx-amz-date:Tue, 27 Mar 2007 21:20:26 +0000\n/b/k"


def test_all_parameters_that_choose_an_operation_are_signed() -> None:
    """
    Nobody can turn a signed request into another operation by a parameter.

    Those that S3's description knows are compared; `list-type` chooses the form of a
    listing, and clients do not sign it.
    """
    operations = Loader().load_service_model("s3", "service-2")["operations"].values()
    queries = (operation["http"]["requestUri"].partition("?")[2] for operation in operations)
    names = {part.partition("=")[0] for query in queries for part in query.split("&") if part}
    assert names - {name.decode() for name in sigv2.SIGNED} == {"list-type"}


@pytest.mark.parametrize(
    "value", [b"AWS HAHAHA", b"AWS ", b"AWS :sig", b"AWS a b:c", b"AWS key:s\xff", b"AWS \xff:abcd"]
)
def test_headers_that_cannot_be_read(value: bytes) -> None:
    """A header in another form is refused as an invalid argument."""
    with pytest.raises(SignatureRefused) as refused:
        sigv2.from_header(value, {b"date": b"Tue, 27 Mar 2007 21:20:26 +0000"})
    assert refused.value.code == "InvalidArgument"


def test_a_customers_key_is_not_told_again() -> None:
    """What a refused request is told of what was signed may end in somebody's log."""
    name = b"x-amz-server-side-encryption-customer-key"
    date = {b"date": b"Tue, 27 Mar 2007 21:20:26 +0000"}
    headers = {**date, name: b"c2VjcmV0", b"x-amz-meta-a": b"shown"}
    head = RequestHead(b"PUT", b"/b/k", b"", headers)
    claim = sigv2.from_header(b"AWS key:" + b"A" * 28, headers)
    with pytest.raises(SignatureRefused) as refused:
        sigv2.verify(claim, SECRET, head, [], b"")
    told = str(refused.value.fields)
    assert "x-amz-meta-a:shown" in told
    assert "c2VjcmV0" not in told
    assert b"c2VjcmV0".hex(" ") not in told
