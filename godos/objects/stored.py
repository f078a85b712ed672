"""What is durable and waits for its commit point, and what a commit may answer to that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from attrs import frozen
from twisted.internet.defer import Deferred

from godos.model.blobs import Blob
from godos.model.errors import (
    Conflict,
    NoSuchBucket,
    NoSuchKey,
    NoSuchUpload,
    ObjectLocked,
    PreconditionFailed,
    QuotaExceeded,
)

T = TypeVar("T")

# A commit that fails with one of these changed nothing; after anything else it may have
# happened, and what was stored for it stays until the collector knows.
REFUSALS = (
    PreconditionFailed,
    NoSuchKey,
    NoSuchBucket,
    NoSuchUpload,
    Conflict,
    ObjectLocked,
    QuotaExceeded,
)


@frozen
class Stored:
    """
    A body that is durable, and that nothing refers to yet.

    `blob` is None for 0 bytes.  `size` is the body's own, in bytes; `etag` (without quotes)
    is its MD5 in hex, or with a customer's key or KMS 32 hex digits that depend on the key.
    `checksums`: algorithm in lower case -> base64.  `repair` says why the blob has to be
    looked after, if it is not only below target.
    """

    blob: Blob | None
    size: int
    etag: str
    checksums: Mapping[str, str]
    repair: str = ""


Commit = Callable[[Stored], "Deferred[T]"]
