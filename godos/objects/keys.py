"""
The keys of encrypted objects: how they are made, wrapped, and got again.

Every object, or upload in parts, has a random data key.  It is wrapped by a key of the
server (`--master-key`, `--kms-keys`), or follows from the customer's own, which is never
kept.  docs/encryption.rst specifies the descriptors.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Mapping
from hashlib import md5
from hmac import compare_digest
from typing import Any

from attrs import field, frozen
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from zope.interface import implementer

from godos.deferreds import deferred
from godos.model.encryption import Cipher, DataKey, Encryption, IKeys
from godos.model.errors import AccessDenied, InvalidEncryption, NoSuchEncryptionKey

KEY_SIZE = 32  # bytes of every key
_SALT = 16  # bytes
_ARN = "arn:aws:kms:"


def fingerprint(key: bytes) -> str:
    """What a server's key is told apart by: 16 hex digits that do not give it away."""
    return _derived(key, b"", "key id").hex()[:16]


@frozen
class KeyRing:
    """
    A key of the server, and those that it replaced.

    `keys` are 32 bytes each, the current one first; the others only unwrap what was
    wrapped with them.
    """

    keys: tuple[bytes, ...] = field(repr=False)
    _by_fingerprint: Mapping[str, bytes] = field(init=False, repr=False, eq=False)

    @_by_fingerprint.default
    def _fingerprints(self) -> Mapping[str, bytes]:
        return {fingerprint(key): key for key in self.keys}

    def wrap(self, secret: bytes, bound: Mapping[str, str]) -> dict[str, str]:
        """How to get `secret` again, given the same `bound`."""
        salt, (by, key) = os.urandom(_SALT), next(iter(self._by_fingerprint.items()))
        wrapped = aes_key_wrap(_derived(key, salt, "wrap", bound), secret)
        return {"by": by, "salt": _text(salt), "wrapped": _text(wrapped)}

    def unwrap(self, descriptor: Mapping[str, Any], bound: Mapping[str, str]) -> bytes:
        """
        Raises:
            NoSuchEncryptionKey: it was wrapped with a key that is not here, or something
                that is bound to it was changed.
        """
        by = descriptor["by"]
        key = self._by_fingerprint.get(by)
        if key is None:
            raise NoSuchEncryptionKey(
                f"the object's key was wrapped with the server's key {by}, which the server "
                "does not have any more: put it back into its key file, after the current one"
            )
        wrapping = _derived(key, b64decode(descriptor["salt"]), "wrap", bound)
        try:
            return aes_key_unwrap(wrapping, b64decode(descriptor["wrapped"]))
        except (InvalidUnwrap, ValueError) as error:
            raise NoSuchEncryptionKey(
                "the object's key cannot be unwrapped: its description was changed"
            ) from error


@frozen
class NamedKeys:
    """The keys of a key service, by their ids; `default` is the id when none is named."""

    rings: Mapping[str, KeyRing]
    default: str

    def named(self, key_id: str) -> str:
        """The key that an id, `alias/` and id, or an ARN means; "" the default one."""
        if key_id.startswith(_ARN):
            key_id = key_id.rpartition(":")[2].removeprefix("key/")
        return key_id.removeprefix("alias/") or self.default


@implementer(IKeys)
class Keys:
    """
    The key service of this server.

    Args:
        master: wraps the data keys of SSE-S3; None: there is no such encryption.
        named: wrap those of SSE-KMS; None: likewise.
    """

    def __init__(self, master: KeyRing | None = None, named: NamedKeys | None = None) -> None:
        self._master = master
        self._named = named

    @deferred
    async def make(self, encryption: Encryption) -> DataKey:
        """See `IKeys.make`."""
        if encryption.cipher is Cipher.CUSTOMER:
            return _of_customer(_valid(encryption.key))
        if encryption.key is not None:
            raise InvalidEncryption("a customer's key goes with no other kind of encryption")
        secret = os.urandom(KEY_SIZE)
        if encryption.cipher is Cipher.S3:
            wrapped = self._master_ring().wrap(secret, {"cipher": Cipher.S3})
            return DataKey(secret, {"cipher": str(Cipher.S3), **wrapped})
        return self._of_service(encryption, secret)

    def _of_service(self, encryption: Encryption, secret: bytes) -> DataKey:
        key_id = encryption.key_id or self._named_keys().default
        descriptor: dict[str, Any] = {"cipher": str(Cipher.KMS), "key_id": key_id}
        if encryption.context:
            descriptor["context"] = encryption.context
        if encryption.bucket_key:
            descriptor["bucket_key"] = True
        wrapped = self._ring(key_id).wrap(secret, _bound_by_service(descriptor))
        return DataKey(secret, descriptor | wrapped)

    @deferred
    async def open(self, descriptor: Mapping[str, Any], customer_key: bytes | None) -> DataKey:
        """See `IKeys.open`."""
        cipher = descriptor.get("cipher")
        check_customer_key(descriptor, customer_key)
        if cipher == Cipher.CUSTOMER:
            return _again_of_customer(descriptor, _valid(customer_key))
        if cipher == Cipher.S3:
            secret = self._master_ring().unwrap(descriptor, {"cipher": Cipher.S3})
        elif cipher == Cipher.KMS:
            secret = self._ring(descriptor["key_id"]).unwrap(
                descriptor, _bound_by_service(descriptor)
            )
        else:
            raise NoSuchEncryptionKey(f"this version of godos knows no encryption {cipher!r}")
        return DataKey(secret, descriptor)

    def _master_ring(self) -> KeyRing:
        if self._master is None:
            raise NoSuchEncryptionKey(
                "the server has no master key, and so cannot encrypt or decrypt with SSE-S3: "
                "start it with --master-key FILE"
            )
        return self._master

    def _named_keys(self) -> NamedKeys:
        if self._named is None:
            raise NoSuchEncryptionKey(
                "the server has no keys for SSE-KMS: start it with --kms-keys FILE"
            )
        return self._named

    def _ring(self, key_id: str) -> KeyRing:
        named = self._named_keys()
        ring = named.rings.get(named.named(key_id))
        if ring is None:
            raise NoSuchEncryptionKey(
                f"the file of --kms-keys names no key {key_id!r}: add it there, or use another"
            )
        return ring


def check_customer_key(descriptor: Mapping[str, Any] | None, customer_key: bytes | None) -> None:
    """
    Whether a request brings a customer's key exactly when the stored bytes need one.

    Raises:
        InvalidEncryption: it does not.
    """
    needed = descriptor is not None and descriptor.get("cipher") == Cipher.CUSTOMER
    if needed and customer_key is None:
        raise InvalidEncryption(
            "the object is encrypted with a customer's key: send it in the headers "
            "x-amz-server-side-encryption-customer-…"
        )
    if customer_key is not None and not needed:
        raise InvalidEncryption(
            "the object is not encrypted with a customer's key: send none for it"
        )


# -- a customer's key ------------------------------------------------------------------------
def _valid(key: bytes | None) -> bytes:
    if key is None or len(key) != KEY_SIZE:
        raise InvalidEncryption(f"a customer's key has {KEY_SIZE} bytes")
    return key


def _of_customer(key: bytes) -> DataKey:
    salt = os.urandom(_SALT)
    return DataKey(
        _derived(key, salt, "customer"),
        {
            "cipher": str(Cipher.CUSTOMER),
            "key_md5": _text(md5(key, usedforsecurity=False).digest()),
            "salt": _text(salt),
            "check": _text(_derived(key, salt, "check")),
        },
    )


def _again_of_customer(descriptor: Mapping[str, Any], key: bytes) -> DataKey:
    salt = b64decode(descriptor["salt"])
    if not compare_digest(_derived(key, salt, "check"), b64decode(descriptor["check"])):
        raise AccessDenied("the object is encrypted with another customer's key than this one")
    return DataKey(_derived(key, salt, "customer"), descriptor)


# -- how keys follow from keys ----------------------------------------------------------------
def _bound_by_service(descriptor: Mapping[str, Any]) -> dict[str, str]:
    """The key's id and the encryption context: who changes one cannot unwrap any more."""
    return {
        "cipher": Cipher.KMS,
        "key_id": descriptor["key_id"],
        "context": descriptor.get("context", ""),
    }


def _derived(
    key: bytes, salt: bytes, purpose: str, bound: Mapping[str, str] | None = None
) -> bytes:
    """Source: RFC 5869, HKDF-SHA-256."""
    said = json.dumps(bound or {}, sort_keys=True, separators=(",", ":"))
    return HKDF(SHA256(), KEY_SIZE, salt, f"godos {purpose}\0{said}".encode()).derive(key)


def _text(raw: bytes) -> str:
    return b64encode(raw).decode("ascii")
