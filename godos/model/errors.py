"""
What can go wrong, named after the fact.

`GodosError` is the root: anything else that escapes a use case is a bug, is logged as
one and answered with 500.  `web/errors.py` holds the table from these to answers.
"""

from __future__ import annotations

from typing import Any


class GodosError(Exception):
    """The root of all errors that godos itself raises."""


# -- what a client asked for does not exist, or may not be done ------------------------
class InvalidRequest(GodosError):
    """The request makes no sense; `str()` says what to change."""


class InvalidBucketName(InvalidRequest):
    """A bucket name breaks S3's naming rules."""


class InvalidKey(InvalidRequest):
    """An object name is empty, not UTF-8, or holds what no name may hold."""


class KeyTooLong(InvalidKey):
    """An object name is longer than 1024 bytes of UTF-8."""


class InvalidDigest(InvalidRequest):
    """A digest header is not a digest."""


class BadDigest(InvalidRequest):
    """The body does not have the digest that the client announced.  Nothing was stored."""


class IncompleteBody(InvalidRequest):
    """The body ended before its announced length.  Nothing was stored."""


class BodyStalled(InvalidRequest):
    """The client sent nothing for too long.  Nothing was stored."""


class EntityTooLarge(InvalidRequest):
    """The body is larger than the operation takes."""


class InvalidRange(GodosError):
    """No byte of the asked range exists."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the object has {size} bytes, and none of them is in that range")
        self.size = size


class NoSuchBucket(GodosError):
    """The catalog has no row for this bucket."""


class NoSuchKey(GodosError):
    """The catalog has no row for this key, or its latest version is a delete marker."""

    def __init__(self, message: str, delete_marker: str | None = None) -> None:
        super().__init__(message)
        self.delete_marker = delete_marker  # version id of the marker that hides the key


class NoSuchVersion(GodosError):
    """The catalog has no such version of the key."""


class MethodNotAllowed(GodosError):
    """The verb does not fit the thing, such as GET of a delete marker."""


class BucketNotEmpty(GodosError):
    """Only empty buckets can be deleted."""


class BucketAlreadyExists(GodosError):
    """Somebody else owns a bucket of this name."""


class BucketAlreadyOwnedByYou(GodosError):
    """The caller already has this bucket."""


class PreconditionFailed(GodosError):
    """
    An `If-…` header of a read or a write did not hold.  Nothing was changed.

    `condition` is the header's name, or empty.
    """

    def __init__(self, message: str, condition: str = "") -> None:
        super().__init__(message)
        self.condition = condition


class NotModified(GodosError):
    """A conditional read found what the client already has: `version`, an ObjectVersion."""

    def __init__(self, version: Any) -> None:
        super().__init__("the object is the one that the client has")
        self.version = version


class AccessDenied(GodosError):
    """The caller may not do this."""


class ObjectLocked(AccessDenied):
    """A retention or a legal hold keeps the version as it is."""


class InvalidBucketState(GodosError):
    """The bucket is in a state that forbids this, such as object lock without versioning."""


class NoSuchUpload(GodosError):
    """There is no upload in parts of this id for this key: never, or not any more."""


class InvalidPart(InvalidRequest):
    """A part that an upload is to be completed with is not there, or has another ETag."""


class InvalidPartOrder(InvalidRequest):
    """The parts that an upload is to be completed with are not in ascending order."""


class InvalidPartNumber(GodosError):
    """The object has no part of this number."""


class EntityTooSmall(InvalidRequest):
    """A part other than the last has less than 5 MiB."""


class PayloadMismatch(InvalidRequest):
    """The body is not the one that the signature covers.  Nothing was stored."""


class InvalidEncryption(InvalidRequest):
    """The encryption that was asked for makes no sense, or the key for reading is missing."""


class NoSuchEncryptionKey(InvalidRequest):
    """The server has no key of this id; or no master key, and so cannot encrypt."""


class UserExists(GodosError):
    """There is a user with this id, name or access key already."""


class QuotaExceeded(GodosError):
    """The bucket holds as much as it may."""


# -- the store cannot answer now --------------------------------------------------------
class Unavailable(GodosError):
    """The store cannot do this now; a later try may succeed.  Answered with 503."""


class CatalogUnavailable(Unavailable):
    """The catalog's engine did not give a definite answer in time."""


class CommitUnknown(CatalogUnavailable):
    """A commit may or may not have happened; the collector will settle what it left."""


class NotEnoughNodes(Unavailable):
    """Fewer live nodes than a durable write needs."""


class BytesNotFound(Unavailable):
    """The catalog has the object, but no node gave its bytes.  Never a 404."""


class Conflict(Unavailable):
    """Writers of one key kept overtaking each other until patience ended.  Try again."""


# -- a node ----------------------------------------------------------------------------
class NoSuchFragment(GodosError):
    """This node does not hold the fragment."""


class FragmentDamaged(GodosError):
    """Bytes of a fragment failed their check.  They were not returned."""


class NodeFailed(Unavailable):
    """The node left service after an error of its disk; `godos disk check` lets it back."""


class NodeFull(Unavailable):
    """The node's disk has no room for the fragment."""


class NodeUnreachable(Unavailable):
    """The node did not answer in time, or refused the connection."""


class WrongNode(Unavailable):
    """Another node answers at this address than the one that was meant."""


# -- starting up -----------------------------------------------------------------------
class CannotStart(GodosError):
    """The daemon refuses to start; `str()` is the one line that a person reads."""


class CatalogEmpty(CannotStart):
    """The catalog was never initialised."""


class ClusterMismatch(CannotStart):
    """A storage directory belongs to another cluster than the catalog."""
