"""Versions of an object, for tests of what is told of them."""

from __future__ import annotations

from typing import Any

from godos.model.versions import ObjectVersion

THEN = 784_111_777  # the date in RFC 9110


def version(**changes: Any) -> ObjectVersion:
    """A version with what a test cares for changed."""
    known: dict[str, Any] = {
        "bucket": "objects",
        "key": "k",
        "version_id": "v1",
        "seq": 1,
        "etag": "abc",
        "size": 3,
        "modified": THEN + 0.75,
        "incarnation": "0" * 32,
        "reference": "1" * 32,
        "rev": "2" * 32,
    }
    return ObjectVersion(**{**known, **changes})
