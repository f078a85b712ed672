"""
Encryption, from a request's members and back.

Source: Amazon S3 User Guide, "Protecting data with encryption"; the errors are those of S3.
"""

from __future__ import annotations

import hmac
import json
from binascii import Error as NotBase64
from binascii import a2b_base64
from collections.abc import Mapping
from hashlib import md5
from typing import Any

from godos.model.encryption import Cipher, Encryption
from godos.web.errors import InvalidArgument, S3Error, UnsupportedFeature
from godos.web.exchange import IExchange
from godos.web.s3.call import Request

CUSTOMER_MEMBERS = ("SSECustomerAlgorithm", "SSECustomerKeyMD5")  # of answers
KEY_LENGTH = 32  # bytes of a customer's key
_AES256 = "AES256"
_NOT_ASKED: Mapping[str, Any] = {}

# Reads take a customer's key only: the server knows how it encrypted the rest.
_OF_WRITES = (
    b"x-amz-server-side-encryption",
    b"x-amz-server-side-encryption-aws-kms-key-id",
    b"x-amz-server-side-encryption-context",
    b"x-amz-server-side-encryption-bucket-key-enabled",
)


def encryption_of(request: Request) -> Encryption | None:
    """
    The encryption that an upload asks for; None when it asks for none.

    Raises:
        InvalidArgument, S3Error, UnsupportedFeature: it makes no sense, or is not there.
    """
    key = customer_key(request)
    method = request.get("ServerSideEncryption")
    if key is not None:
        if method is not None:
            raise InvalidArgument(
                "x-amz-server-side-encryption and a customer's key exclude each other; send one"
            )
        return Encryption(Cipher.CUSTOMER, key)
    if method is None or method == Cipher.S3:
        if "SSEKMSKeyId" in request or "SSEKMSEncryptionContext" in request:
            raise InvalidArgument(
                "a key id or an encryption context needs x-amz-server-side-encryption: aws:kms"
            )
        return None if method is None else Encryption(Cipher.S3)
    if method == Cipher.KMS:
        return Encryption(
            Cipher.KMS,
            key_id=request.get("SSEKMSKeyId", ""),
            context=_context(request.get("SSEKMSEncryptionContext", "")),
            bucket_key=request.get("BucketKeyEnabled", False),
        )
    if method.startswith("aws:"):
        raise UnsupportedFeature(f"encryption with {method[:40]} is not there; use aws:kms")
    raise InvalidArgument("x-amz-server-side-encryption is AES256 or aws:kms")


def _context(text: str) -> str:
    if text:
        try:
            context = json.loads(a2b_base64(text, strict_mode=True))
        except (NotBase64, ValueError, RecursionError):
            context = None
        if not isinstance(context, dict):
            raise InvalidArgument("the encryption context is the base64 of a JSON object")
    return text


def customer_key(request: Request, prefix: str = "") -> bytes | None:
    """
    The customer's key that a request brings, or None.

    Args:
        prefix: `CopySource` for the key of the source of a copy.

    Raises:
        InvalidArgument: algorithm, key and the key's MD5 do not come together, or do not
            fit each other.
        S3Error: InvalidEncryptionAlgorithmError.
    """
    algorithm = request.get(prefix + "SSECustomerAlgorithm")
    key = request.get(prefix + "SSECustomerKey")
    digest = request.get(prefix + "SSECustomerKeyMD5")
    if algorithm is key is digest is None:
        return None
    if algorithm is None:
        raise InvalidArgument("a customer's key comes with its algorithm, AES256")
    if algorithm != _AES256:
        raise S3Error(
            "InvalidEncryptionAlgorithmError", "the algorithm of a customer's key is AES256"
        )
    if key is None:
        raise InvalidArgument("the customer's key did not come, only its algorithm")
    if digest is None:
        raise InvalidArgument("a customer's key comes with the base64 of its MD5")
    secret = _decoded(key)
    if len(secret) != KEY_LENGTH:
        raise InvalidArgument(f"a customer's key is the base64 of {KEY_LENGTH} bytes")
    if not hmac.compare_digest(md5(secret, usedforsecurity=False).digest(), _decoded(digest)):
        raise InvalidArgument("the customer's key is not the one whose MD5 was sent")
    return secret


def _decoded(text: str) -> bytes:
    try:
        return a2b_base64(text, strict_mode=True)
    except (NotBase64, ValueError):
        return b""


def refuse_on_read(exchange: IExchange) -> None:
    """
    Refuse headers that only an upload may have.

    Raises:
        InvalidArgument: there is one.
    """
    for name, _ in exchange.headers():
        if name in _OF_WRITES:
            raise InvalidArgument(f"{name.decode()} is for uploads; leave it out to read")


def encryption_members(descriptor: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """How bytes are encrypted, as the headers of an answer tell it."""
    if descriptor is None:
        return _NOT_ASKED
    match descriptor["cipher"]:
        case Cipher.CUSTOMER:
            return dict(zip(CUSTOMER_MEMBERS, (_AES256, descriptor["key_md5"]), strict=True))
        case Cipher.KMS:
            told = {"ServerSideEncryption": Cipher.KMS.value, "SSEKMSKeyId": descriptor["key_id"]}
            return {**told, "BucketKeyEnabled": True} if descriptor.get("bucket_key") else told
    return {"ServerSideEncryption": _AES256}
