"""What every `IObjects` promises of settings, tags and locks; used as `ObjectsContract` is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from godos.model.encryption import Cipher
from godos.model.errors import (
    AccessDenied,
    InvalidBucketState,
    InvalidRequest,
    MethodNotAllowed,
    NoSuchBucket,
    NoSuchKey,
    NoSuchVersion,
    ObjectLocked,
    QuotaExceeded,
)
from godos.model.objects import (
    ChosenPart,
    CompleteRequest,
    CopyRequest,
    CopySource,
    DeleteRequest,
    GetRequest,
    NewUpload,
    PutRequest,
    permitted,
)
from godos.model.versions import (
    Attributes,
    Deleted,
    Lock,
    LockMode,
    ObjectVersion,
    Versioning,
)
from tests.unit.objects.stores import NOW, Body, now

TEXT = b"hello, world"
DAY = 86_400.0
GOVERNED = Lock(LockMode.GOVERNANCE, NOW + 10)
COMPLIANT = Lock(LockMode.COMPLIANCE, NOW + 10)
HELD = Lock(legal_hold=True)
ONE_DAY = {
    "ObjectLockEnabled": "Enabled",
    "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
}
ENCRYPT = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}


def denied(_: ObjectVersion) -> None:
    """A caller who may not."""
    raise AccessDenied("no")


class LocksContract:
    """Tests of any `IObjects`; what waits must be able to fire at once."""

    def put(self, objects: Any, bucket: str = "locked", **asked: Any) -> ObjectVersion:
        version = now(objects.put(bucket, "a", Body(TEXT), PutRequest(**asked)))
        assert isinstance(version, ObjectVersion)
        return version

    def locked(self, objects: Any, lock: Lock) -> ObjectVersion:
        """A version under a lock, in a bucket that has object lock."""
        now(objects.create_bucket("locked", "me", True))
        return self.put(objects, attributes=Attributes(lock=lock))

    def change(
        self, objects: Any, change: Callable[[Lock], Lock], bypass: bool = False
    ) -> ObjectVersion:
        version = now(objects.set_lock("locked", "a", None, change, bypass, permitted))
        assert isinstance(version, ObjectVersion)
        return version

    def remove(self, objects: Any, version: ObjectVersion, bypass: bool = False) -> Deleted:
        request = DeleteRequest(version.version_id, bypass_governance=bypass)
        deleted = now(objects.delete("locked", "a", request))
        assert isinstance(deleted, Deleted)
        return deleted

    def head(self, objects: Any, bucket: str = "objects") -> ObjectVersion:
        version = now(objects.head(bucket, "a", GetRequest()))
        assert isinstance(version, ObjectVersion)
        return version

    # -- settings ---------------------------------------------------------------------------
    def test_settings(self, objects: Any) -> None:
        """Documents of a bucket are kept by name, replaced, and removed."""
        assert now(objects.settings("objects")) == {}
        document = {"Rules": [{"ID": "é", "Days": 1, "On": True}]}
        now(objects.set_setting("objects", "lifecycle", {"Rules": []}))
        now(objects.set_setting("objects", "lifecycle", document))
        now(objects.set_setting("objects", "cors", {"CORSRules": []}))
        assert now(objects.settings("objects")) == {
            "lifecycle": document,
            "cors": {"CORSRules": []},
        }
        now(objects.set_setting("objects", "cors", None))
        assert now(objects.settings("objects")) == {"lifecycle": document}
        for work in (
            lambda: objects.settings("nothing"),
            lambda: objects.set_setting("nothing", "cors", {}),
        ):
            with pytest.raises(NoSuchBucket):
                now(work())

    def test_settings_go_with_the_bucket(self, objects: Any) -> None:
        """A bucket that is made again begins without the settings of the old one."""
        now(objects.create_bucket("photos", "me"))
        now(objects.set_setting("photos", "cors", {"CORSRules": []}))
        now(objects.delete_bucket("photos"))
        now(objects.create_bucket("photos", "me"))
        assert now(objects.settings("photos")) == {}

    def test_default_encryption(self, objects: Any) -> None:
        """A bucket may ask that all be encrypted that comes without a word of it."""
        self.put(objects, "objects")
        now(objects.set_setting("objects", "encryption", ENCRYPT))
        request = CopyRequest(lambda version: version.attributes)
        source = CopySource("objects", "a")
        copy = now(objects.copy(source, "objects", "b", request))[1]
        upload = now(objects.create_upload("objects", "c", NewUpload("me")))
        put = self.put(objects, "objects")
        for made in (copy, upload, put):
            encryption = made.attributes.encryption
            assert encryption is not None and encryption["cipher"] == Cipher.S3

    # -- quotas -----------------------------------------------------------------------------
    def test_a_quota_of_bytes(self, objects: Any) -> None:
        """What does not fit is refused before its body is asked for; deletions make room."""
        now(objects.set_setting("objects", "quota", {"bytes": 30}))
        self.put(objects, "objects")
        self.put(objects, "objects")  # in the place of the first: 12 bytes are held
        now(objects.put("objects", "b", Body(TEXT), PutRequest()))
        body, request = Body(TEXT), CopyRequest(lambda version: version.attributes)
        upload = now(objects.create_upload("objects", "c", NewUpload("me")))
        for work in (
            lambda: objects.put("objects", "c", body, PutRequest()),
            lambda: objects.copy(CopySource("objects", "a"), "objects", "c", request),
            lambda: objects.upload_part("objects", "c", upload.id, 1, body, PutRequest()),
            lambda: objects.copy_part(
                "objects", "c", upload.id, 1, CopySource("objects", "a"), PutRequest()
            ),
        ):
            with pytest.raises(QuotaExceeded):
                now(work())
        assert not body.asked_for
        now(objects.delete("objects", "b", DeleteRequest()))
        part = now(objects.upload_part("objects", "c", upload.id, 1, body, PutRequest()))
        chosen = CompleteRequest((ChosenPart(1, part.etag),))
        now(objects.complete_upload("objects", "c", upload.id, chosen))
        now(objects.set_setting("objects", "quota", None))
        now(objects.put("objects", "d", Body(TEXT), PutRequest()))

    def test_a_quota_of_objects(self, objects: Any) -> None:
        """Each version counts, an upload when it is completed, and a delete marker never."""
        now(objects.set_versioning("objects", Versioning.ENABLED))
        now(objects.set_setting("objects", "quota", {"objects": 2}))
        self.put(objects, "objects")
        now(objects.delete("objects", "a", DeleteRequest()))
        old = self.put(objects, "objects")
        upload = now(objects.create_upload("objects", "c", NewUpload("me")))
        part = now(objects.upload_part("objects", "c", upload.id, 1, Body(TEXT), PutRequest()))
        chosen = CompleteRequest((ChosenPart(1, part.etag),))
        for work in (
            lambda: objects.put("objects", "b", Body(TEXT), PutRequest()),
            lambda: objects.complete_upload("objects", "c", upload.id, chosen),
        ):
            with pytest.raises(QuotaExceeded):
                now(work())
        now(objects.delete("objects", "a", DeleteRequest(old.version_id)))
        now(objects.complete_upload("objects", "c", upload.id, chosen))

    # -- tags and access control lists ------------------------------------------------------
    def test_tags(self, objects: Any) -> None:
        """Tags of any version are replaced, and nothing else of it."""
        now(objects.set_versioning("objects", Versioning.ENABLED))
        old, new = self.put(objects, "objects"), self.put(objects, "objects")
        tags = {"colour": "red"}
        for version_id in (None, old.version_id):
            changed = now(objects.set_tags("objects", "a", version_id, tags, permitted))
            assert dict(changed.attributes.tags) == tags
        for version in (old, new):
            asked = GetRequest(version.version_id)
            found = now(objects.head("objects", "a", asked))
            assert dict(found.attributes.tags) == tags
            assert (found.version_id, found.etag, found.modified) == (
                version.version_id,
                version.etag,
                version.modified,
            )
        now(objects.set_tags("objects", "a", None, {}, permitted))
        assert dict(self.head(objects).attributes.tags) == {}
        assert now(objects.list_versions("objects", "", "", "", "", 10)).versions[0].is_latest

    def test_access_control_list(self, objects: Any) -> None:
        """The list is made from the version as it stands."""
        put = self.put(objects, "objects", attributes=Attributes(owner="ann"))

        def acl(version: ObjectVersion) -> dict[str, Any]:
            return {"Owner": version.attributes.owner}

        changed = now(objects.set_acl("objects", "a", None, acl, permitted))
        assert changed.attributes == evolve(put.attributes, acl={"Owner": "ann"})
        assert self.head(objects).attributes.acl == {"Owner": "ann"}

    def test_changes_of_what_is_not_there(self, objects: Any) -> None:
        """Nothing can be changed of a missing object, nor of a delete marker."""
        now(objects.set_versioning("objects", Versioning.ENABLED))
        put = self.put(objects, "objects")
        marker = now(objects.delete("objects", "a", DeleteRequest())).version_id
        for key, version_id, error in (
            ("a", None, NoSuchKey),
            ("b", None, NoSuchKey),
            ("b", put.version_id, NoSuchVersion),
            ("a", marker, MethodNotAllowed),
        ):
            with pytest.raises(error):
                now(objects.set_tags("objects", key, version_id, {}, permitted))

    def test_permits(self, objects: Any) -> None:
        """Who may not change a version changes nothing."""
        self.locked(objects, HELD)
        for work in (
            lambda: objects.set_tags("locked", "a", None, {"x": "y"}, denied),
            lambda: objects.set_acl("locked", "a", None, lambda _: {}, denied),
            lambda: objects.set_lock("locked", "a", None, lambda _: Lock(), False, denied),
        ):
            with pytest.raises(AccessDenied):
                now(work())
        assert self.head(objects, "locked").attributes == Attributes(lock=HELD)

    # -- locks ------------------------------------------------------------------------------
    def test_a_bucket_with_object_lock(self, objects: Any) -> None:
        """It has versioning, for good; others get object lock only when they have it."""
        made = now(objects.create_bucket("locked", "me", True))
        assert made.object_lock and made.versioning is Versioning.ENABLED
        with pytest.raises(InvalidBucketState):
            now(objects.set_versioning("locked", Versioning.SUSPENDED))
        with pytest.raises(InvalidBucketState):
            now(objects.enable_object_lock("objects"))
        now(objects.set_versioning("objects", Versioning.ENABLED))
        assert now(objects.enable_object_lock("objects")).object_lock
        assert now(objects.bucket("objects")).object_lock

    def test_without_object_lock(self, objects: Any) -> None:
        """In other buckets nothing can be locked."""
        for lock in (GOVERNED, COMPLIANT, HELD):
            with pytest.raises(InvalidRequest):
                self.put(objects, "objects", attributes=Attributes(lock=lock))
        self.put(objects, "objects")
        with pytest.raises(InvalidRequest):
            now(objects.set_lock("objects", "a", None, lambda _: HELD, False, permitted))

    @pytest.mark.parametrize(
        ("lock", "kept", "kept_from_bypass"),
        [
            (Lock(), False, False),
            (GOVERNED, True, False),
            (COMPLIANT, True, True),
            (HELD, True, True),
            (evolve(GOVERNED, until=NOW - 1), False, False),
            (evolve(COMPLIANT, until=NOW - 1), False, False),
            (evolve(GOVERNED, legal_hold=True), True, True),
        ],
    )
    @pytest.mark.parametrize("older", [False, True])
    def test_removal(
        self, objects: Any, lock: Lock, kept: bool, kept_from_bypass: bool, older: bool
    ) -> None:
        """What is locked is not removed; a marker may hide it."""
        version = self.locked(objects, lock)
        if older:
            assert now(objects.delete("locked", "a", DeleteRequest())).is_delete_marker
        for bypass, refused in ((False, kept), (True, kept_from_bypass)):
            if not refused:
                self.remove(objects, version, bypass)
                return
            with pytest.raises(ObjectLocked):
                self.remove(objects, version, bypass)
            found = now(objects.head("locked", "a", GetRequest(version.version_id)))
            assert found.attributes.lock == lock

    @pytest.mark.parametrize(
        ("old", "new", "refused", "refused_with_bypass"),
        [
            (Lock(), GOVERNED, False, False),
            (Lock(), COMPLIANT, False, False),
            (GOVERNED, evolve(GOVERNED, until=NOW + 20), False, False),
            (GOVERNED, evolve(GOVERNED, until=NOW + 5), True, False),
            (GOVERNED, Lock(), True, False),
            (GOVERNED, COMPLIANT, True, False),
            (GOVERNED, evolve(GOVERNED, legal_hold=True), False, False),
            (COMPLIANT, evolve(COMPLIANT, until=NOW + 20), False, False),
            (COMPLIANT, evolve(COMPLIANT, until=NOW + 5), True, True),
            (COMPLIANT, Lock(), True, True),
            (COMPLIANT, evolve(GOVERNED, until=NOW + 20), True, True),
            (COMPLIANT, evolve(COMPLIANT, legal_hold=True), False, False),
            (evolve(COMPLIANT, until=NOW - 1), Lock(), False, False),
            (HELD, Lock(), False, False),
        ],
    )
    def test_changes_of_a_lock(
        self, objects: Any, old: Lock, new: Lock, refused: bool, refused_with_bypass: bool
    ) -> None:
        """A retention is only extended, unless it is governance and the caller may bypass it."""
        self.locked(objects, old)
        for bypass, no in ((False, refused), (True, refused_with_bypass)):
            if not no:
                changed = self.change(objects, lambda _: new, bypass)
                assert changed.attributes.lock == new
                assert self.head(objects, "locked").attributes.lock == new
                return
            with pytest.raises(ObjectLocked):
                self.change(objects, lambda _: new, bypass)
            assert self.head(objects, "locked").attributes.lock == old

    def test_default_retention(self, objects: Any) -> None:
        """A bucket may lock all that is made in it, unless it comes with a lock of its own."""
        now(objects.create_bucket("locked", "me", True))
        now(objects.set_setting("locked", "object-lock", ONE_DAY))
        default = Lock(LockMode.GOVERNANCE, NOW + DAY)
        put = self.put(objects)
        assert put.attributes.lock == default
        with pytest.raises(ObjectLocked):
            self.remove(objects, put)
        request = CopyRequest(lambda _: Attributes())
        copy = now(objects.copy(CopySource("locked", "a"), "locked", "b", request))[1]
        upload = now(objects.create_upload("locked", "c", NewUpload("me")))
        part = now(objects.upload_part("locked", "c", upload.id, 1, Body(TEXT), PutRequest()))
        chosen = CompleteRequest((ChosenPart(1, part.etag),))
        completed = now(objects.complete_upload("locked", "c", upload.id, chosen))
        for made in (copy, completed):
            assert made.attributes.lock == default
        held = self.put(objects, attributes=Attributes(lock=HELD))
        assert held.attributes.lock == evolve(default, legal_hold=True)
        own = self.put(objects, attributes=Attributes(lock=COMPLIANT))
        assert own.attributes.lock == COMPLIANT
