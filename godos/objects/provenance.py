"""The origin block of a fragment: what a lost catalog can be rebuilt from."""

from __future__ import annotations

import json

from godos.model.members import FORMAT
from godos.model.objects import PutRequest
from godos.model.versions import Bucket


def origin(bucket: Bucket, key: str, request: PutRequest, etag: str, modified: float) -> bytes:
    """JSON in UTF-8, described in docs/disk-format.rst; a fragment carries it as it is."""
    return json.dumps(
        {
            "v": FORMAT,
            "bucket": bucket.name,
            "bucket_id": bucket.id,
            "key": key,
            "etag": etag,
            "modified": modified,
            "headers": dict(request.attributes.headers),
            "metadata": dict(request.attributes.metadata),
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode("utf-8")
