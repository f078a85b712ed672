"""What answers tell of a version."""

from __future__ import annotations

from typing import Any

from godos.model.versions import ObjectVersion
from godos.web.answers import Answer
from godos.web.dates import http_date
from godos.web.s3.operations.attribute_members import STANDARD, STORED
from godos.web.s3.operations.checksum_members import checksum_members
from godos.web.s3.operations.encryption_members import encryption_members

DEFAULT_TYPE = "binary/octet-stream"  # S3's, where no Content-Type was sent
_MEMBERS = {name: member for member, name in STORED.items()}


def quoted(etag: str) -> str:
    """An ETag as it is written in answers."""
    return f'"{etag}"'


def identity(version: ObjectVersion) -> dict[str, Any]:
    """ETag, and the version's id where the bucket keeps versions."""
    told: dict[str, Any] = {"ETag": quoted(version.etag)}
    if not version.is_null:
        told["VersionId"] = version.version_id
    return told


def written(version: ObjectVersion) -> dict[str, Any]:
    """What the answer to a write tells of the version that it made."""
    told = identity(version)
    if version.checksums:
        told.update(checksum_members(version.checksums, version.checksum_type))
    if version.attributes.encryption is not None:
        told.update(encryption_members(version.attributes.encryption))
    return told


def described(version: ObjectVersion) -> dict[str, Any]:
    """What GET and HEAD tell of any reader's version, but for its length."""
    attributes = version.attributes
    told: dict[str, Any] = {
        "ETag": quoted(version.etag),
        "LastModified": version.modified,
        "AcceptRanges": "bytes",
        "ContentType": DEFAULT_TYPE,
    }
    if not version.is_null:
        told["VersionId"] = version.version_id
    for name, value in attributes.headers.items():
        told[_MEMBERS[name]] = value
    if attributes.metadata:
        told["Metadata"] = attributes.metadata
    if attributes.storage_class != STANDARD:
        told["StorageClass"] = attributes.storage_class
    if attributes.encryption is not None:
        told.update(encryption_members(attributes.encryption))
    return told


def not_modified(version: ObjectVersion) -> Answer:
    """The answer to who has this version already.  Source: RFC 9110, section 15.4.5."""
    headers = [
        (b"ETag", quoted(version.etag).encode()),
        (b"Last-Modified", http_date(int(version.modified))),
    ]
    if not version.is_null:
        headers.append((b"x-amz-version-id", version.version_id.encode()))
    for name, shown in ((b"Cache-Control", "cache-control"), (b"Expires", "expires")):
        if shown in version.headers:
            headers.append((name, version.headers[shown].encode("utf-8")))
    return Answer(304, headers)
