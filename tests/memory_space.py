"""A bucket in memory: its versions, uploads and settings, and what may be done to them."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import md5, sha1, sha256
from typing import Any

import crc32c
from attrs import define, evolve, field
from awscrt import checksums as awscrt_checksums

from godos.model.encryption import Cipher, Encryption
from godos.model.errors import (
    AccessDenied,
    BadDigest,
    InvalidEncryption,
    MethodNotAllowed,
    NoSuchKey,
    NoSuchUpload,
    NoSuchVersion,
    ObjectLocked,
    PayloadMismatch,
    PreconditionFailed,
    QuotaExceeded,
)
from godos.model.multipart import MultipartUpload, Part
from godos.model.objects import PutRequest
from godos.model.versions import NULL_VERSION, Bucket, ObjectVersion, WriteCondition
from godos.protocol.object_lock import keeps

CHECKSUMS: Mapping[str, Callable[[bytes], bytes]] = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "crc32c": lambda data: crc32c.crc32c(data).to_bytes(4, "big"),
    "crc64nvme": lambda data: awscrt_checksums.crc64nvme(data).to_bytes(8, "big"),
    "sha1": lambda data: sha1(data).digest(),
    "sha256": lambda data: sha256(data).digest(),
}


@define(eq=False)
class Stored:
    """A version and its bytes, and the parts they came in."""

    version: ObjectVersion
    data: bytes
    parts: tuple[Part, ...] = ()


@define(eq=False)
class OpenUpload:
    """An upload in parts: its parts and their bytes, by number."""

    upload: MultipartUpload
    parts: dict[int, tuple[Part, bytes]] = field(factory=dict)


@define
class Space:
    """A bucket, its versions (newest first), uploads (by age) and settings."""

    bucket: Bucket
    keys: dict[str, list[Stored]] = field(factory=dict)
    uploads: dict[str, OpenUpload] = field(factory=dict)
    settings: dict[str, Any] = field(factory=dict)

    def sorted(self) -> Iterator[tuple[str, list[Stored]]]:
        """In the byte order of the keys."""
        return iter(sorted(self.keys.items(), key=lambda item: item[0].encode("utf-8")))

    def head(self, key: str) -> Stored | None:
        """The latest version, unless it is a delete marker."""
        versions = self.keys.get(key)
        return None if not versions or versions[0].version.is_delete_marker else versions[0]

    def find(self, key: str, version_id: str | None) -> Stored:
        """Fails: NoSuchKey, NoSuchVersion, MethodNotAllowed."""
        versions = self.keys.get(key, [])
        if version_id is None:
            head = self.head(key)
            if head is None:
                marker = versions[0].version.version_id if versions else None
                raise NoSuchKey(f"there is no object {key}", marker)
            return head
        for stored in versions:
            if is_named(stored.version, version_id):
                if stored.version.is_delete_marker:
                    raise MethodNotAllowed("this version is a delete marker")
                return stored
        raise NoSuchVersion(f"there is no version {version_id} of {key}")

    def check_write(self, key: str, condition: WriteCondition) -> None:
        """Fails: PreconditionFailed, NoSuchKey."""
        head = self.head(key)
        if condition.if_none_match_any and head is not None:
            raise PreconditionFailed("the object exists")
        if condition.if_match is not None:
            if head is None:
                raise NoSuchKey(f"there is no object {key}")
            if condition.if_match not in ("*", head.version.etag):
                raise PreconditionFailed("the object has another ETag now")

    def check_quota(self, key: str | None, size: int, objects: int) -> None:
        """Fails: QuotaExceeded."""
        quota = self.settings.get("quota") or {}
        head = None if key is None else self.head(key)
        kept = [each for versions in self.keys.values() for each in versions]
        kept = [each for each in kept if not each.version.is_delete_marker]
        if head is not None and head.version.is_null:
            kept.remove(head)
        parts = [part for each in self.uploads.values() for part, _ in each.parts.values()]
        held = sum(each.version.size for each in kept) + sum(part.size for part in parts)
        for limit, more in (
            (quota.get("bytes"), held + size),
            (quota.get("objects"), len(kept) + objects),
        ):
            if limit is not None and more > limit:
                raise QuotaExceeded("the bucket holds as much as it may")

    def push(self, stored: Stored) -> ObjectVersion | None:
        """Put a version on top; a null version takes the place of the null version."""
        old = self.keys.get(stored.version.key, [])
        kept = [each for each in old if not (stored.version.is_null and each.version.is_null)]
        self.keys[stored.version.key] = [stored, *kept]
        gone = [each.version for each in old if each not in kept]
        return gone[0] if gone else None

    def forget(
        self, key: str, gone: Sequence[Stored], now: float, bypass: bool
    ) -> ObjectVersion | None:
        """Remove versions for good.  Fails: ObjectLocked."""
        if not gone:
            return None
        if any(keeps(each.version.attributes.lock, now, bypass) for each in gone):
            raise ObjectLocked("the version is locked")
        left = [stored for stored in self.keys[key] if stored not in gone]
        if left:
            self.keys[key] = left
        else:
            del self.keys[key]
        return gone[0].version

    def open_upload(self, key: str, upload_id: str) -> OpenUpload:
        """An upload, which may be completed.  Fails: NoSuchUpload."""
        found = self.uploads.get(upload_id)
        if found is None or found.upload.key != key:
            raise NoSuchUpload(f"there is no upload {upload_id} of {key}")
        return found


def is_named(version: ObjectVersion, version_id: str) -> bool:
    """Whether `version_id` means this version."""
    return version.version_id == version_id or (version_id == NULL_VERSION and version.is_null)


def check_condition_of_delete(version: ObjectVersion | None, condition: WriteCondition) -> None:
    """Fails: PreconditionFailed."""
    if version is None:
        return
    if condition.modified is not None and int(version.modified) != int(condition.modified):
        raise PreconditionFailed("the object has another time now")
    if condition.size is not None and version.size != condition.size:
        raise PreconditionFailed("the object has another size now")


def verified(data: bytes, request: PutRequest) -> dict[str, str]:
    """The checksums to keep of a body.  Fails: BadDigest, PayloadMismatch."""
    if request.payload_sha256 not in (None, sha256(data).digest()):
        raise PayloadMismatch("the body is not the one that was signed")
    told = dict(request.checksums)
    if request.trailing is not None:
        told.update(request.trailing())
    for name, digest, found in (
        ("md5", request.md5, md5(data).digest()),
        ("sha256", request.sha256, sha256(data).digest()),
        *((name, digest, CHECKSUMS[name](data)) for name, digest in told.items()),
    ):
        if digest is not None and digest != found:
            raise BadDigest(f"the body's {name} is another than announced")
    kept = ({*request.checksums, request.checksum} - {""}) or {"crc64nvme"}
    if request.trailing is not None and request.checksum not in {"", *told}:
        raise BadDigest("the checksum that was to come after the body is missing")
    return {name: base64.b64encode(CHECKSUMS[name](data)).decode() for name in sorted(kept)}


def descriptor(encryption: Encryption | None) -> Mapping[str, Any] | None:
    """What is kept of an encryption; the bytes of this store are never encrypted."""
    if encryption is None:
        return None
    found: dict[str, Any] = {"cipher": encryption.cipher.value}
    if encryption.cipher is Cipher.CUSTOMER:
        found["key_md5"] = _key_md5(encryption.key or b"")
    if encryption.cipher is Cipher.KMS:
        found["key_id"] = encryption.key_id or "default"
    return found


def check_key(kept: Mapping[str, Any] | None, key: bytes | None) -> None:
    """Fails: InvalidEncryption, AccessDenied: it was stored with another customer's key."""
    customers = kept is not None and kept["cipher"] == Cipher.CUSTOMER.value
    if customers != (key is not None):
        raise InvalidEncryption("a customer's key is missing, or is not needed")
    if customers and key is not None and kept is not None and kept["key_md5"] != _key_md5(key):
        raise AccessDenied("the object was stored with another key")


def _key_md5(key: bytes) -> str:
    return base64.b64encode(md5(key).digest()).decode()


def amended(version: ObjectVersion, **changes: Any) -> ObjectVersion:
    """The version with other attributes."""
    return evolve(version, attributes=evolve(version.attributes, **changes))
