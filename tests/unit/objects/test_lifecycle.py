"""What lifecycle rules want gone goes, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred

from godos.model.errors import CatalogUnavailable
from godos.model.objects import NewUpload, PutRequest
from godos.model.versions import (
    Attributes,
    Bucket,
    Deleted,
    Lock,
    LockMode,
    ObjectVersion,
    Versioning,
)
from godos.objects.lifecycle import LEASE, Lifecycle
from tests.unit.objects.stores import Body, Store, now

DAY = 10.0  # seconds, shortened as for trying rules out
EXPIRE = {"Expiration": {"Days": 1}}
NONCURRENT = {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}}
MARKERS = {"Expiration": {"ExpiredObjectDeleteMarker": True}}
ABORT = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}}


class Place:
    """A store with a bucket, whose rules are run by hand."""

    def __init__(self, versioning: Versioning = Versioning.OFF, lock: bool = False) -> None:
        self.store = Store()
        self.catalog, self.clock = self.store.catalog, self.store.clock
        now(self.catalog.create_bucket("photos", "me", lock))
        if versioning is not Versioning.OFF:
            self.keep(versioning)
        self.lifecycle = Lifecycle(self.catalog, self.clock, "me", DAY, page=3)

    def keep(self, versioning: Versioning) -> None:
        """Change the bucket's versioning."""
        self.wait(self.catalog.set_versioning("photos", versioning))

    @property
    def bucket(self) -> Bucket:
        found: Bucket = now(self.catalog.bucket("photos"))
        return found

    def rules(self, *rules: dict[str, Any]) -> None:
        document = {"Rules": [{"Status": "Enabled", "ID": "r", **rule} for rule in rules]}
        self.wait(self.catalog.set_setting(self.bucket, "lifecycle", document))

    def put(self, key: str, data: bytes = b"x", **attributes: Any) -> ObjectVersion:
        request = PutRequest(Attributes(**attributes))
        version: ObjectVersion = now(self.store.objects.put("photos", key, Body(data), request))
        return version

    def delete(self, key: str) -> Deleted:
        gone: Deleted = now(self.catalog.delete(self.bucket, key))
        return gone

    def wait(self, work: Deferred[Any]) -> Any:
        """Let time pass until it has fired."""
        results: list[Any] = []
        work.addBoth(results.append)
        for _ in range(2000):
            if results:
                break
            self.clock.advance(0.01)
        assert results, "it has not fired"
        if hasattr(results[0], "raiseException"):
            results[0].raiseException()
        return results[0]

    def survey(self, days: float = 0.0) -> None:
        """Let days pass, and run the rules."""
        self.clock.advance(days * DAY)
        self.wait(self.lifecycle.round())

    def versions(self) -> list[tuple[str, bool]]:
        """Keys of all versions, and whether each is a delete marker."""
        listing = now(self.catalog.list_versions(self.bucket))
        return [(each.key, each.is_delete_marker) for each in listing.versions]

    def keys(self) -> list[str]:
        """What clients see."""
        return [each.key for each in now(self.catalog.list_objects(self.bucket)).versions]


# -- what expires -------------------------------------------------------------------------
def test_objects_expire_by_age() -> None:
    """What is old enough goes, page by page; what is not, or is not covered, stays."""
    place = Place()
    for key in ("tmp/1", "tmp/2", "tmp/3", "tmp/4", "keep/1", "keep/2", "z/1"):
        place.put(key)
    place.rules({**EXPIRE, "Prefix": "tmp/"})
    place.survey()
    assert len(place.keys()) == 7
    place.clock.advance(5.0)
    place.put("tmp/young")
    place.survey(0.6)
    assert place.keys() == ["keep/1", "keep/2", "tmp/young", "z/1"]
    assert place.lifecycle.removed == 4


def test_objects_expire_by_tag_and_size() -> None:
    """Only what has the tags, or the size, that a rule asks for."""
    place = Place()
    place.put("red", tags={"team": "red"})
    place.put("blue", tags={"team": "blue"})
    place.put("large", b"x" * 100)
    place.put("small")
    place.rules(
        {**EXPIRE, "Filter": {"Tag": {"Key": "team", "Value": "red"}}},
        {**EXPIRE, "Filter": {"ObjectSizeGreaterThan": 50}},
    )
    place.survey(2)
    assert place.keys() == ["blue", "small"]


def test_objects_expire_by_date() -> None:
    """From that time on."""
    place = Place()
    place.put("a")
    place.rules({"Expiration": {"Date": place.clock.seconds() + 5}})
    place.survey(0.3)
    assert place.keys() == ["a"]
    place.survey(0.3)
    assert place.keys() == []


def test_rules_that_are_off_or_gone() -> None:
    """They do nothing."""
    place = Place()
    place.put("a")
    place.rules({**EXPIRE, "Status": "Disabled"})
    place.survey(5)
    place.wait(place.catalog.set_setting(place.bucket, "lifecycle", None))
    place.survey(5)
    assert place.keys() == ["a"]


# -- where versions are kept ----------------------------------------------------------------
def test_expired_objects_are_hidden() -> None:
    """Where versions are kept, a marker comes on top and the version stays; once is enough."""
    place = Place(Versioning.ENABLED)
    place.put("a")
    place.rules(EXPIRE)
    place.survey(2)
    place.survey(2)
    assert place.versions() == [("a", True), ("a", False)]
    assert place.keys() == []


def test_older_versions_go() -> None:
    """All but the latest, when they are old enough; also across pages, also of many."""
    place = Place(Versioning.ENABLED)
    for _ in range(5):
        place.put("a")
        place.put("b")
    place.rules({**NONCURRENT, "Prefix": "a"})
    place.survey(2)
    assert place.versions() == [("a", False)] + [("b", False)] * 5
    assert place.keys() == ["a", "b"]


def test_some_older_versions_are_kept() -> None:
    """As many as the rule says, the newest of them."""
    place = Place(Versioning.ENABLED)
    made = [place.put("a") for _ in range(10)]
    newer = {"NoncurrentDays": 1, "NewerNoncurrentVersions": 5}
    place.rules({"NoncurrentVersionExpiration": newer})
    place.survey(2)
    left = now(place.catalog.list_versions(place.bucket)).versions
    assert [each.version_id for each in left] == [each.version_id for each in reversed(made[4:])]


def test_markers_that_hide_nothing_go() -> None:
    """First the versions below, then the marker: what was deleted leaves no trace."""
    place = Place(Versioning.ENABLED)
    place.put("a")
    place.delete("a")
    place.rules({**NONCURRENT, **MARKERS})
    place.survey()
    assert place.versions() == [("a", True), ("a", False)]
    place.survey(2)
    place.survey(1)
    assert place.versions() == []


def test_markers_expire_with_age() -> None:
    """A rule that expires objects also takes old markers away that hide nothing."""
    place = Place(Versioning.ENABLED)
    place.put("a")
    place.delete("a")
    place.rules({**NONCURRENT, "Expiration": {"Days": 5}})
    place.survey(2)
    assert place.versions() == [("a", True)]
    place.survey(4)
    assert place.versions() == []


def test_the_null_version() -> None:
    """Where versioning is suspended, the null version is replaced by a marker."""
    place = Place(Versioning.ENABLED)
    place.put("a")
    place.keep(Versioning.SUSPENDED)
    place.clock.advance(30)
    place.put("a")
    place.rules(EXPIRE)
    place.survey(2)
    assert place.versions() == [("a", True), ("a", False)]


# -- what stands in the way -----------------------------------------------------------------
def test_locked_versions_stay() -> None:
    """Neither a retention nor a legal hold is got around; afterwards the version goes."""
    place = Place(lock=True)
    until = place.clock.seconds() + 100
    place.put("a", lock=Lock(LockMode.GOVERNANCE, until))
    place.put("a", lock=Lock(legal_hold=True))
    place.put("a")
    place.rules(NONCURRENT)
    place.survey(2)
    assert len(place.versions()) == 3
    assert (place.lifecycle.removed, place.lifecycle.kept) == (0, 2)
    place.survey(10)
    assert len(place.versions()) == 2


def test_an_object_that_was_written_meanwhile_stays() -> None:
    """The one that was seen is due, and not the one that took its place."""
    place = Place()
    place.put("a", b"old")
    place.rules(EXPIRE)
    place.clock.advance(2 * DAY)
    listing = place.catalog.list_versions

    def overtaken(*args: Any, **kwargs: Any) -> Deferred[Any]:
        page = listing(*args, **kwargs)
        place.put("a", b"new")
        return page

    place.catalog.list_versions = overtaken  # type: ignore[method-assign]
    place.survey()
    assert place.keys() == ["a"] and place.lifecycle.removed == 0


def test_a_version_that_became_the_latest_stays() -> None:
    """When somebody removes what was above it, a version is not an older one any more."""
    place = Place(Versioning.ENABLED)
    place.put("a", b"kept")
    top = place.put("a", b"removed")
    place.rules(NONCURRENT)
    place.clock.advance(2 * DAY)
    listing = place.catalog.list_versions

    def promoted(*args: Any, **kwargs: Any) -> Deferred[Any]:
        page = listing(*args, **kwargs)
        now(place.catalog.delete(place.bucket, "a", top.version_id))
        return page

    place.catalog.list_versions = promoted  # type: ignore[method-assign]
    place.survey()
    assert place.keys() == ["a"] and place.lifecycle.removed == 0


@pytest.mark.parametrize("marker", [False, True])
def test_what_takes_the_place_of_a_null_version_stays(marker: bool) -> None:
    """However late an object is written over one that is due, or over a marker, it stays."""
    place = Place(Versioning.ENABLED)
    if marker:
        place.keep(Versioning.SUSPENDED)
        place.put("a")
        place.delete("a")
        place.rules(MARKERS)
    else:
        place.keep(Versioning.SUSPENDED)
        place.put("a", b"old")
        place.keep(Versioning.ENABLED)
        place.put("a", b"top")
        place.keep(Versioning.SUSPENDED)
        place.rules(NONCURRENT)
    place.clock.advance(2 * DAY)
    remove = place.catalog.delete

    def overtaken(*args: Any, **kwargs: Any) -> Deferred[Any]:
        place.put("a", b"new")
        return remove(*args, **kwargs)

    place.catalog.delete = overtaken  # type: ignore[method-assign]
    place.survey()
    del place.catalog.delete
    assert place.keys() == ["a"] and place.lifecycle.removed == 0
    assert now(place.catalog.head(place.bucket, "a")).size == 3
    assert now(place.catalog.version(place.bucket, "a", "null")).is_latest


def test_a_bucket_that_goes_meanwhile() -> None:
    """The others are surveyed all the same."""
    place = Place()
    place.put("a")
    place.rules(EXPIRE)
    now(place.catalog.create_bucket("aaa", "me"))
    buckets = now(place.catalog.buckets())
    gone = evolve(buckets[0], name="gone", id="0" * 32)
    place.catalog.buckets = lambda: _fired([gone, *buckets])  # type: ignore[method-assign]
    place.survey(2)
    assert place.keys() == []


def _fired(value: Any) -> Deferred[Any]:
    work: Deferred[Any] = Deferred()
    work.callback(value)
    return work


# -- uploads in parts -----------------------------------------------------------------------
def test_abandoned_uploads_are_given_up() -> None:
    """Those that are old enough and of the rule's names; the others go on."""
    place = Place()
    begun = [
        now(place.store.objects.create_upload("photos", key, NewUpload("me")))
        for key in ("tmp/1", "tmp/1", "tmp/2", "tmp/3", "keep")
    ]
    place.rules({**ABORT, "Prefix": "tmp/"})
    place.survey(1)
    assert len(now(place.catalog.uploads(place.bucket)).uploads) == 5
    place.clock.advance(5.0)
    young = now(place.store.objects.create_upload("photos", "tmp/9", NewUpload("me")))
    place.survey(1)
    left = {each.id for each in now(place.catalog.uploads(place.bucket)).uploads}
    assert left == {young.id, begun[-1].id}
    assert place.lifecycle.removed == 4


# -- who does it, and when --------------------------------------------------------------------
def test_one_server_at_a_time() -> None:
    """Who does not hold the lease leaves the work to who does, until that one is gone."""
    place = Place()
    now(place.catalog.try_lease(LEASE, "other", 4.0))
    place.put("a")
    place.rules(EXPIRE)
    place.survey(2)
    assert place.keys() == ["a"]
    place.survey(2)
    assert place.keys() == []


def test_how_often() -> None:
    """Eight times a day; in between there is nothing to do but to keep the lease."""
    place = Place()
    place.rules(EXPIRE)
    place.survey()
    place.put("a")
    place.clock.advance(1.0)
    listed: list[Any] = []
    listing = place.catalog.list_versions

    def counted(*args: Any, **kwargs: Any) -> Deferred[Any]:
        listed.append(args)
        return listing(*args, **kwargs)

    place.catalog.list_versions = counted  # type: ignore[method-assign]
    place.survey()
    assert listed == []
    place.survey(0.1)
    assert len(listed) == 1


def test_real_days_end_at_midnight() -> None:
    """An object that is a day old stays until midnight UTC has passed."""
    place = Place()
    place.put("a")
    place.rules(EXPIRE)
    place.lifecycle = Lifecycle(place.catalog, place.clock, "me")
    midnight = (place.clock.seconds() // 86400 + 2) * 86400
    place.clock.advance(midnight - place.clock.seconds() - 2)
    place.wait(place.lifecycle.round())
    assert place.keys() == ["a"]
    place.clock.advance(4 * 3600)
    place.wait(place.lifecycle.round())
    assert place.keys() == []


def test_a_catalog_that_does_not_answer() -> None:
    """The round fails, and the next one begins anew."""
    place = Place()
    place.put("a")
    place.rules(EXPIRE)
    place.clock.advance(2 * DAY)
    good = place.catalog.buckets

    def bad() -> Deferred[Any]:
        raise CatalogUnavailable("not now")

    place.catalog.buckets = bad  # type: ignore[method-assign]
    with pytest.raises(CatalogUnavailable):
        place.survey()
    place.catalog.buckets = good  # type: ignore[method-assign]
    place.survey()
    assert place.keys() == []
