"""Path, query and headers of requests."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.model.errors import GodosError
from godos.web.errors import S3Error
from godos.web.s3.description import operations
from godos.web.target import parse_target


def parse(name: str, target: str, *headers: tuple[str, str | bytes]) -> dict[str, Any]:
    lines = [
        (key.encode(), value if isinstance(value, bytes) else value.encode("utf-8"))
        for key, value in headers
    ]
    return operations()[name].parse(parse_target(target.encode()), lines)


def fault(name: str, target: str, *headers: tuple[str, str | bytes]) -> S3Error:
    with pytest.raises(S3Error) as caught:
        parse(name, target, *headers)
    return caught.value


def test_an_upload() -> None:
    """Names, headers of all types, and metadata; what did not come is absent."""
    assert parse(
        "PutObject",
        "/photos/a%20b",
        ("host", "localhost"),
        ("content-type", "image/png"),
        ("content-length", "5"),
        ("x-amz-meta-author", "Zoë"),
        ("x-amz-meta-x.y_z", ""),
        ("x-amz-server-side-encryption-bucket-key-enabled", "True"),
        ("x-amz-object-lock-retain-until-date", "2030-01-01T00:00:00Z"),
        ("x-amz-storage-class", "UNHEARD_OF"),
        ("x-amz-unheard-of", "1"),
    ) == {
        "Bucket": "photos",
        "Key": "a b",
        "ContentType": "image/png",
        "ContentLength": 5,
        "Metadata": {"author": "Zoë", "x.y_z": ""},
        "BucketKeyEnabled": True,
        "ObjectLockRetainUntilDate": 1893456000.0,
        "StorageClass": "UNHEARD_OF",
    }


def test_a_listing() -> None:
    """Parameters of all types; an empty number is one that was not given."""
    assert parse(
        "ListObjectsV2", "/photos?list-type=2&max-keys=&prefix=&fetch-owner=true&delimiter=%2F"
    ) == {"Bucket": "photos", "Prefix": "", "FetchOwner": True, "Delimiter": "/"}


@pytest.mark.parametrize("text", ["blah", "1.5", "2147483648", "0x1", "1_000", "١"])
def test_numbers_that_are_none(text: str) -> None:
    """The parameter and its value are named."""
    error = fault("ListObjects", f"/photos?max-keys={text}")
    assert error.code == "InvalidArgument"
    assert error.fields == {"ArgumentName": "max-keys", "ArgumentValue": text}


def test_the_same_parameter_twice() -> None:
    """It says two things, and so is refused."""
    with pytest.raises(GodosError, match="2 times"):
        parse("ListObjects", "/photos?prefix=a&prefix=b")


def test_headers_that_come_twice() -> None:
    """They are one, as HTTP has it; metadata is joined as S3 does it."""
    request = parse(
        "PutObject",
        "/photos/a",
        ("cache-control", "no-cache"),
        ("x-amz-meta-a", "1"),
        ("cache-control", "private"),
        ("x-amz-meta-a", "2"),
    )
    assert request["CacheControl"] == "no-cache, private"
    assert request["Metadata"] == {"a": "1,2"}
    twice = ("x-amz-mp-object-size", "1"), ("x-amz-mp-object-size", "2")
    assert (
        fault("CompleteMultipartUpload", "/photos/a?uploadId=u", *twice).code == "InvalidArgument"
    )


def test_lists() -> None:
    """Items between commas, in one header or several; quoted ones hold commas."""
    request = parse(
        "GetObjectAttributes",
        "/photos/a?attributes",
        ("x-amz-object-attributes", 'ETag,  Checksum ,,"a,\\"b"'),
        ("x-amz-object-attributes", "ObjectSize"),
    )
    assert request["ObjectAttributes"] == ["ETag", "Checksum", 'a,"b', "ObjectSize"]


def test_what_must_be_there() -> None:
    """A request that lacks it is refused before anything happens."""
    error = fault("GetObjectAttributes", "/photos/a?attributes")
    assert error.code == "InvalidRequest"
    assert "ObjectAttributes" in str(error)


def test_dates_of_conditions_are_ignored_when_they_are_none() -> None:
    """As RFC 9110 asks; other dates are refused."""
    assert parse("GetObject", "/photos/a", ("if-modified-since", "soon")) == {
        "Bucket": "photos",
        "Key": "a",
    }
    since = ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")
    assert parse("GetObject", "/photos/a", since)["IfModifiedSince"] == 784111777.0
    late = ("x-amz-object-lock-retain-until-date", "soon")
    assert fault("PutObject", "/photos/a", late).code == "InvalidArgument"


def test_expires_is_kept_as_it_was_sent() -> None:
    """S3 keeps whatever text stands there."""
    assert parse("PutObject", "/photos/a", ("expires", "soon"))["Expires"] == "soon"


@pytest.mark.parametrize("value", [b"a\x00b", b"a\nb", b"\x7f", b"\xff"])
def test_text_that_headers_cannot_hold(value: bytes) -> None:
    """Control characters and what is not UTF-8."""
    assert fault("PutObject", "/photos/a", ("x-amz-meta-a", value)).code == "InvalidArgument"
    assert fault("PutObject", "/photos/a", ("cache-control", value)).code == "InvalidArgument"


def test_metadata_without_a_name() -> None:
    """There is none."""
    assert fault("PutObject", "/photos/a", ("x-amz-meta-", "a")).code == "InvalidArgument"


def test_headers_in_a_presigned_query() -> None:
    """Some SDKs move headers there; without a signature of it they are nobody's."""
    moved = "/photos/a?x-amz-acl=public-read&X-Amz-Meta-A=1&x-amz-meta-b=2"
    headers = ("x-amz-meta-b", "3"), ("x-amz-storage-class", "STANDARD")
    assert parse("PutObject", moved + "&X-Amz-Signature=0", *headers) == {
        "Bucket": "photos",
        "Key": "a",
        "ACL": "public-read",
        "StorageClass": "STANDARD",
        "Metadata": {"a": "1", "b": "3"},
    }
    assert "ACL" not in parse("PutObject", moved, *headers)
    both = parse("PutObject", moved + "&X-Amz-Signature=0", ("x-amz-acl", "private"))
    assert both["ACL"] == "private"


NAMES = sorted(operations())


@given(st.data())
def test_nothing_but_errors_of_ours(data: st.DataObject) -> None:
    """Whatever stands in query and headers, it is taken or refused with a reason."""
    operation = operations()[data.draw(st.sampled_from(NAMES))]
    known = [*operation.parser.headers, b"x-amz-meta-", b"x-amz-meta-a", b"\xff"]
    headers = data.draw(st.lists(st.tuples(st.sampled_from(known), st.binary(max_size=20))))
    parameters = st.sampled_from([*operation.parser.queries, "X-Amz-Signature", "x-amz-acl"])
    texts = st.text(st.characters(codec="ascii", exclude_characters="#"), max_size=10)
    query = data.draw(st.lists(st.tuples(parameters, texts), max_size=4))
    raw = "/photos/a?" + "&".join(f"{name}={value}" for name, value in query)
    try:
        request = operation.parse(parse_target(raw.encode()), headers)
    except GodosError:
        return
    assert request.get("Bucket", "photos") == "photos"
