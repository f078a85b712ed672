"""The origin block of a fragment: what a lost catalog can be rebuilt from."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

from godos.model.encryption import DataKey
from godos.model.members import FORMAT
from godos.model.multipart import MultipartUpload
from godos.model.versions import Attributes, Bucket
from godos.transfer.encryption import seal_note

# Makes the block once the body's ETag, checksums (base64) and size (in bytes) are known.
Origin = Callable[[str, Mapping[str, str], int], bytes]


def object_origin(bucket: Bucket, key: str, attributes: Attributes, modified: float) -> Origin:
    """What a fragment of a whole object says; described in docs/disk-format.rst."""
    return lambda etag, checksums, size: _json(
        _fields(bucket, key, etag, modified, size)
        | {"headers": dict(attributes.headers), "metadata": dict(attributes.metadata)}
        | _rest(attributes, checksums)
    )


def part_origin(bucket: Bucket, upload: MultipartUpload, number: int, modified: float) -> Origin:
    """What a fragment of a part says: of which upload, and the how manyth it is."""
    attributes = upload.attributes
    return lambda etag, checksums, size: _json(
        _fields(bucket, upload.key, etag, modified, size)
        | {"upload": upload.id, "part": number}
        | _if_any("headers", dict(attributes.headers))
        | _if_any("metadata", dict(attributes.metadata))
        | _rest(attributes, checksums)
    )


def _rest(attributes: Attributes, checksums: Mapping[str, str]) -> dict[str, Any]:
    storage_class = attributes.storage_class
    return (
        _if_any("checksums", dict(checksums))
        | _if_any("owner", attributes.owner)
        | _if_any("tags", dict(attributes.tags))
        | _if_any("storage_class", "" if storage_class == "STANDARD" else storage_class)
    )


def sealed_origin(data_key: DataKey, incarnation: str, origin: bytes) -> bytes:
    """An origin block that only the data key's holder can read, and how to get that key."""
    sealed = seal_note(data_key.secret, incarnation, origin)
    return _json(
        {
            "v": FORMAT,
            "encryption": dict(data_key.descriptor),
            "sealed": b64encode(sealed).decode("ascii"),
        }
    )


def _fields(bucket: Bucket, key: str, etag: str, modified: float, size: int) -> dict[str, Any]:
    return {
        "v": FORMAT,
        "bucket": bucket.name,
        "bucket_id": bucket.id,
        "key": key,
        "etag": etag,
        "modified": modified,
        "size": size,
        **_if_any("bucket_owner", bucket.owner),
        **_if_any("versioning", bucket.versioning.value),
    }


def _if_any(name: str, value: Any) -> dict[str, Any]:
    return {name: value} if value else {}


def _json(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
