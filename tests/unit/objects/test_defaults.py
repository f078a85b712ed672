"""What a bucket's settings add to what is made in it."""

from __future__ import annotations

from typing import Any

import pytest

from godos.model.encryption import Cipher, Encryption
from godos.model.errors import InvalidRequest
from godos.model.objects import PutRequest
from godos.model.versions import Attributes, Bucket, Lock, LockMode, Versioning
from godos.objects.defaults import default_encryption, with_defaults

NOW = 1_700_000_000.0
PLAIN = Bucket("plain", "1", "me", NOW)
LOCKABLE = Bucket("locked", "2", "me", NOW, Versioning.ENABLED, object_lock=True)
RETAIN = {"object-lock": {"Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}}}
RETAINED = Lock(LockMode.COMPLIANCE, NOW + 86_400)


def encrypting(algorithm: str, key_id: str | None = None, **rule: Any) -> dict[str, Any]:
    """The settings of a bucket whose objects are encrypted by default."""
    by_default: dict[str, Any] = {"SSEAlgorithm": algorithm}
    if key_id is not None:
        by_default["KMSMasterKeyID"] = key_id
    rules = [{"ApplyServerSideEncryptionByDefault": by_default, **rule}]
    return {"encryption": {"Rules": rules}}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, None),
        ({"encryption": {}}, None),
        ({"encryption": {"Rules": [{"BucketKeyEnabled": True}]}}, None),
        (encrypting("AES256"), Encryption(Cipher.S3)),
        (encrypting("aws:kms"), Encryption(Cipher.KMS)),
        (encrypting("aws:kms", "mine"), Encryption(Cipher.KMS, key_id="mine")),
        (
            encrypting("aws:kms", BucketKeyEnabled=True),
            Encryption(Cipher.KMS, bucket_key=True),
        ),
    ],
)
def test_encryption(settings: dict[str, Any], expected: Encryption | None) -> None:
    """Uploads that ask for none get the bucket's; those that ask keep theirs."""
    assert default_encryption(settings) == expected
    assert with_defaults(PutRequest(), PLAIN, settings, NOW).encryption == expected
    own = Encryption(Cipher.CUSTOMER, b"k" * 32)
    assert with_defaults(PutRequest(encryption=own), PLAIN, settings, NOW).encryption is own


def test_retention() -> None:
    """Only where versions can be locked."""
    assert with_defaults(PutRequest(), LOCKABLE, RETAIN, NOW).attributes.lock == RETAINED
    assert with_defaults(PutRequest(), PLAIN, RETAIN, NOW).attributes.lock == Lock()


def test_locks_without_object_lock() -> None:
    """Are refused rather than kept and not obeyed."""
    for lock in (RETAINED, Lock(legal_hold=True)):
        request = PutRequest(Attributes(lock=lock))
        with pytest.raises(InvalidRequest):
            with_defaults(request, PLAIN, {}, NOW)
        assert with_defaults(request, LOCKABLE, {}, NOW) is request


def test_nothing_to_add() -> None:
    """The request is taken as it is."""
    request = PutRequest()
    assert with_defaults(request, PLAIN, {}, NOW) is request
    assert with_defaults(request, LOCKABLE, {}, NOW) is request
