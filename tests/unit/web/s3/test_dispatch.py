"""Which operation a request means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.model.errors import GodosError
from godos.web.answers import refusal
from godos.web.s3 import dispatch
from godos.web.s3.description import operations, sub_resources
from godos.web.target import parse_target
from tests.unit.web.fakes import FakeExchange

COPY = {"x-amz-copy-source": "/photos/a"}


def find(method: str, target: str, headers: dict[str, str] | None = None) -> str:
    exchange = FakeExchange(method, target, headers)
    return dispatch.find(exchange.method, parse_target(exchange.target), exchange).name


def refused(method: str, target: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Status and code of a request that means no operation."""
    with pytest.raises(GodosError) as caught:
        find(method, target, headers)
    answer = refusal(FakeExchange(method, target), caught.value)
    return answer.status, answer.body.partition(b"<Code>")[2].partition(b"<")[0].decode()


@pytest.mark.parametrize(
    ("method", "target", "name"),
    [
        ("GET", "/", "ListBuckets"),
        ("GET", "/?buckets", "ListBuckets"),
        ("GET", "/?max-buckets=3&prefix=a", "ListBuckets"),
        ("PUT", "/photos", "CreateBucket"),
        ("HEAD", "/photos", "HeadBucket"),
        ("DELETE", "/photos/", "DeleteBucket"),
        ("GET", "/photos", "ListObjects"),
        ("GET", "/photos?prefix=list-type", "ListObjects"),
        ("GET", "/photos?list-type=2&prefix=acl", "ListObjectsV2"),
        ("GET", "/photos?versions&prefix=a", "ListObjectVersions"),
        ("GET", "/photos?versions&list-type=2", "ListObjectVersions"),
        ("GET", "/photos?uploads=", "ListMultipartUploads"),
        ("GET", "/photos?location", "GetBucketLocation"),
        ("GET", "/photos?lifecycle", "GetBucketLifecycleConfiguration"),
        ("PUT", "/photos?lifecycle", "PutBucketLifecycleConfiguration"),
        ("DELETE", "/photos?lifecycle", "DeleteBucketLifecycle"),
        ("GET", "/photos?notification", "GetBucketNotificationConfiguration"),
        ("PUT", "/photos?notification", "PutBucketNotificationConfiguration"),
        ("PUT", "/photos?versioning", "PutBucketVersioning"),
        ("PUT", "/photos?acl", "PutBucketAcl"),
        ("PUT", "/photos?object-lock", "PutObjectLockConfiguration"),
        ("POST", "/photos?delete", "DeleteObjects"),
        ("GET", "/photos?policyStatus&x-id=GetBucketPolicyStatus", "GetBucketPolicyStatus"),
        ("PUT", "/photos/a", "PutObject"),
        ("PUT", "/photos/a?x-id=PutObject&format=json", "PutObject"),
        ("GET", "/photos/a?versionId=1", "GetObject"),
        ("GET", "/photos/a?partNumber=2", "GetObject"),
        ("GET", "/photos/a?response-content-type=a/b&unknown", "GetObject"),
        ("HEAD", "/photos/a?partNumber=2", "HeadObject"),
        ("GET", "/photos/acl?acl", "GetObjectAcl"),
        ("GET", "/photos/a?attributes&versionId=1", "GetObjectAttributes"),
        ("GET", "/photos/a?uploadId=u&part-number-marker=3", "ListParts"),
        ("POST", "/photos/a?uploads", "CreateMultipartUpload"),
        ("POST", "/photos/a?uploadId=u", "CompleteMultipartUpload"),
        ("PUT", "/photos/a?partNumber=1&uploadId=u", "UploadPart"),
        ("DELETE", "/photos/a?uploadId=u", "AbortMultipartUpload"),
        ("DELETE", "/photos/a?versionId=1", "DeleteObject"),
        ("DELETE", "/photos/a?tagging&versionId=1", "DeleteObjectTagging"),
        ("PUT", "/photos/a?legal-hold", "PutObjectLegalHold"),
        ("PUT", "/photos/a?AWSAccessKeyId=A&Signature=s&Expires=1", "PutObject"),
        ("PUT", "/photos/a?X-Amz-Signature=0&x-amz-acl=public-read", "PutObject"),
    ],
)
def test_the_operation_of_a_request(method: str, target: str, name: str) -> None:
    """Method, names, and the parameter that selects."""
    assert find(method, target) == name


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/photos/b", "CopyObject"),
        ("/photos/b?partNumber=1&uploadId=u", "UploadPartCopy"),
    ],
)
def test_copies(target: str, name: str) -> None:
    """A source makes a copy of what would be an upload; presigned, it may be in the query."""
    assert find("PUT", target, COPY) == name
    moved = target + ("&" if "?" in target else "?") + "X-Amz-Copy-Source=%2Fphotos%2Fa"
    assert find("PUT", moved + "&X-Amz-Signature=0") == name
    assert refused("PUT", moved) == (501, "NotImplemented")


@pytest.mark.parametrize(
    "target",
    [
        "/photos?analytics&id=1",
        "/photos?metadataTable",
        "/photos?unheard-of",
        "/photos/a?renameObject",
        "/photos/a?append",
        "/photos/a?x-amz-acl=public-read",
    ],
)
def test_what_is_not_there(target: str) -> None:
    """A write with a parameter that is not understood never does something simpler."""
    assert refused("PUT", target) == (501, "NotImplemented")


def test_reading_what_is_not_there() -> None:
    """Parts of S3 that are not served are told so, and not answered with the object."""
    assert refused("GET", "/photos/a?torrent") == (501, "NotImplemented")
    assert refused("POST", "/photos/a?select&select-type=2") == (501, "NotImplemented")


@pytest.mark.parametrize(
    ("method", "target", "status", "code"),
    [
        ("PUT", "/photos?acl&versioning", 400, "InvalidRequest"),
        ("GET", "/photos/a?acl&tagging", 400, "InvalidRequest"),
        ("PUT", "/photos/a?uploadId=u&acl", 400, "InvalidRequest"),
        ("GET", "/photos?list-type=3", 400, "InvalidArgument"),
        ("PUT", "/photos/a?uploadId=u", 400, "InvalidArgument"),
        ("PUT", "/photos/a?partNumber=1", 400, "InvalidArgument"),
        ("POST", "/photos?versioning", 405, "MethodNotAllowed"),
        ("HEAD", "/photos?acl", 405, "MethodNotAllowed"),
        ("DELETE", "/", 405, "MethodNotAllowed"),
        ("POST", "/photos", 405, "MethodNotAllowed"),
        ("PATCH", "/photos/a", 405, "MethodNotAllowed"),
    ],
)
def test_what_makes_no_sense(method: str, target: str, status: int, code: str) -> None:
    """Two parts of S3 at once, half of an upload, and verbs that nothing has."""
    assert refused(method, target) == (status, code)


def test_a_source_where_nothing_is_copied() -> None:
    """It is refused, for the caller expects a copy."""
    assert refused("PUT", "/photos/a?acl", COPY) == (400, "InvalidRequest")


def test_verbs_that_would_do() -> None:
    """A 405 lists them."""
    with pytest.raises(GodosError) as caught:
        find("POST", "/photos?versioning")
    answer = refusal(FakeExchange("POST", "/photos"), caught.value)
    assert (b"Allow", b"GET, PUT, OPTIONS") in answer.headers


def test_every_operation_can_be_reached() -> None:
    """Each has a request of its own; that is checked when the table is made."""
    ways = {operation.name for operation in dispatch._table().ways.values()}
    assert ways == set(operations())


@given(
    st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"]),
    st.sampled_from(["/", "/photos", "/photos/a"]),
    st.lists(st.sampled_from([*sorted(sub_resources()), "uploadId", "list-type", "x"]), max_size=3),
)
def test_no_request_falls_to_a_simpler_operation(
    method: str, path: str, parameters: list[str]
) -> None:
    """A sub-resource selects an operation of its own, or the request is refused."""
    try:
        name = find(method, path + "?" + "&".join(parameters))
    except GodosError:
        return
    named = set(parameters) & sub_resources()
    assert operations()[name].sub_resources == named or (name, named) == ("ListBuckets", set())
