"""What a user may ask of the store: the use cases, and the records they take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import field, frozen
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from godos.model.bodies import IBody
from godos.model.encryption import Encryption
from godos.model.locating import Located
from godos.model.multipart import MultipartUpload, Part, PartsPage, UploadsPage
from godos.model.versions import (
    PLAIN,
    UNCONDITIONAL,
    Attributes,
    Bucket,
    ChecksumType,
    Deleted,
    Listing,
    Lock,
    ObjectVersion,
    Versioning,
    WriteCondition,
)

# Raises AccessDenied when the caller may not do to this version what was asked.
Permit = Callable[[ObjectVersion], None]


def permitted(_: ObjectVersion) -> None:
    """The `Permit` of a caller who needs to be asked no more."""


@frozen
class PutRequest:
    """
    What comes with an upload, of an object or of a part.

    `md5`, `sha256` and `checksums` (algorithm in lower case: crc32, crc32c, crc64nvme,
    sha1, sha256) are raw digests that the client announced: the body must have them or
    nothing is stored.  `payload_sha256` is the one that a signature covers.  `checksum`
    is the algorithm whose value is kept and answered, even when none was announced;
    `trailing` gives the digests that came after the body, once it has ended.
    """

    attributes: Attributes = PLAIN
    md5: bytes | None = None
    sha256: bytes | None = None
    condition: WriteCondition = UNCONDITIONAL
    payload_sha256: bytes | None = None
    checksums: Mapping[str, bytes] = field(factory=dict)
    checksum: str = ""
    trailing: Callable[[], Mapping[str, bytes]] | None = None
    encryption: Encryption | None = None
    event: str = "ObjectCreated:Put"


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
    """
    What comes with a read; `version_id` None means the latest version.

    `part` reads one part of a multipart object (of any other, 1 is the whole).
    `customer_key` are the 32 bytes that the object was encrypted with.  `attributes_only`:
    a head is for the version's tags, list or lock, which need no key to read.
    """

    version_id: str | None = None
    range: ByteRange | None = None
    condition: ReadCondition = ReadCondition()
    part: int | None = None
    customer_key: bytes | None = field(default=None, repr=False)
    permit: Permit = permitted
    attributes_only: bool = False


@frozen
class CopySource:
    """The object that is copied: `request` has its version, conditions and customer's key."""

    bucket: str
    key: str
    request: GetRequest = GetRequest()


@frozen
class CopyRequest:
    """
    What comes with a copy.

    `attributes` makes those of the copy from the source version; `encryption` is the
    copy's own.  `checksum` as in `PutRequest`.
    """

    attributes: Callable[[ObjectVersion], Attributes]
    condition: WriteCondition = UNCONDITIONAL
    encryption: Encryption | None = None
    checksum: str = ""


@frozen
class NewUpload:
    """What an upload in parts begins with."""

    initiator: str
    attributes: Attributes = PLAIN
    checksum: str = ""
    checksum_type: ChecksumType = ChecksumType.COMPOSITE
    encryption: Encryption | None = None


@frozen
class ChosenPart:
    """A part as a client names it when it completes an upload."""

    number: int
    etag: str
    checksums: Mapping[str, str] = field(factory=dict)


@frozen
class CompleteRequest:
    """
    What comes with the end of an upload in parts.

    `checksums` (base64) and `size` (bytes) are what the client says of the whole object.
    """

    parts: tuple[ChosenPart, ...]
    condition: WriteCondition = UNCONDITIONAL
    checksums: Mapping[str, str] = field(factory=dict)
    checksum_type: ChecksumType | None = None
    size: int | None = None
    customer_key: bytes | None = field(default=None, repr=False)


@frozen
class DeleteRequest:
    """
    What comes with a DELETE; `version_id` None is the latest.

    `bypass_governance`: the caller may and wants to remove a version under governance.
    """

    version_id: str | None = None
    condition: WriteCondition = UNCONDITIONAL
    bypass_governance: bool = False


class IObjectRead(Interface):
    """
    An object on its way out: bytes [start, stop) of `version`, an `IByteStream`.

    The first piece is already verified when the use case answers with this, so that a
    failure before any byte is still an error answer.
    """

    version = Attribute("the `ObjectVersion`")
    start = Attribute("offset of the first byte")
    stop = Attribute("offset after the last byte")
    part = Attribute("the `Part` when one was asked for and the object has parts, else None")

    def read() -> Deferred[bytes]:
        """The next bytes; b"" after the last.  Fails: BytesNotFound, Unavailable."""

    def close() -> Deferred[None]:
        """Let go of everything, at any time.  Never fails."""


class IBuckets(Interface):
    """Buckets and their settings."""

    def create_bucket(name: str, owner: str, object_lock: bool = False) -> Deferred[Bucket]:
        """Fails: BucketAlreadyOwnedByYou, BucketAlreadyExists."""

    def bucket(name: str) -> Deferred[Bucket]:
        """Fails: NoSuchBucket."""

    def buckets() -> Deferred[Sequence[Bucket]]:
        """All, in the order of their names."""

    def delete_bucket(name: str) -> Deferred[None]:
        """Fails: NoSuchBucket, BucketNotEmpty."""

    def set_versioning(name: str, versioning: Versioning) -> Deferred[Bucket]:
        """Fails: NoSuchBucket, InvalidRequest, InvalidBucketState (it has object lock)."""

    def enable_object_lock(name: str) -> Deferred[Bucket]:
        """Let versions be locked from now on.  Fails: InvalidBucketState (no versioning)."""

    def settings(name: str) -> Deferred[Mapping[str, Any]]:
        """
        All documents that configure a bucket, by name (policy, acl, cors, lifecycle, …).

        They may be 2 s old when another server changed them.  Fails: NoSuchBucket.
        """

    def set_setting(name: str, setting: str, document: Any) -> Deferred[None]:
        """Replace one document; None removes it.  Fails: NoSuchBucket."""


class IUploads(Interface):
    """Uploads in parts.  Fail with NoSuchUpload when there is none of that id and key."""

    def create_upload(bucket: str, key: str, new: NewUpload) -> Deferred[MultipartUpload]:
        """Begin one.  Fails: NoSuchBucket."""

    def upload(bucket: str, key: str, upload_id: str) -> Deferred[MultipartUpload]:
        """What was begun."""

    def upload_part(
        bucket: str, key: str, upload_id: str, number: int, body: IBody, request: PutRequest
    ) -> Deferred[Part]:
        """Store a part; one with the same number replaces it.  Fails: as `put`."""

    def copy_part(
        bucket: str,
        key: str,
        upload_id: str,
        number: int,
        source: CopySource,
        request: PutRequest,
    ) -> Deferred[Part]:
        """A part whose bytes are those of an object, or a range of them.  As `get`, `put`."""

    def parts(bucket: str, key: str, upload_id: str, after: int, limit: int) -> Deferred[PartsPage]:
        """The parts so far, numbers > `after`."""

    def complete_upload(
        bucket: str, key: str, upload_id: str, request: CompleteRequest
    ) -> Deferred[ObjectVersion]:
        """
        Make the object of the chosen parts.  Completing it again answers alike.

        Fails: InvalidPart, InvalidPartOrder, EntityTooSmall, BadDigest, and as `put`.
        """

    def abort_upload(bucket: str, key: str, upload_id: str) -> Deferred[None]:
        """Give it up; its parts are collected."""

    def uploads(
        bucket: str,
        prefix: str,
        delimiter: str,
        after: tuple[str, str],
        limit: int,
    ) -> Deferred[UploadsPage]:
        """Open ones after (key, upload id), as `list_objects`."""

    def parts_of(version: ObjectVersion, after: int, limit: int) -> Deferred[PartsPage]:
        """The parts that an object was made of."""


class IObjects(IBuckets, IUploads):
    """
    The use cases.  Names were checked by `model.names`; authorisation happened before, but
    for what a `Permit` holds back.

    All may fail with Unavailable and its kin, which a retry may cure.
    """

    def put(bucket: str, key: str, body: IBody, request: PutRequest) -> Deferred[ObjectVersion]:
        """
        Store an object; when this fires it is durable and visible.

        What can be refused from the headers alone (bucket, precondition, room, nodes) is
        refused before the body is asked for.

        Fails: NoSuchBucket, PreconditionFailed, NoSuchKey, BadDigest, IncompleteBody,
            NotEnoughNodes, CommitUnknown, Conflict, InvalidEncryption.
        """

    def head(bucket: str, key: str, request: GetRequest) -> Deferred[ObjectVersion]:
        """
        Fails: NoSuchBucket, NoSuchKey, NoSuchVersion, MethodNotAllowed, NotModified, …

        With `part`, or for a range, `get` knows more.
        """

    def get(bucket: str, key: str, request: GetRequest) -> Deferred[Any]:
        """
        Begin to read an object; answers an `IObjectRead`, which the caller closes.

        Fails: as `head`; InvalidRange; InvalidPartNumber; BytesNotFound when no node has
            the bytes; InvalidEncryption.
        """

    def copy(
        source: CopySource, bucket: str, key: str, request: CopyRequest
    ) -> Deferred[tuple[ObjectVersion, ObjectVersion]]:
        """
        Make an object of another's bytes, and answer source and copy.

        No byte moves, unless the one or the other is encrypted or a checksum is asked for
        that the source has not.  Fails: as `get` and `put`.
        """

    def delete(bucket: str, key: str, request: DeleteRequest) -> Deferred[Deleted]:
        """Fails: NoSuchBucket, PreconditionFailed, Conflict, CommitUnknown, ObjectLocked."""

    def set_tags(
        bucket: str, key: str, version_id: str | None, tags: Mapping[str, str], permit: Permit
    ) -> Deferred[ObjectVersion]:
        """Replace a version's tags.  Fails: as `head`."""

    def set_acl(
        bucket: str,
        key: str,
        version_id: str | None,
        acl: Callable[[ObjectVersion], Mapping[str, Any] | None],
        permit: Permit,
    ) -> Deferred[ObjectVersion]:
        """Replace a version's access control list.  Fails: as `head`."""

    def set_lock(
        bucket: str,
        key: str,
        version_id: str | None,
        change: Callable[[Lock], Lock],
        bypass_governance: bool,
        permit: Permit,
    ) -> Deferred[ObjectVersion]:
        """
        Change a version's retention or legal hold.

        Fails: as `head`; InvalidRequest: the bucket has no object lock; ObjectLocked: the
            change would weaken a retention that the caller may not weaken.
        """

    def list_objects(
        bucket: str, prefix: str, delimiter: str, after: str, limit: int
    ) -> Deferred[Listing]:
        """As ICatalog.list_objects, but a page is full unless it is the last."""

    def list_versions(
        bucket: str, prefix: str, delimiter: str, after: str, after_version: str, limit: int
    ) -> Deferred[Listing]:
        """As ICatalog.list_versions, but a page is full unless it is the last."""

    def locate(bucket: str, key: str, version_id: str | None) -> Deferred[Mapping[str, Located]]:
        """
        Ask the nodes who holds the object's bytes; by incarnation, in the object's order.

        Fails: as `head`.
        """
