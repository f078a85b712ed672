"""What a user may ask of the store: the use cases, and the records they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from godos.model.bodies import IBody
from godos.model.locating import Located
from godos.model.versions import (
    UNCONDITIONAL,
    Bucket,
    Deleted,
    Listing,
    ObjectVersion,
    Versioning,
    WriteCondition,
)


@frozen
class PutRequest:
    """
    What comes with an upload.

    `md5` and `sha256` are the digests (raw bytes) that the client announced: the body
    must have them or nothing is stored.  `headers` and `metadata` as in `ObjectVersion`.
    """

    headers: Mapping[str, str] = field(factory=dict)
    metadata: Mapping[str, str] = field(factory=dict)
    md5: bytes | None = None
    sha256: bytes | None = None
    condition: WriteCondition = UNCONDITIONAL


@frozen
class ByteRange:
    """
    One range of RFC 9110, section 14.1.2: `first`-`last`, both inclusive.

    `last` None: to the end.  `first` None: the last `last` bytes.
    """

    first: int | None
    last: int | None


@frozen
class ReadCondition:
    """
    The preconditions of a read.  Source: RFC 9110, section 13.

    Tags are without quotes, `*` for any; times are seconds since the epoch.
    """

    if_match: tuple[str, ...] | None = None
    if_none_match: tuple[str, ...] | None = None
    if_modified_since: float | None = None
    if_unmodified_since: float | None = None


@frozen
class GetRequest:
    """What comes with a read; `version_id` None means the latest version."""

    version_id: str | None = None
    range: ByteRange | None = None
    condition: ReadCondition = ReadCondition()


class IObjectRead(Interface):
    """
    An object on its way out: bytes [start, stop) of `version`, an `IByteStream`.

    The first piece is already verified when the use case answers with this, so that a
    failure before any byte is still an error answer.
    """

    version = Attribute("the `ObjectVersion`")
    start = Attribute("offset of the first byte")
    stop = Attribute("offset after the last byte")

    def read() -> Deferred[bytes]:
        """The next bytes; b"" after the last.  Fails: BytesNotFound, Unavailable."""

    def close() -> Deferred[None]:
        """Let go of everything, at any time.  Never fails."""


class IObjects(Interface):
    """
    The use cases.  Names were checked by `model.names`; authorisation happened before.

    All may fail with Unavailable and its kin, which a retry may cure.
    """

    def create_bucket(name: str, owner: str) -> Deferred[Bucket]:
        """Fails: BucketAlreadyOwnedByYou, BucketAlreadyExists."""

    def bucket(name: str) -> Deferred[Bucket]:
        """Fails: NoSuchBucket."""

    def buckets() -> Deferred[Sequence[Bucket]]:
        """All, in the order of their names."""

    def delete_bucket(name: str) -> Deferred[None]:
        """Fails: NoSuchBucket, BucketNotEmpty."""

    def set_versioning(name: str, versioning: Versioning) -> Deferred[Bucket]:
        """Fails: NoSuchBucket, InvalidRequest."""

    def put(bucket: str, key: str, body: IBody, request: PutRequest) -> Deferred[ObjectVersion]:
        """
        Store an object; when this fires it is durable and visible.

        What can be refused from the headers alone (bucket, precondition, room, nodes) is
        refused before the body is asked for.

        Fails: NoSuchBucket, PreconditionFailed, NoSuchKey, BadDigest, IncompleteBody,
            NotEnoughNodes, CommitUnknown, Conflict.
        """

    def head(bucket: str, key: str, request: GetRequest) -> Deferred[ObjectVersion]:
        """Fails: NoSuchBucket, NoSuchKey, NoSuchVersion, MethodNotAllowed, NotModified, …"""

    def get(bucket: str, key: str, request: GetRequest) -> Deferred[Any]:
        """
        Begin to read an object; answers an `IObjectRead`, which the caller closes.

        Fails: as `head`; InvalidRange; BytesNotFound when no node has the bytes.
        """

    def delete(
        bucket: str, key: str, version_id: str | None, condition: WriteCondition
    ) -> Deferred[Deleted]:
        """Fails: NoSuchBucket, PreconditionFailed, Conflict, CommitUnknown."""

    def list_objects(
        bucket: str, prefix: str, delimiter: str, after: str, limit: int
    ) -> Deferred[Listing]:
        """As ICatalog.list_objects, but a page is full unless it is the last."""

    def list_versions(
        bucket: str, prefix: str, delimiter: str, after: str, after_version: str, limit: int
    ) -> Deferred[Listing]:
        """As ICatalog.list_versions, but a page is full unless it is the last."""

    def locate(bucket: str, key: str, version_id: str | None) -> Deferred[Located]:
        """Ask the nodes who holds the object's bytes.  Fails: as `head`."""
