"""Uploads in parts, and the lists of parts that objects made of them refer to."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen

from godos.model.blobs import Blob
from godos.model.versions import PLAIN, Attributes, ChecksumType, ObjectVersion

# Source: Amazon S3 User Guide, "Amazon S3 multipart upload limits"
MAX_PARTS = 10_000
MIN_PART = 5 << 20  # bytes, of all parts but the last


class UploadState(StrEnum):
    """A completed upload is remembered for a while, so that completing it again is answered."""

    OPEN = "open"
    COMPLETED = "completed"


@frozen
class MultipartUpload:
    """
    An upload in parts that was begun.

    `attributes` are those of the object to be; `checksum` is the algorithm (lower case)
    that each part carries, "" for none.  `initiator` is a canonical user id.  `result`
    is the version that a completed one made.
    """

    id: str
    bucket: str
    key: str
    initiated: float  # seconds since the epoch
    initiator: str = ""
    attributes: Attributes = PLAIN
    checksum: str = ""
    checksum_type: ChecksumType = ChecksumType.COMPOSITE
    state: UploadState = UploadState.OPEN
    result: ObjectVersion | None = None
    rev: str = ""


@frozen
class Part:
    """
    A part that is durable.  Its R# row is named by `reference`.

    `incarnation` None: it has no bytes.  `size` is of the plain bytes, in bytes; `etag`
    without quotes; `checksums` as in `ObjectVersion`.
    """

    number: int
    size: int
    etag: str
    incarnation: str | None
    reference: str
    modified: float  # seconds since the epoch
    checksums: Mapping[str, str] = field(factory=dict)


@frozen
class NewPart:
    """What the upload of a part asks the catalog to keep; as in `NewVersion`."""

    operation: str
    number: int
    size: int
    etag: str
    modified: float
    blob: Blob | None
    checksums: Mapping[str, str] = field(factory=dict)
    repair: str = ""


@frozen
class PartsPage:
    """Parts in the order of their numbers; `next` starts the following page, None: the last."""

    parts: tuple[Part, ...]
    next: int | None


@frozen
class UploadsPage:
    """
    Open uploads by key, then by when they were begun, and common prefixes.

    `next` is the (key, upload id) to start the following page after, None: the last.
    """

    uploads: tuple[MultipartUpload, ...]
    common_prefixes: tuple[str, ...]
    next: tuple[str, str] | None
