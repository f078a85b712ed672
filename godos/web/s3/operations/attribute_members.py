"""
What is kept with an object beside its bytes, from an upload's members.

Source of the limits: Amazon S3 User Guide, "Working with object metadata" (user metadata
2 KB in all, headers of a PUT 8 KB in all).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from godos.model.errors import InvalidRequest
from godos.model.versions import Attributes
from godos.web.errors import InvalidArgument, MetadataTooLarge, S3Error, UnsupportedFeature
from godos.web.exchange import IExchange
from godos.web.s3.call import Request
from godos.web.s3.operations.lock_members import header_lock
from godos.web.s3.operations.tag_sets import header_tags

MAX_METADATA = 2 << 10  # bytes of names and values, without the prefix
MAX_STORED = 8 << 10  # bytes of stored standard headers
STANDARD = "STANDARD"
_CLASSES = frozenset((STANDARD, "REDUCED_REDUNDANCY"))
REDIRECT = "x-amz-website-redirect-location"

# Members that are kept -> the header in records.
STORED: Mapping[str, str] = {
    "ContentType": "content-type",
    "ContentEncoding": "content-encoding",
    "ContentLanguage": "content-language",
    "ContentDisposition": "content-disposition",
    "CacheControl": "cache-control",
    "Expires": "expires",
    "WebsiteRedirectLocation": REDIRECT,
}

# Ignoring one of these would lose something that the client counts on.
_REFUSED_MEMBERS = frozenset(
    (
        "WriteOffsetBytes",
        "ObjectLockEventHold",
        "ObjectLockEventHoldDurationDays",
        "ObjectLockEventHoldDurationYears",
    )
)
_REFUSED_HEADERS = frozenset(
    (
        b"content-range",
        b"if-unmodified-since",
        b"x-amz-if-match-last-modified-time",
        b"x-amz-if-match-size",
    )
)


def new_attributes(
    request: Request, owner: str, acl: Mapping[str, Any] | None, now: float
) -> Attributes:
    """
    The attributes of the object that an upload makes.

    Args:
        now: seconds since the epoch.

    Raises:
        MetadataTooLarge: they are larger than an object's may be.
        InvalidArgument, S3Error: tags, lock or storage class make no sense.
    """
    return Attributes(
        headers=stored_headers(request),
        metadata=user_metadata(request),
        owner=owner,
        tags=header_tags(request),
        acl=acl,
        storage_class=storage_class(request),
        lock=header_lock(request, now),
    )


def stored_headers(request: Request) -> dict[str, str]:
    """
    The standard headers that are kept, and the website's redirect.

    Raises:
        MetadataTooLarge: they have more than `MAX_STORED` bytes in all.
        InvalidArgument: the redirect leads nowhere.
    """
    headers, size = {}, 0
    for member, name in STORED.items():
        value = request.get(member)
        if value is None:
            continue
        if member == "ContentEncoding":
            value = _without_aws_chunked(value)
            if not value:
                continue
        headers[name] = value
        size += len(value.encode("utf-8"))
    if size > MAX_STORED:
        raise MetadataTooLarge(f"the headers to keep have over {MAX_STORED} bytes in all")
    if REDIRECT in headers and not headers[REDIRECT].startswith(("/", "http://", "https://")):
        raise InvalidArgument(f"{REDIRECT} starts with a slash, http:// or https://")
    return headers


def _without_aws_chunked(value: str) -> str:
    """That is how the body came, and not how the object is encoded."""
    if "aws-chunked" not in value.lower():
        return value
    codings = [coding.strip() for coding in value.split(",")]
    return ", ".join(coding for coding in codings if coding.lower() != "aws-chunked")


def user_metadata(request: Request) -> Mapping[str, str]:
    """
    The `x-amz-meta-` headers.

    Raises:
        MetadataTooLarge: they have more than `MAX_METADATA` bytes in all.
    """
    metadata: Mapping[str, str] = request.get("Metadata", {})
    size = sum(
        len(name.encode("utf-8")) + len(text.encode("utf-8")) for name, text in metadata.items()
    )
    if size > MAX_METADATA:
        raise MetadataTooLarge(
            f"the x-amz-meta- headers have more than {MAX_METADATA} bytes in all"
        )
    return metadata


def storage_class(request: Request) -> str:
    """
    The storage class that is asked for.

    Raises:
        S3Error: InvalidStorageClass; there is none of that name here.
    """
    name: str = request.get("StorageClass", STANDARD)
    if name not in _CLASSES:
        raise S3Error(
            "InvalidStorageClass", f"{name[:40]} is not there; use {STANDARD}, or leave it out"
        )
    return name


def refuse_unsupported(exchange: IExchange, request: Request) -> None:
    """
    Refuse a write that asks for what would silently not be done.

    Raises:
        UnsupportedFeature, InvalidRequest: it does.
    """
    if not _REFUSED_MEMBERS.isdisjoint(request):
        names = ", ".join(sorted(_REFUSED_MEMBERS & request.keys()))
        raise UnsupportedFeature(f"{names} is not supported here; leave it out")
    for name, _ in exchange.headers():
        if name in _REFUSED_HEADERS:
            if name == b"content-range":
                # RFC 9110, section 14.5: a part must not be stored as if it were the whole.
                raise InvalidRequest("objects are written whole; leave out Content-Range")
            raise UnsupportedFeature(f"{name.decode()} on a write is not there; leave it out")
