"""What every `IObjects` promises of copies; used as `ObjectsContract` is."""

from __future__ import annotations

import zlib
from base64 import b64encode
from hashlib import md5
from typing import Any

import pytest
from attrs import evolve

from godos.model.encryption import Cipher, Encryption
from godos.model.errors import (
    AccessDenied,
    GodosError,
    InvalidEncryption,
    InvalidRequest,
    NoSuchBucket,
    NoSuchKey,
    NoSuchVersion,
    PreconditionFailed,
)
from godos.model.objects import (
    CopyRequest,
    CopySource,
    DeleteRequest,
    GetRequest,
    PutRequest,
    ReadCondition,
)
from godos.model.versions import Attributes, ObjectVersion, Versioning, WriteCondition
from tests.unit.objects.stores import Body, now, whole

TEXT = b"hello, world"
ETAG = md5(TEXT).hexdigest()
SAID = Attributes({"content-type": "a/b"}, {"author": "Zoë"})
CUSTOMER = Encryption(Cipher.CUSTOMER, b"k" * 32)
SSE_S3 = Encryption(Cipher.S3)


def kept(version: ObjectVersion) -> Attributes:
    """The attributes of a copy that says nothing of them."""
    return version.attributes


def denied(_: ObjectVersion) -> None:
    """A caller who may not read the source."""
    raise AccessDenied("no")


class CopiesContract:
    """Tests of any `IObjects`; what waits must be able to fire at once."""

    def put(
        self, objects: Any, key: str, data: bytes = TEXT, bucket: str = "objects", **asked: Any
    ) -> ObjectVersion:
        version = now(objects.put(bucket, key, Body(data), PutRequest(**asked)))
        assert isinstance(version, ObjectVersion)
        return version

    def copy(
        self,
        objects: Any,
        source: str,
        key: str,
        asked: GetRequest | None = None,
        bucket: str = "objects",
        **request: Any,
    ) -> tuple[ObjectVersion, ObjectVersion]:
        request.setdefault("attributes", kept)
        origin = CopySource("objects", source, asked or GetRequest())
        copied = now(objects.copy(origin, bucket, key, CopyRequest(**request)))
        assert isinstance(copied, tuple)
        return copied

    def get(
        self, objects: Any, key: str, request: GetRequest | None = None, bucket: str = "objects"
    ) -> bytes:
        return whole(now(objects.get(bucket, key, request or GetRequest())))

    @pytest.mark.parametrize("data", [b"", b"x", TEXT, b"much" * 100_000])
    def test_copy(self, objects: Any, data: bytes) -> None:
        """A copy has the bytes, the ETag, the checksums and what was said of its source."""
        put = self.put(objects, "a", data, attributes=SAID, checksum="crc32")
        source, copy = self.copy(objects, "a", "b")
        assert source == put
        assert (copy.key, copy.size, copy.etag) == ("b", len(data), put.etag)
        assert copy.attributes == put.attributes
        expected = b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
        assert dict(copy.checksums) == {"crc32": expected}
        assert self.get(objects, "b") == data
        assert now(objects.head("objects", "b", GetRequest())) == copy

    def test_the_source_goes(self, objects: Any) -> None:
        """A copy does not need its source."""
        self.put(objects, "a")
        self.copy(objects, "a", "b")
        now(objects.delete("objects", "a", DeleteRequest()))
        assert self.get(objects, "b") == TEXT

    def test_other_bucket(self, objects: Any) -> None:
        """Into another bucket."""
        now(objects.create_bucket("photos", "ann"))
        self.put(objects, "a")
        _, copy = self.copy(objects, "a", "b", bucket="photos")
        assert (copy.bucket, copy.key) == ("photos", "b")
        assert self.get(objects, "b", bucket="photos") == TEXT

    def test_other_attributes(self, objects: Any) -> None:
        """A copy may be described anew, also in the place of its source."""
        self.put(objects, "a", attributes=SAID)
        for key in ("b", "a"):
            _, copy = self.copy(
                objects, "a", key, attributes=lambda _: Attributes({"content-type": "c/d"})
            )
            assert (dict(copy.headers), dict(copy.metadata)) == ({"content-type": "c/d"}, {})
            assert self.get(objects, key) == TEXT

    def test_attributes_are_made_of_the_source(self, objects: Any) -> None:
        """What a copy is described with may follow from the very version that is copied."""
        self.put(objects, "a", attributes=evolve(SAID, tags={"colour": "red"}))
        _, copy = self.copy(
            objects, "a", "b", attributes=lambda version: Attributes(tags=version.attributes.tags)
        )
        assert dict(copy.attributes.tags) == {"colour": "red"}

    def test_versions(self, objects: Any) -> None:
        """An old version is copied onto its own key, and becomes the latest again."""
        now(objects.set_versioning("objects", Versioning.ENABLED))
        one, two = self.put(objects, "a", b"one"), self.put(objects, "a", b"two")
        source, copy = self.copy(objects, "a", "a", GetRequest(one.version_id))
        assert source.version_id == one.version_id
        assert copy.version_id not in (one.version_id, two.version_id)
        assert self.get(objects, "a") == b"one"
        versions = now(objects.list_versions("objects", "", "", "", "", 10)).versions
        assert [each.version_id for each in versions] == [
            copy.version_id,
            two.version_id,
            one.version_id,
        ]

    def test_missing_sources(self, objects: Any) -> None:
        """What is not there cannot be copied, and a delete marker is nothing to copy."""
        now(objects.set_versioning("objects", Versioning.ENABLED))
        put = self.put(objects, "gone")
        marker = now(objects.delete("objects", "gone", DeleteRequest())).version_id
        missing = GetRequest(put.version_id)
        cases: list[tuple[str, GetRequest | None, type[GodosError]]] = [
            ("nothing", None, NoSuchKey),
            ("gone", None, NoSuchKey),
            ("gone", GetRequest(marker), InvalidRequest),
            ("other", missing, NoSuchVersion),
        ]
        for key, asked, error in cases:
            with pytest.raises(error):
                self.copy(objects, key, "b", asked)
        with pytest.raises(NoSuchBucket):
            self.copy(objects, "gone", "b", missing, bucket="photos")
        assert self.copy(objects, "gone", "b", missing)[1].size == len(TEXT)

    @pytest.mark.parametrize(
        ("condition", "holds"),
        [
            (ReadCondition(if_match=(ETAG,)), True),
            (ReadCondition(if_match=("x",)), False),
            (ReadCondition(if_none_match=("x",)), True),
            (ReadCondition(if_none_match=(ETAG,)), False),
            (ReadCondition(if_modified_since=0), True),
            (ReadCondition(if_modified_since=4e9), False),
            (ReadCondition(if_unmodified_since=0), False),
            (ReadCondition(if_unmodified_since=4e9), True),
        ],
    )
    def test_conditions_of_the_source(
        self, objects: Any, condition: ReadCondition, holds: bool
    ) -> None:
        """A source that is not as the client wants it is not copied."""
        self.put(objects, "a")
        asked = GetRequest(condition=condition)
        if holds:
            self.copy(objects, "a", "b", asked)
            return
        with pytest.raises(PreconditionFailed):
            self.copy(objects, "a", "b", asked)
        with pytest.raises(NoSuchKey):
            self.get(objects, "b")

    def test_conditions_of_the_copy(self, objects: Any) -> None:
        """A copy replaces only what the client wants it to."""
        self.put(objects, "a")
        self.put(objects, "b", b"old")
        with pytest.raises(PreconditionFailed):
            self.copy(objects, "a", "b", condition=WriteCondition(if_none_match_any=True))
        with pytest.raises(PreconditionFailed):
            self.copy(objects, "a", "b", condition=WriteCondition(if_match="x"))
        assert self.get(objects, "b") == b"old"
        old = WriteCondition(if_match=md5(b"old").hexdigest())
        self.copy(objects, "a", "b", condition=old)
        assert self.get(objects, "b") == TEXT

    def test_permit(self, objects: Any) -> None:
        """Who may not read the source does not get a copy."""
        self.put(objects, "a")
        with pytest.raises(AccessDenied):
            self.copy(objects, "a", "b", GetRequest(permit=denied))
        with pytest.raises(NoSuchKey):
            self.get(objects, "b")

    def test_another_checksum(self, objects: Any) -> None:
        """A checksum that the source does not have is computed."""
        self.put(objects, "a", checksum="crc32")
        _, copy = self.copy(objects, "a", "b", checksum="sha256")
        assert list(copy.checksums) == ["sha256"]
        assert copy.etag == ETAG
        assert self.get(objects, "b") == TEXT

    @pytest.mark.parametrize("size", [0, 12, 200_000])
    @pytest.mark.parametrize("before", [None, CUSTOMER, SSE_S3])
    @pytest.mark.parametrize("after", [None, CUSTOMER, SSE_S3])
    def test_encryption(
        self, objects: Any, before: Encryption | None, after: Encryption | None, size: int
    ) -> None:
        """A copy is encrypted as it asks for, whatever its source is."""
        data = bytes(size)
        self.put(objects, "a", data, encryption=before)
        asked = GetRequest(customer_key=before.key if before else None)
        _, copy = self.copy(objects, "a", "b", asked, encryption=after)
        found = copy.attributes.encryption
        assert (found and found["cipher"]) == (after and after.cipher)
        read = GetRequest(customer_key=after.key if after else None)
        assert self.get(objects, "b", read) == data

    def test_customers_key_of_the_source(self, objects: Any) -> None:
        """A source that needs a customer's key is copied with that key only."""
        self.put(objects, "a", encryption=CUSTOMER)
        with pytest.raises(InvalidEncryption):
            self.copy(objects, "a", "b")
        with pytest.raises(AccessDenied):
            self.copy(objects, "a", "b", GetRequest(customer_key=b"w" * 32))
        with pytest.raises(NoSuchKey):
            self.get(objects, "b")
