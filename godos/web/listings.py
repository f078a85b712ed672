"""
Listings: what their queries ask, and the documents that answer.

The documents carry the names that S3's XML has, so that one form is the other.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from attrs import frozen

from godos.model.versions import NULL_VERSION, Bucket, Listing, ObjectVersion
from godos.web.dates import listing_date
from godos.web.errors import InvalidArgument
from godos.web.target import Query

MAX_KEYS = 1000  # entries of one page.  Source: Amazon S3 API Reference, ListObjectsV2
_TOKEN = b"1"  # form of a continuation token
_LARGEST = 2**31 - 1

Document = Mapping[str, Any]


@frozen
class Page:
    """Which page of a listing is asked for; names as the client wrote them."""

    prefix: str
    delimiter: str
    limit: int
    encoded: bool
    after: str

    @property
    def encode(self) -> Callable[[str], str]:
        """How keys and prefixes are written in the answer."""
        return _url if self.encoded else str

    def document(self, bucket: str) -> dict[str, Any]:
        """What all listings tell of the question."""
        document: dict[str, Any] = {
            "Name": bucket,
            "Prefix": self.encode(self.prefix),
            "MaxKeys": self.limit,
        }
        if self.delimiter:
            document["Delimiter"] = self.encode(self.delimiter)
        if self.encoded:
            document["EncodingType"] = "url"
        return document


def _url(text: str) -> str:
    return quote(text, safe="/")


def _page(query: Query, after: str) -> Page:
    encoding = query.one("encoding-type")
    if encoding not in (None, "", "url"):
        raise InvalidArgument("encoding-type is url, or is left out")
    return Page(
        query.one("prefix") or "",
        query.one("delimiter") or "",
        _max_keys(query.one("max-keys")),
        encoding == "url",
        after,
    )


def _max_keys(text: str | None) -> int:
    if not text:
        return MAX_KEYS
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= _LARGEST):
        raise InvalidArgument(f"max-keys is a number from 0 to {_LARGEST}")
    return min(int(text), MAX_KEYS)


# -- the latest versions -----------------------------------------------------------------
def encode_token(after: str) -> str:
    """A continuation token: opaque to clients, who must not read or make it."""
    return urlsafe_b64encode(_TOKEN + after.encode("utf-8")).decode()


def decode_token(token: str) -> str:
    """
    The place that a continuation token means.

    Raises:
        InvalidArgument: it is none of ours.
    """
    try:
        raw = urlsafe_b64decode(token.encode("ascii"))
        if raw.startswith(_TOKEN) and urlsafe_b64encode(raw).decode() == token:
            return raw[len(_TOKEN) :].decode("utf-8")
    except (NotBase64, ValueError):
        pass  # answered below, like a token of another form
    raise InvalidArgument("the continuation-token is none that a listing gave; start anew")


def objects_page(query: Query) -> Page:
    """
    The page that `GET /<bucket>` asks for, in version 1 or 2 of S3's listing.

    Raises:
        InvalidArgument: a parameter has an impossible value.
    """
    kind = query.one("list-type")
    if kind not in (None, "2"):
        raise InvalidArgument("list-type is 2, or is left out for version 1")
    if kind is None:
        return _page(query, query.one("marker") or "")
    token = query.one("continuation-token")
    if token == "":
        raise InvalidArgument("the continuation-token is empty; leave it out to start")
    after = query.one("start-after") or ""
    return _page(query, after if token is None else decode_token(token))


def objects_document(bucket: str, query: Query, page: Page, listing: Listing) -> Document:
    """The answer to `GET /<bucket>`."""
    document = page.document(bucket)
    encode = page.encode
    document["IsTruncated"] = listing.next is not None
    if query.one("list-type") is None:
        document["Marker"] = encode(page.after)
        if listing.next is not None:
            document["NextMarker"] = encode(listing.next)
    else:
        document["KeyCount"] = len(listing.versions) + len(listing.common_prefixes)
        for name, parameter in (
            ("StartAfter", "start-after"),
            ("ContinuationToken", "continuation-token"),
        ):
            value = query.one(parameter)
            if value:
                document[name] = encode(value) if name == "StartAfter" else value
        if listing.next is not None:
            document["NextContinuationToken"] = encode_token(listing.next)
    document["Contents"] = [_entry(version, encode) for version in listing.versions]
    document["CommonPrefixes"] = _prefixes(listing, encode)
    return document


def _entry(version: ObjectVersion, encode: Callable[[str], str]) -> dict[str, Any]:
    return {
        "Key": encode(version.key),
        "LastModified": listing_date(version.modified),
        "ETag": f'"{version.etag}"',
        "Size": version.size,
        "StorageClass": "STANDARD",
    }


def _prefixes(listing: Listing, encode: Callable[[str], str]) -> list[dict[str, str]]:
    return [{"Prefix": encode(prefix)} for prefix in listing.common_prefixes]


# -- all versions ------------------------------------------------------------------------
def versions_page(query: Query) -> tuple[Page, str]:
    """
    The page that `GET /<bucket>?versions` asks for, and the version id to start after.

    Raises:
        InvalidArgument: a parameter has an impossible value.
    """
    key, version = query.one("key-marker"), query.one("version-id-marker")
    if version is not None and not key:
        raise InvalidArgument("version-id-marker goes with a key-marker")
    if version == "":
        raise InvalidArgument("version-id-marker is empty; leave it out")
    return _page(query, key or ""), version or ""


def versions_document(bucket: str, page: Page, after_version: str, listing: Listing) -> Document:
    """The answer to `GET /<bucket>?versions`."""
    document = page.document(bucket)
    encode = page.encode
    document["KeyMarker"] = encode(page.after)
    document["VersionIdMarker"] = after_version
    document["IsTruncated"] = listing.next is not None
    if listing.next is not None:
        document["NextKeyMarker"] = encode(listing.next)
        last = listing.versions[-1] if listing.versions else None
        if last is not None and last.key == listing.next:
            document["NextVersionIdMarker"] = last.version_id
    entries: tuple[list[Document], list[Document]] = ([], [])
    for version in listing.versions:
        entries[version.is_delete_marker].append(_version_entry(version, encode))
    document["Versions"], document["DeleteMarkers"] = entries
    document["CommonPrefixes"] = _prefixes(listing, encode)
    return document


def _version_entry(version: ObjectVersion, encode: Callable[[str], str]) -> Document:
    entry: dict[str, Any]
    if version.is_delete_marker:
        entry = {"Key": encode(version.key), "LastModified": listing_date(version.modified)}
    else:
        entry = _entry(version, encode)
    entry["VersionId"] = NULL_VERSION if version.is_null else version.version_id
    entry["IsLatest"] = version.is_latest
    return entry


# -- buckets -----------------------------------------------------------------------------
def buckets_document(buckets: Sequence[Bucket]) -> Document:
    """The answer to `GET /?buckets`."""
    return {
        "Buckets": [
            {"Name": bucket.name, "CreationDate": listing_date(bucket.created)}
            for bucket in buckets
        ]
    }
