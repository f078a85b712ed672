"""Buckets, and the versions of objects in them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

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
    """
    `id` is drawn at creation, so that a bucket made again shares nothing with the old.

    `notifies`: its setting "notification" wants somebody to be told of what happens in it.
    """

    name: str
    id: str
    owner: str
    created: float  # seconds since the epoch
    versioning: Versioning = Versioning.OFF
    shards: int = 1
    rev: str = ""
    object_lock: bool = False  # versions may be locked; then versioning cannot be suspended
    notifies: bool = False


class LockMode(StrEnum):
    """How strict a retention is.  Source: Amazon S3 User Guide, "Locking objects"."""

    NONE = ""
    GOVERNANCE = "GOVERNANCE"
    COMPLIANCE = "COMPLIANCE"


@frozen
class Lock:
    """
    What keeps a version from being removed: a retention until a time (seconds since the
    epoch), a legal hold, or both.
    """

    mode: LockMode = LockMode.NONE
    until: float = 0.0
    legal_hold: bool = False


@frozen
class Attributes:
    """
    What belongs to a version beside its bytes.

    `headers` are the stored standard headers in lower case (content-type, cache-control,
    x-amz-website-redirect-location, …) and `metadata` the `x-amz-meta-` ones without that
    prefix.  `owner` is a canonical user id, "" the bucket's owner.  `acl` is the document
    of `model/acl.py`, None the private one.  `encryption` describes how the bytes are
    encrypted (`model/encryption.py`), None that they are not.
    """

    headers: Mapping[str, str] = field(factory=dict)
    metadata: Mapping[str, str] = field(factory=dict)
    owner: str = ""
    tags: Mapping[str, str] = field(factory=dict)
    acl: Mapping[str, Any] | None = None
    storage_class: str = "STANDARD"
    lock: Lock = Lock()
    encryption: Mapping[str, Any] | None = None


PLAIN = Attributes()


class ChecksumType(StrEnum):
    """Whether the checksums of a multipart object are of its bytes or of its parts' checksums."""

    FULL_OBJECT = "FULL_OBJECT"
    COMPOSITE = "COMPOSITE"


@frozen(slots=False)  # so that one is made in two thirds of the time: listings make thousands
class ObjectVersion:
    """
    One version of an object, or a delete marker.

    `etag` is without quotes.  `version_id` is what `?versionId=` takes; `is_null` marks
    S3's null version.  `reference` names the commit that made it, and its R# row.  Its
    bytes are the blob `incarnation`, or the parts of `manifest`, or nothing.
    """

    bucket: str
    key: str
    version_id: str
    seq: int
    etag: str
    size: int
    modified: float  # seconds since the epoch
    incarnation: str | None  # None: no blob (empty, a delete marker, or made of parts)
    reference: str
    rev: str
    is_null: bool = True
    is_delete_marker: bool = False
    is_latest: bool = True
    attributes: Attributes = PLAIN
    checksums: Mapping[str, str] = field(factory=dict)  # algorithm in lower case -> base64
    checksum_type: ChecksumType = ChecksumType.FULL_OBJECT
    manifest: str | None = None  # id of the list of parts
    parts: int = 0  # how many parts it was uploaded in; 0: in one PUT

    @property
    def headers(self) -> Mapping[str, str]:
        """The stored standard headers."""
        return self.attributes.headers

    @property
    def metadata(self) -> Mapping[str, str]:
        """The user's metadata."""
        return self.attributes.metadata


@frozen
class NewVersion:
    """
    What an upload or a copy asks the catalog to make visible.

    `blob` is None for an object of 0 bytes and for one made of the parts of `manifest`; a
    blob or manifest that exists already (`blob.rev` is not empty; always, for a manifest)
    must still be live.  `operation` is the id of this commit, drawn by the caller: rev,
    reference and client token, so that a resend changes nothing.
    """

    operation: str
    etag: str
    size: int
    modified: float
    blob: Blob | None
    attributes: Attributes = PLAIN
    checksums: Mapping[str, str] = field(factory=dict)
    checksum_type: ChecksumType = ChecksumType.FULL_OBJECT
    manifest: str | None = None
    parts: int = 0
    event: str = ""  # the notification's name, such as ObjectCreated:Put
    repair: str = ""  # why a new blob has to be looked after, if it is not only below target


@frozen
class WriteCondition:
    """
    What must hold of the current version for a write to happen.

    `if_match`: the etag (without quotes) it must have, or `*` for any.
    `if_none_match_any`: the key must have no version, or a delete marker on top;
    `if_none_match`: if there is an object, it must have another etag.
    `modified` (whole seconds since the epoch), `size` and `is_latest` are what a conditional
    delete may ask of the version beside its etag.
    Source: Amazon S3 User Guide, "Conditional requests"; RFC 9110, section 13.1.
    """

    if_match: str | None = None
    if_none_match_any: bool = False
    if_none_match: str | None = None
    modified: float | None = None
    size: int | None = None
    is_latest: bool | None = None


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
