"""The keys of encrypted objects."""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from zope.interface.verify import verifyObject

from godos.model.encryption import Cipher, DataKey, Encryption, IKeys
from godos.model.errors import AccessDenied, InvalidEncryption, NoSuchEncryptionKey
from godos.objects.keys import KeyRing, Keys, NamedKeys, check_customer_key
from tests.unit.objects.stores import now

OLD, NEW, CUSTOMER = b"o" * 32, b"n" * 32, b"c" * 32
NAMED = NamedKeys({"first": KeyRing((b"1" * 32,)), "second": KeyRing((b"2" * 32,))}, "first")
KEYS = Keys(KeyRing((NEW,)), NAMED)
EVERY = [
    Encryption(Cipher.S3),
    Encryption(Cipher.KMS),
    Encryption(Cipher.KMS, key_id="second", context="eyJhIjoiYiJ9", bucket_key=True),
    Encryption(Cipher.CUSTOMER, key=CUSTOMER),
]


def make(encryption: Encryption, keys: Keys = KEYS) -> DataKey:
    made: DataKey = now(keys.make(encryption))
    return made


def reopen(descriptor: Any, customer: bytes | None = None, keys: Keys = KEYS) -> bytes:
    secret: bytes = now(keys.open(json.loads(json.dumps(descriptor)), customer)).secret
    return secret


def test_interface() -> None:
    """It is a key service."""
    assert verifyObject(IKeys, KEYS)


@pytest.mark.parametrize("encryption", EVERY)
def test_what_was_made_is_opened(encryption: Encryption) -> None:
    """The descriptor, which is JSON, and the customer's key are enough; each key is new."""
    one, other = make(encryption), make(encryption)
    assert len(one.secret) == 32
    assert one.secret != other.secret
    assert reopen(one.descriptor, encryption.key) == one.secret
    assert one.descriptor["cipher"] == encryption.cipher


@pytest.mark.parametrize("encryption", EVERY)
def test_descriptors_hold_no_secret(encryption: Encryption) -> None:
    """Neither the data key nor any key that protects it is in what is kept."""
    made = make(encryption)
    kept = json.dumps(made.descriptor).encode()
    for secret in (made.secret, NEW, CUSTOMER, b"1" * 32, b"2" * 32):
        for form in (secret, secret.hex().encode(), b64encode(secret)):
            assert form not in kept
    assert repr(made.secret) not in repr(made)


def test_what_is_shown_of_a_descriptor() -> None:
    """What answers tell of the encryption can be read from it."""
    assert make(EVERY[1]).descriptor["key_id"] == "first"
    named = make(EVERY[2]).descriptor
    assert (named["key_id"], named["context"], named["bucket_key"]) == (
        "second",
        "eyJhIjoiYiJ9",
        True,
    )
    assert make(EVERY[3]).descriptor["key_md5"] == "ACdH+Fu9K3HlXdIUBu8GdA=="


def test_a_master_key_that_was_replaced_still_opens() -> None:
    """New objects are wrapped with the new one; when the old one is gone, it is said which."""
    before = make(EVERY[0], Keys(KeyRing((OLD,))))
    both = Keys(KeyRing((NEW, OLD)))
    assert reopen(before.descriptor, keys=both) == before.secret
    after = make(EVERY[0], both)
    assert reopen(after.descriptor, keys=Keys(KeyRing((NEW,)))) == after.secret
    with pytest.raises(NoSuchEncryptionKey, match=before.descriptor["by"]):
        reopen(before.descriptor, keys=Keys(KeyRing((NEW,))))


@pytest.mark.parametrize("change", [{"context": "eyJhIjoiYyJ9"}, {"key_id": "first"}])
def test_what_is_bound_to_a_key_cannot_be_changed(change: dict[str, str]) -> None:
    """A descriptor with another encryption context, or another key's name, opens nothing."""
    descriptor = {**make(EVERY[2]).descriptor, **change}
    with pytest.raises(NoSuchEncryptionKey):
        reopen(descriptor)


@pytest.mark.parametrize(
    "key_id",
    ["second", "alias/second", "arn:aws:kms:us-east-1:000000000000:key/second"],
)
def test_names_of_keys(key_id: str) -> None:
    """By id, alias or ARN; the id is kept as it was named."""
    made = make(Encryption(Cipher.KMS, key_id=key_id))
    assert made.descriptor["key_id"] == key_id
    without = Keys(None, NamedKeys({"second": KeyRing((b"2" * 32,))}, "second"))
    assert reopen(made.descriptor, keys=without) == made.secret


def test_keys_that_the_server_does_not_have() -> None:
    """The message tells what to configure."""
    none = Keys()
    for encryption, option in ((EVERY[0], "--master-key"), (EVERY[1], "--kms-keys")):
        with pytest.raises(NoSuchEncryptionKey, match=option):
            make(encryption, none)
        with pytest.raises(NoSuchEncryptionKey, match=option):
            reopen(make(encryption).descriptor, keys=none)
    with pytest.raises(NoSuchEncryptionKey, match="third"):
        make(Encryption(Cipher.KMS, key_id="third"))
    assert reopen(make(EVERY[3], none).descriptor, CUSTOMER, none)


def test_another_customers_key() -> None:
    """It is refused, and not tried on the bytes."""
    with pytest.raises(AccessDenied):
        reopen(make(EVERY[3]).descriptor, b"C" * 32)


@pytest.mark.parametrize("key", [None, b"", b"c" * 31, b"c" * 33])
def test_customers_keys_that_are_none(key: bytes | None) -> None:
    """A key has 32 bytes."""
    with pytest.raises(InvalidEncryption):
        make(Encryption(Cipher.CUSTOMER, key=key))
    with pytest.raises(InvalidEncryption):
        reopen(make(EVERY[3]).descriptor, key)


def test_a_customers_key_where_none_belongs() -> None:
    """It is a mistake that the client should know of."""
    for encryption in EVERY[:3]:
        with pytest.raises(InvalidEncryption):
            reopen(make(encryption).descriptor, CUSTOMER)
    with pytest.raises(InvalidEncryption):
        check_customer_key(None, CUSTOMER)
    with pytest.raises(InvalidEncryption):
        make(Encryption(Cipher.S3, key=CUSTOMER))
    check_customer_key(None, None)


def test_an_encryption_of_a_later_version() -> None:
    """It is said that this server cannot read it."""
    with pytest.raises(NoSuchEncryptionKey, match="moon"):
        reopen({"cipher": "moon"})


def hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    """RFC 5869 with SHA-256 and 32 bytes of output, by its own words."""
    extracted = hmac.digest(salt or bytes(32), key, "sha256")
    return hmac.digest(extracted, info + b"\1", "sha256")


def test_descriptors_are_the_documented_ones() -> None:
    """What docs/encryption.rst says, done by hand, opens them: it may not change."""
    made = make(EVERY[2])
    kept = made.descriptor
    assert kept["by"] == hkdf(b"2" * 32, b"", b"godos key id\0{}").hex()[:16]
    bound = b'{"cipher":"aws:kms","context":"eyJhIjoiYiJ9","key_id":"second"}'
    wrapping = hkdf(b"2" * 32, b64decode(kept["salt"]), b"godos wrap\0" + bound)
    assert aes_key_unwrap(wrapping, b64decode(kept["wrapped"])) == made.secret
    made = make(EVERY[3])
    salt, check = (b64decode(made.descriptor[name]) for name in ("salt", "check"))
    assert made.secret == hkdf(CUSTOMER, salt, b"godos customer\0{}")
    assert check == hkdf(CUSTOMER, salt, b"godos check\0{}")
