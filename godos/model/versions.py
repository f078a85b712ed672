"""Buckets, and the versions of objects in them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen

from godos.model.blobs import Blob

NULL_VERSION = "null"  # what S3 calls the version written while versioning was off


class Versioning(StrEnum):
    """A bucket's versioning, in S3's words; `OFF` has never been on."""

    OFF = ""
    ENABLED = "Enabled"
    SUSPENDED = "Suspended"


@frozen
class Bucket:
    """`id` is drawn at creation, so that a bucket made again shares nothing with the old."""

    name: str
    id: str
    owner: str
    created: float  # seconds since the epoch
    versioning: Versioning = Versioning.OFF
    shards: int = 1
    rev: str = ""


@frozen
class ObjectVersion:
    """
    One version of an object, or a delete marker.

    `etag` is without quotes; `headers` are the stored standard headers in lower case
    (content-type, cache-control, …) and `metadata` the `x-amz-meta-` ones without that
    prefix.  `version_id` is what `?versionId=` takes; `is_null` marks S3's null version.
    `reference` names the commit that made it, and its R# row.
    """

    bucket: str
    key: str
    version_id: str
    seq: int
    etag: str
    size: int
    modified: float  # seconds since the epoch
    incarnation: str | None  # None: no bytes (an empty object or a delete marker)
    reference: str
    rev: str
    is_null: bool = True
    is_delete_marker: bool = False
    is_latest: bool = True
    headers: Mapping[str, str] = field(factory=dict)
    metadata: Mapping[str, str] = field(factory=dict)
    checksums: Mapping[str, str] = field(factory=dict)  # algorithm in lower case -> base64


@frozen
class NewVersion:
    """
    What an upload asks the catalog to make visible.

    `blob` is None for an object of 0 bytes.  `operation` is the id of this commit, drawn
    by the caller: rev, reference and client token, so that a resend changes nothing.
    """

    operation: str
    etag: str
    size: int
    modified: float
    blob: Blob | None
    headers: Mapping[str, str] = field(factory=dict)
    metadata: Mapping[str, str] = field(factory=dict)
    checksums: Mapping[str, str] = field(factory=dict)


@frozen
class WriteCondition:
    """
    What must hold of the current version for a write to happen.

    `if_match`: the etag (without quotes) it must have, or `*` for any.
    `if_none_match_any`: the key must have no version, or a delete marker on top.
    Source: Amazon S3 User Guide, "Conditional writes"; RFC 9110, section 13.1.
    """

    if_match: str | None = None
    if_none_match_any: bool = False


UNCONDITIONAL = WriteCondition()


@frozen
class Deleted:
    """What a DELETE did: the marker it made, or the version it removed, if any."""

    version_id: str | None = None
    is_delete_marker: bool = False
    removed: ObjectVersion | None = None


@frozen
class Listing:
    """
    One page of a listing, in the byte order of the keys.

    `next` starts the following page when passed as `after`; None says this was the last.
    A page may be shorter than asked and still have a next one.
    """

    versions: tuple[ObjectVersion, ...]
    common_prefixes: tuple[str, ...]
    next: str | None
