"""Encryption at rest: what a request asks for, and what is kept to read the bytes again."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from attrs import field, frozen
from twisted.internet.defer import Deferred
from zope.interface import Interface


class Cipher(StrEnum):
    """Who keeps the key, in S3's words."""

    S3 = "AES256"
    KMS = "aws:kms"
    CUSTOMER = "customer"


@frozen
class Encryption:
    """
    The encryption that an upload asks for.

    `key` are the 32 bytes of a customer's key, never shown; `key_id` and `context` (the
    header's base64 text) go with KMS.
    """

    cipher: Cipher
    key: bytes | None = field(default=None, repr=False)
    key_id: str = ""
    context: str = ""
    bucket_key: bool = False


@frozen
class DataKey:
    """
    The key of one object's bytes, and how to get it again.

    `descriptor` is JSON-able and holds no secret in clear: it is kept as the version's
    `attributes.encryption` with at least `cipher`, and for a customer's key `key_md5`
    (base64), for KMS `key_id`.
    """

    secret: bytes = field(repr=False)
    descriptor: Mapping[str, Any]


class IKeys(Interface):
    """The key service: makes data keys, and opens them again."""

    def make(encryption: Encryption) -> Deferred[DataKey]:
        """Fails: InvalidEncryption, NoSuchEncryptionKey."""

    def open(descriptor: Mapping[str, Any], customer_key: bytes | None) -> Deferred[DataKey]:
        """
        The data key of stored bytes.

        Fails:
            InvalidEncryption: a customer's key is needed and was not sent, or was sent
                and is not needed.
            AccessDenied: it is another key than the one that the bytes were stored with.
            NoSuchEncryptionKey: the server's own key is not there any more.
        """
