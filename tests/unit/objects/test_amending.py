"""Changes of a version that leave its bytes alone."""

from __future__ import annotations

from typing import Any

import pytest

from godos.model.catalog import OUTBOX_SHARDS
from godos.model.errors import AccessDenied, ObjectLocked
from godos.model.objects import GetRequest, PutRequest, permitted
from godos.model.versions import Attributes, Lock, LockMode, ObjectVersion
from tests.unit.objects.meddling import collect, just_before
from tests.unit.objects.stores import NOW, Body, Store, now, whole

NOTIFY = {"QueueConfigurations": [{"QueueArn": "arn:aws:sqs:::q", "Events": ["s3:*"]}]}


def stored(**attributes: Any) -> Store:
    store = Store(1)
    now(store.objects.create_bucket("locked", "me", True))
    request = PutRequest(Attributes(**attributes))
    now(store.objects.put("locked", "a", Body(b"bytes"), request))
    return store


def set_tags(store: Store, tags: dict[str, str], permit: Any = permitted) -> ObjectVersion:
    version = now(store.objects.set_tags("locked", "a", None, tags, permit))
    assert isinstance(version, ObjectVersion)
    return version


def lock(store: Store, to: Lock) -> None:
    now(store.objects.set_lock("locked", "a", None, lambda _: to, False, permitted))


def test_two_changes_at_once() -> None:
    """Neither is lost: the second one is made of what the first left."""
    store = stored()
    held = Lock(legal_hold=True)
    just_before(store.items, "transact", lambda: lock(store, held))
    tagging = store.objects.set_tags("locked", "a", None, {"x": "y"}, permitted)
    store.clock.advance(1)  # it rests before it tries again
    version = now(tagging)
    assert version.attributes.lock == held
    assert dict(version.attributes.tags) == {"x": "y"}


def test_a_lock_that_comes_in_between() -> None:
    """Who would weaken it is refused, although it was not there when the request came."""
    store = stored()
    compliant = Lock(LockMode.COMPLIANCE, NOW + 100)
    just_before(store.catalog, "amend", lambda: lock(store, compliant))
    with pytest.raises(ObjectLocked):
        lock(store, Lock())


def test_a_permit_is_asked_about_the_version_as_it_stands() -> None:
    """Tags that forbid a change hold even when they came in between."""
    store = stored()

    def unless_secret(version: ObjectVersion) -> None:
        if version.attributes.tags.get("secret"):
            raise AccessDenied("no")

    just_before(store.catalog, "amend", lambda: set_tags(store, {"secret": "yes"}))
    with pytest.raises(AccessDenied):
        set_tags(store, {}, unless_secret)


def test_the_bytes_stay() -> None:
    """However often it is changed, and whoever collects."""
    store = stored()
    for number in range(5):
        set_tags(store, {"n": str(number)})
    collect(store)
    version = set_tags(store, {})
    assert whole(now(store.objects.get("locked", "a", GetRequest()))) == b"bytes"
    assert version.version_id is not None
    assert len(now(store.objects.list_versions("locked", "", "", "", "", 10)).versions) == 1


def test_who_is_notified() -> None:
    """Tags and lists are told of, by S3's names; locks are not."""
    store = stored()
    now(store.objects.set_setting("locked", "notification", NOTIFY))
    set_tags(store, {"x": "y"})
    set_tags(store, {})
    now(store.objects.set_acl("locked", "a", None, lambda _: {}, permitted))
    lock(store, Lock(legal_hold=True))
    events = [event for shard in range(OUTBOX_SHARDS) for event in now(store.catalog.events(shard))]
    assert [event.document["name"] for event in events] == [
        "ObjectTagging:Put",
        "ObjectTagging:Delete",
        "ObjectAcl:Put",
    ]
