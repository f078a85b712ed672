"""What the settings of a bucket add to a version that is made in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from godos.model.encryption import Cipher, Encryption
from godos.model.errors import InvalidRequest
from godos.model.objects import PutRequest
from godos.model.versions import Attributes, Bucket, Lock
from godos.protocol.object_lock import with_default


def default_encryption(settings: Mapping[str, Any]) -> Encryption | None:
    """The encryption of uploads that ask for none, from the bucket's document for it."""
    rules = (settings.get("encryption") or {}).get("Rules") or []
    asked = rules[0].get("ApplyServerSideEncryptionByDefault") if rules else None
    if not asked:
        return None
    return Encryption(
        Cipher(asked["SSEAlgorithm"]),
        key_id=asked.get("KMSMasterKeyID") or "",
        bucket_key=bool(rules[0].get("BucketKeyEnabled")),
    )


def check_lock(attributes: Attributes, bucket: Bucket) -> None:
    """
    Raises:
        InvalidRequest: they have a lock, and the bucket has no object lock.
    """
    if attributes.lock != Lock() and not bucket.object_lock:
        raise InvalidRequest("the bucket has no object lock: its versions cannot be locked")


def with_retention(
    attributes: Attributes, bucket: Bucket, settings: Mapping[str, Any], now: float
) -> Attributes:
    """
    The attributes of a version that is made `now`, under the bucket's default retention
    unless they have one of their own.

    Raises:
        InvalidRequest: see `check_lock`.
    """
    check_lock(attributes, bucket)
    if not bucket.object_lock:
        return attributes
    lock = with_default(attributes.lock, settings.get("object-lock"), now)
    return attributes if lock is attributes.lock else evolve(attributes, lock=lock)


def with_defaults(
    request: PutRequest, bucket: Bucket, settings: Mapping[str, Any], now: float
) -> PutRequest:
    """
    An upload as it is to be done.

    Raises:
        InvalidRequest: see `check_lock`.
    """
    attributes = with_retention(request.attributes, bucket, settings, now)
    encryption = request.encryption or default_encryption(settings)
    if attributes is request.attributes and encryption is request.encryption:
        return request
    return evolve(request, attributes=attributes, encryption=encryption)
