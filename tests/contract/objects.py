"""
What every `IObjects` promises.

A test module subclasses `ObjectsContract` and defines a fixture `objects` that opens an
empty store with the bucket `objects`; the tests then hold for it.
"""

from __future__ import annotations

from hashlib import md5, sha256
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from godos.model.errors import (
    BadDigest,
    BucketAlreadyExists,
    BucketAlreadyOwnedByYou,
    BucketNotEmpty,
    GodosError,
    InvalidRange,
    InvalidRequest,
    MethodNotAllowed,
    NoSuchBucket,
    NoSuchKey,
    NoSuchVersion,
    NotModified,
    PreconditionFailed,
)
from godos.model.objects import (
    ByteRange,
    DeleteRequest,
    GetRequest,
    IObjectRead,
    IObjects,
    PutRequest,
    ReadCondition,
)
from godos.model.versions import (
    NULL_VERSION,
    Attributes,
    Bucket,
    Deleted,
    Listing,
    ObjectVersion,
    Versioning,
    WriteCondition,
)
from tests.unit.objects.stores import Body, now, whole

PLAIN = GetRequest()
ONLY_NEW = WriteCondition(if_none_match_any=True)
TEXT = b"hello, world"
ETAG = md5(TEXT).hexdigest()


def delete_if(etag: str) -> DeleteRequest:
    """A conditional delete."""
    return DeleteRequest(condition=WriteCondition(if_match=etag))


class ObjectsContract:
    """Tests of any `IObjects`; what waits must be able to fire at once."""

    def put(
        self, objects: Any, key: str, data: bytes = TEXT, bucket: str = "objects", **asked: Any
    ) -> ObjectVersion:
        version = now(objects.put(bucket, key, Body(data), PutRequest(**asked)))
        assert isinstance(version, ObjectVersion)
        return version

    def get(self, objects: Any, key: str, request: GetRequest = PLAIN) -> bytes:
        return whole(now(objects.get("objects", key, request)))

    def delete(self, objects: Any, key: str, version_id: str | None = None) -> Deleted:
        deleted = now(objects.delete("objects", key, DeleteRequest(version_id)))
        assert isinstance(deleted, Deleted)
        return deleted

    def enable(self, objects: Any, versioning: Versioning = Versioning.ENABLED) -> None:
        now(objects.set_versioning("objects", versioning))

    # -- buckets ------------------------------------------------------------------------
    def test_interface(self, objects: Any) -> None:
        """It has all that the interface asks for."""
        verifyObject(IObjects, objects)

    def test_buckets(self, objects: Any) -> None:
        """Buckets are made once, listed by name, and removed when empty."""
        made = now(objects.create_bucket("photos", "ann"))
        assert isinstance(made, Bucket) and (made.name, made.owner) == ("photos", "ann")
        assert now(objects.bucket("photos")) == made
        assert [bucket.name for bucket in now(objects.buckets())] == ["objects", "photos"]
        with pytest.raises(BucketAlreadyOwnedByYou):
            now(objects.create_bucket("photos", "ann"))
        with pytest.raises(BucketAlreadyExists):
            now(objects.create_bucket("photos", "bob"))
        self.put(objects, "a", bucket="photos")
        with pytest.raises(BucketNotEmpty):
            now(objects.delete_bucket("photos"))

    def test_missing_bucket(self, objects: Any) -> None:
        """Nothing can be done in a bucket that is not there, and no body is asked for."""
        body = Body(TEXT)
        for work in (
            lambda: objects.bucket("photos"),
            lambda: objects.delete_bucket("photos"),
            lambda: objects.set_versioning("photos", Versioning.ENABLED),
            lambda: objects.put("photos", "a", body, PutRequest()),
            lambda: objects.get("photos", "a", PLAIN),
            lambda: objects.head("photos", "a", PLAIN),
            lambda: objects.delete("photos", "a", DeleteRequest()),
            lambda: objects.list_objects("photos", "", "", "", 10),
            lambda: objects.list_versions("photos", "", "", "", "", 10),
            lambda: objects.locate("photos", "a", None),
        ):
            with pytest.raises(NoSuchBucket):
                now(work())
        assert not body.asked_for

    def test_versioning_is_never_off_again(self, objects: Any) -> None:
        """Versioning can be suspended, and not undone."""
        self.enable(objects)
        self.enable(objects, Versioning.SUSPENDED)
        assert now(objects.bucket("objects")).versioning is Versioning.SUSPENDED
        with pytest.raises(InvalidRequest):
            self.enable(objects, Versioning.OFF)

    # -- objects ------------------------------------------------------------------------
    @pytest.mark.parametrize("data", [b"", b"x", TEXT])
    def test_put_and_get(self, objects: Any, data: bytes) -> None:
        """What was put comes back, with what was said of it."""
        put = self.put(
            objects, "a", data, attributes=Attributes({"content-type": "a/b"}, {"author": "Zoë"})
        )
        read = now(objects.get("objects", "a", PLAIN))
        assert verifyObject(IObjectRead, read)
        assert (read.start, read.stop) == (0, len(data))
        assert whole(read) == data
        head = now(objects.head("objects", "a", PLAIN))
        for version in (put, read.version, head):
            assert (version.bucket, version.key, version.size) == ("objects", "a", len(data))
            assert version.etag == md5(data).hexdigest()
            assert dict(version.headers) == {"content-type": "a/b"}
            assert dict(version.metadata) == {"author": "Zoë"}
            assert version.is_null and version.is_latest

    @pytest.mark.parametrize(
        ("wanted", "part"),
        [
            (ByteRange(0, 4), (0, 5)),
            (ByteRange(7, None), (7, 12)),
            (ByteRange(7, 99), (7, 12)),
            (ByteRange(None, 5), (7, 12)),
            (ByteRange(None, 99), (0, 12)),
        ],
    )
    def test_parts(self, objects: Any, wanted: ByteRange, part: tuple[int, int]) -> None:
        """A range gives these bytes and says which they are."""
        self.put(objects, "a")
        read = now(objects.get("objects", "a", GetRequest(range=wanted)))
        assert (read.start, read.stop) == part
        assert whole(read) == TEXT[part[0] : part[1]]

    def test_parts_that_are_not_there(self, objects: Any) -> None:
        """A range without bytes says how many there are; an empty object has none."""
        self.put(objects, "a")
        self.put(objects, "empty", b"")
        for key, size in (("a", 12), ("empty", 0)):
            for wanted in (ByteRange(12, None), ByteRange(None, 0)):
                with pytest.raises(InvalidRange) as caught:
                    now(objects.get("objects", key, GetRequest(range=wanted)))
                assert caught.value.size == size

    def test_digests(self, objects: Any) -> None:
        """A body with another digest than announced is not stored."""
        self.put(objects, "a", md5=md5(TEXT).digest(), sha256=sha256(TEXT).digest())
        for asked in ({"md5": md5(b"x").digest()}, {"sha256": sha256(b"x").digest()}):
            with pytest.raises(BadDigest):
                self.put(objects, "b", **asked)
        with pytest.raises(NoSuchKey):
            self.get(objects, "b")

    @pytest.mark.parametrize(
        ("condition", "error"),
        [
            (ReadCondition(if_match=(ETAG,)), None),
            (ReadCondition(if_match=("*",)), None),
            (ReadCondition(if_match=("x",)), PreconditionFailed),
            (ReadCondition(if_match=()), PreconditionFailed),
            (ReadCondition(if_none_match=("x",)), None),
            (ReadCondition(if_none_match=("x", ETAG)), NotModified),
            (ReadCondition(if_none_match=("*",)), NotModified),
            (ReadCondition(if_modified_since=4e9), NotModified),
            (ReadCondition(if_modified_since=0), None),
            (ReadCondition(if_unmodified_since=4e9), None),
            (ReadCondition(if_unmodified_since=0), PreconditionFailed),
            (ReadCondition(if_none_match=("x",), if_modified_since=4e9), None),
            (ReadCondition(if_match=(ETAG,), if_unmodified_since=0), None),
        ],
    )
    def test_conditional_reads(
        self, objects: Any, condition: ReadCondition, error: type[GodosError] | None
    ) -> None:
        """The preconditions of a read, of `get` and `head` alike."""
        put = self.put(objects, "a")
        for read in (objects.get, objects.head):
            if error is None:
                now(read("objects", "a", GetRequest(condition=condition)))
                continue
            with pytest.raises(error) as caught:
                now(read("objects", "a", GetRequest(condition=condition)))
            if isinstance(caught.value, NotModified):
                assert caught.value.version == put

    def test_conditional_writes(self, objects: Any) -> None:
        """A write that asks for another state changes nothing, and asks for no body."""
        with pytest.raises(NoSuchKey):
            self.put(objects, "a", condition=WriteCondition(if_match="*"))
        self.put(objects, "a", condition=ONLY_NEW)
        for condition in (ONLY_NEW, WriteCondition(if_match="x")):
            body = Body(b"new")
            with pytest.raises(PreconditionFailed):
                now(objects.put("objects", "a", body, PutRequest(condition=condition)))
            assert not body.asked_for
        with pytest.raises(PreconditionFailed):
            now(objects.delete("objects", "a", delete_if("x")))
        assert self.get(objects, "a") == TEXT
        self.put(objects, "a", b"new", condition=WriteCondition(if_match=ETAG))
        now(objects.delete("objects", "a", delete_if("*")))
        self.put(objects, "a", condition=ONLY_NEW)

    def test_delete(self, objects: Any) -> None:
        """A deleted object is gone; a missing one is no error."""
        self.put(objects, "a")
        deleted = self.delete(objects, "a")
        assert (deleted.version_id, deleted.is_delete_marker) == (None, False)
        assert self.delete(objects, "a") == Deleted()
        with pytest.raises(NoSuchKey) as caught:
            self.get(objects, "a")
        assert caught.value.delete_marker is None

    def test_locate(self, objects: Any) -> None:
        """Who holds the bytes; an object without bytes is nowhere."""
        self.put(objects, "a")
        self.put(objects, "empty", b"")
        (located,) = now(objects.locate("objects", "a", None)).values()
        assert located.complete and located.holders
        assert now(objects.locate("objects", "empty", None)) == {}
        with pytest.raises(NoSuchKey):
            now(objects.locate("objects", "b", None))

    # -- versions -----------------------------------------------------------------------
    def test_versions(self, objects: Any) -> None:
        """With versioning on every PUT is a version of its own."""
        self.put(objects, "a", b"zero")
        self.enable(objects)
        one, two = (self.put(objects, "a", data) for data in (b"one", b"two"))
        assert not one.is_null and one.version_id != two.version_id
        assert self.get(objects, "a") == b"two"
        assert self.get(objects, "a", GetRequest(one.version_id)) == b"one"
        assert self.get(objects, "a", GetRequest(NULL_VERSION)) == b"zero"
        with pytest.raises(NoSuchVersion):
            self.get(objects, "b", GetRequest(one.version_id))

    def test_delete_markers(self, objects: Any) -> None:
        """A delete hides the versions behind a marker, until the marker is deleted."""
        self.enable(objects)
        put = self.put(objects, "a")
        deleted = self.delete(objects, "a")
        marker = deleted.version_id
        assert deleted.is_delete_marker and marker is not None
        for read in (objects.get, objects.head):
            with pytest.raises(NoSuchKey) as caught:
                now(read("objects", "a", PLAIN))
            assert caught.value.delete_marker == marker
            with pytest.raises(MethodNotAllowed):
                now(read("objects", "a", GetRequest(marker)))
        assert self.get(objects, "a", GetRequest(put.version_id)) == TEXT
        undone = self.delete(objects, "a", marker)
        assert (undone.version_id, undone.is_delete_marker) == (marker, True)
        assert self.get(objects, "a") == TEXT

    def test_deleting_a_version(self, objects: Any) -> None:
        """A version that is named is removed for good; a missing one is no error."""
        self.enable(objects)
        one, two = self.put(objects, "a", b"one"), self.put(objects, "a", b"two")
        for _ in range(2):
            deleted = self.delete(objects, "a", two.version_id)
            assert (deleted.version_id, deleted.is_delete_marker) == (two.version_id, False)
            assert self.get(objects, "a") == b"one"
        self.delete(objects, "a", one.version_id)
        assert now(objects.list_versions("objects", "", "", "", "", 10)).versions == ()

    def test_suspended(self, objects: Any) -> None:
        """While suspended there is one null version, beside those that were kept."""
        self.enable(objects)
        kept = self.put(objects, "a", b"kept")
        self.enable(objects, Versioning.SUSPENDED)
        for data in (b"one", b"two"):
            assert self.put(objects, "a", data).is_null
        versions = now(objects.list_versions("objects", "", "", "", "", 10)).versions
        assert [each.is_null for each in versions] == [True, False]
        assert self.get(objects, "a", GetRequest(NULL_VERSION)) == b"two"
        assert self.delete(objects, "a").is_delete_marker
        assert self.get(objects, "a", GetRequest(kept.version_id)) == b"kept"
        with pytest.raises(MethodNotAllowed):
            self.get(objects, "a", GetRequest(NULL_VERSION))

    # -- listings -----------------------------------------------------------------------
    def walk(self, objects: Any, prefix: str, delimiter: str, limit: int) -> list[str]:
        """All entries of a listing in pages of `limit`, each page in byte order."""
        found: list[str] = []
        after = ""
        while True:
            page = now(objects.list_objects("objects", prefix, delimiter, after, limit))
            assert isinstance(page, Listing)
            entries = [version.key for version in page.versions] + list(page.common_prefixes)
            found += sorted(entries, key=str.encode)
            if page.next is None:
                return found
            assert len(entries) == limit
            after = page.next

    @pytest.mark.parametrize("limit", [1, 2, 3, 1000])
    def test_listing(self, objects: Any, limit: int) -> None:
        """Pages of any size are the whole listing, in byte order, each prefix once."""
        keys = ["a", "b", "b/", "b/1", "b/c/2", "b0", "é", "\uffff", "\U00010000"]
        for key in reversed(keys):
            self.put(objects, key, b"")
        self.put(objects, "gone", b"")
        self.delete(objects, "gone")
        assert self.walk(objects, "", "", limit) == keys
        top = ["a", "b", "b/", "b0", *keys[6:]]
        assert self.walk(objects, "", "/", limit) == top
        assert self.walk(objects, "b/", "/", limit) == ["b/", "b/1", "b/c/"]
        assert self.walk(objects, "b", "/", limit) == ["b", "b/", "b0"]
        assert self.walk(objects, "x", "", limit) == []

    def test_listing_after(self, objects: Any) -> None:
        """A listing starts after a name, which need not be there."""
        for key in ("a", "b", "c"):
            self.put(objects, key, b"")
        for after, expected in (("a", ["b", "c"]), ("aa", ["b", "c"]), ("c", [])):
            page = now(objects.list_objects("objects", "", "", after, 10))
            assert [version.key for version in page.versions] == expected

    @pytest.mark.parametrize("limit", [1, 2, 3, 5, 1000])
    def test_listing_versions(self, objects: Any, limit: int) -> None:
        """Pages of versions go on at the very version, newest first, latest ones marked."""
        self.enable(objects)
        for key in ("a", "b/1", "c", "a", "c", "b/2"):
            self.put(objects, key, b"")
        self.delete(objects, "c")
        found: list[tuple[str, bool, bool]] = []
        prefixes: list[str] = []
        after = after_version = ""
        while True:
            page = now(objects.list_versions("objects", "", "/", after, after_version, limit))
            found += [(v.key, v.is_latest, v.is_delete_marker) for v in page.versions]
            prefixes += page.common_prefixes
            if page.next is None:
                break
            after, last = page.next, page.versions[-1] if page.versions else None
            after_version = last.version_id if last is not None and last.key == after else ""
        assert prefixes == ["b/"]
        assert found == [
            ("a", True, False),
            ("a", False, False),
            ("c", True, True),
            ("c", False, False),
            ("c", False, False),
        ]
