"""Objects and versions are deleted, one by one and many at once."""

from __future__ import annotations

from base64 import b64encode
from hashlib import md5
from typing import Any
from xml.etree import ElementTree

import pytest
from twisted.internet.defer import CancelledError, Deferred

from godos.model.errors import NotEnoughNodes
from godos.model.versions import Versioning
from godos.web.access import Action
from godos.web.s3.operations import deleting
from tests.unit.web.fakes import FakeExchange
from tests.unit.web.s3.operations.store import DATE, Store, code

TEXT = b"hello, world"
ETAG = f'"{md5(TEXT).hexdigest()}"'
UNTIL = "2030-01-01T00:00:00Z"


@pytest.fixture
def store() -> Store:
    return Store()


# -- one by one --------------------------------------------------------------------------
def test_delete(store: Store) -> None:
    """A deleted object is gone; deleting it again is no error."""
    store.put("/objects/a")
    for _ in range(2):
        deleted = store.ask("DELETE", "/objects/a")
        assert (deleted.status, deleted.answer) == (204, {})
        assert code(store.get("/objects/a")) == (404, "NoSuchKey")


def test_delete_markers(store: Store) -> None:
    """A delete puts a marker on top, which hides the object until it is deleted itself."""
    store.put("/versioned/a")
    deleted = store.done("DELETE", "/versioned/a")
    marker = deleted.answer["x-amz-version-id"]
    assert deleted.answer == {"x-amz-version-id": marker, "x-amz-delete-marker": "true"}
    for method in ("GET", "HEAD"):
        hidden = store.ask(method, "/versioned/a")
        assert (hidden.status, hidden.answer["x-amz-delete-marker"]) == (404, "true")
        assert hidden.answer["x-amz-version-id"] == marker
        itself = store.ask(method, f"/versioned/a?versionId={marker}")
        assert (itself.status, itself.answer["x-amz-delete-marker"]) == (405, "true")
        assert itself.answer["allow"] == "DELETE"
    undone = store.done("DELETE", f"/versioned/a?versionId={marker}")
    assert undone.answer == {"x-amz-version-id": marker, "x-amz-delete-marker": "true"}
    assert store.get("/versioned/a").sent == TEXT


def test_a_version_is_deleted(store: Store) -> None:
    """A version that is named is removed for good, by who may do that."""
    version = store.put("/versioned/a").answer["x-amz-version-id"]
    gone = store.done("DELETE", f"/versioned/a?versionId={version}")
    assert (gone.status, gone.answer) == (204, {"x-amz-version-id": version})
    assert store.guard.asked[-1] == ("s3:DeleteObjectVersion", "versioned", "a")
    assert store.get("/versioned/a").status == 404


def test_the_null_version(store: Store) -> None:
    """The version `null` has no id to tell."""
    store.put("/objects/a")
    assert store.done("DELETE", "/objects/a?versionId=null").answer == {}
    assert store.get("/objects/a").status == 404


def test_markers_of_suspended_versioning(store: Store) -> None:
    """While versioning is suspended a marker takes the place of the version `null`."""
    store.put("/versioned/a")
    store.objects.set_versioning("versioned", Versioning.SUSPENDED)
    told = {"x-amz-version-id": "null", "x-amz-delete-marker": "true"}
    assert store.done("DELETE", "/versioned/a").answer == told
    assert store.done("DELETE", "/versioned/a?versionId=null").answer == told
    assert store.get("/versioned/a").sent == TEXT


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-Match": ETAG}, 204),
        ({"If-Match": "*"}, 204),
        ({"If-Match": '"stale"'}, 412),
        ({"x-amz-if-match-size": "12"}, 204),
        ({"x-amz-if-match-size": "13"}, 412),
        ({"x-amz-if-match-last-modified-time": DATE}, 204),
        ({"x-amz-if-match-last-modified-time": "Sun, 06 Nov 1994 08:49:38 GMT"}, 412),
        ({"If-None-Match": "*"}, 501),
        ({"If-Unmodified-Since": DATE}, 501),
    ],
)
def test_conditional_deletes(store: Store, headers: dict[str, str], status: int) -> None:
    """A delete may ask for the object that the client knows."""
    store.put("/objects/a")
    assert store.ask("DELETE", "/objects/a", headers).status == status
    assert store.get("/objects/a").status == (404 if status == 204 else 200)


def locked(store: Store, key: str = "a") -> str:
    """The id of a version under governance."""
    version: str = store.put(
        f"/locked/{key}",
        x_amz_object_lock_mode="GOVERNANCE",
        x_amz_object_lock_retain_until_date=UNTIL,
    ).answer["x-amz-version-id"]
    return version


def test_what_is_retained(store: Store) -> None:
    """A version under governance is deleted only by who may, and says, that it be bypassed."""
    target = f"/locked/a?versionId={locked(store)}"
    bypass = {"x-amz-bypass-governance-retention": "true"}
    assert code(store.ask("DELETE", target)) == (403, "AccessDenied")
    store.guard.refused.add(Action.BYPASS_GOVERNANCE)
    assert code(store.ask("DELETE", target, bypass)) == (403, "AccessDenied")
    store.guard.refused.clear()
    assert store.ask("DELETE", target, bypass).status == 204


def test_asking_for_a_bypass_that_is_not_needed(store: Store) -> None:
    """Consoles always ask for it: that does not stand in the way of other deletes."""
    store.put("/objects/a")
    store.guard.refused.add(Action.BYPASS_GOVERNANCE)
    bypass = {"x-amz-bypass-governance-retention": "true"}
    assert store.ask("DELETE", "/objects/a", bypass).status == 204


# -- many at once ------------------------------------------------------------------------
Entry = dict[str, Any]


def body_of(entries: list[Entry], quiet: bool = False) -> bytes:
    root = ElementTree.Element("Delete")
    if quiet:
        ElementTree.SubElement(root, "Quiet").text = "true"
    for entry in entries:
        element = ElementTree.SubElement(root, "Object")
        for name, value in entry.items():
            ElementTree.SubElement(element, name).text = str(value)
    return ElementTree.tostring(root)


def vouched(body: bytes) -> dict[str, str]:
    return {"Content-MD5": b64encode(md5(body).digest()).decode()}


def delete(store: Store, bucket: str, entries: list[Entry], **kwargs: Any) -> Any:
    body = body_of(entries, kwargs.pop("quiet", False))
    headers = {**vouched(body), **kwargs}
    root = store.document("POST", f"/{bucket}?delete", headers, body)
    return [{"": each.tag, **{part.tag: part.text for part in each}} for each in root]


def test_many_are_deleted(store: Store) -> None:
    """Each object has its own outcome, in the order of the request; missing ones are fine."""
    store.put("/objects/a")
    store.put("/objects/b")
    store.guard.asked.clear()
    told = delete(store, "objects", [{"Key": key} for key in "bac"])
    assert told == [{"": "Deleted", "Key": key} for key in "bac"]
    assert store.get("/objects/a").status == 404
    assert store.guard.asked[:3] == [("s3:DeleteObject", "objects", key) for key in "bac"]


def test_quiet_deletes(store: Store) -> None:
    """A quiet request is told of errors only."""
    locked_version = locked(store)
    store.put("/locked/b")
    told = delete(
        store, "locked", [{"Key": "b"}, {"Key": "a", "VersionId": locked_version}], quiet=True
    )
    assert [(each[""], each["Key"], each["Code"]) for each in told] == [
        ("Error", "a", "AccessDenied")
    ]
    assert told[0]["VersionId"] == locked_version
    assert delete(store, "objects", [{"Key": "b"}], quiet=True) == []


def test_versions_and_markers(store: Store) -> None:
    """Markers that were made or removed are named; removed versions, too."""
    version = store.put("/versioned/a").answer["x-amz-version-id"]
    made = delete(store, "versioned", [{"Key": "a"}])[0]
    marker = made.pop("DeleteMarkerVersionId")
    assert made == {"": "Deleted", "Key": "a", "DeleteMarker": "true"}
    told = delete(
        store,
        "versioned",
        [{"Key": "a", "VersionId": version}, {"Key": "a", "VersionId": marker}],
    )
    assert told == [
        {"": "Deleted", "Key": "a", "VersionId": version},
        {
            "": "Deleted",
            "Key": "a",
            "VersionId": marker,
            "DeleteMarker": "true",
            "DeleteMarkerVersionId": marker,
        },
    ]


def test_a_bypass_for_many(store: Store) -> None:
    """Who may bypass governance may do so for many objects at once."""
    entries = [{"Key": "a", "VersionId": locked(store)}]
    assert delete(store, "locked", entries)[0][""] == "Error"
    bypass = {"x-amz-bypass-governance-retention": "true"}
    assert delete(store, "locked", entries, **bypass)[0][""] == "Deleted"


@pytest.mark.parametrize(
    ("entry", "outcome"),
    [
        ({"Key": "a", "ETag": ETAG}, None),
        ({"Key": "a", "ETag": "stale"}, "PreconditionFailed"),
        ({"Key": "a", "Size": 12}, None),
        ({"Key": "a", "Size": 13}, "PreconditionFailed"),
        ({"Key": "a", "LastModifiedTime": DATE}, None),
        ({"Key": "a", "LastModifiedTime": "Sun, 06 Nov 1994 08:49:38 GMT"}, "PreconditionFailed"),
        ({"Key": "a" * 1025}, "KeyTooLongError"),
        ({"Key": "a", "VersionId": ""}, "InvalidArgument"),
    ],
)
def test_an_outcome_of_each(store: Store, entry: Entry, outcome: str | None) -> None:
    """A condition of one object, or a name that is none, is a matter of that object."""
    store.put("/objects/a")
    store.put("/objects/b")
    told = delete(store, "objects", [entry, {"Key": "b"}])
    failed = [each for each in told if each[""] == "Error"]
    assert [each["Code"] for each in failed] == ([outcome] if outcome else [])
    assert store.get("/objects/b").status == 404


def test_who_may_delete_what(store: Store) -> None:
    """What the caller may not delete is told, and the rest is done."""
    store.guard.refused.add(Action.DELETE_VERSION)
    version = store.put("/versioned/a").answer["x-amz-version-id"]
    told = delete(store, "versioned", [{"Key": "a", "VersionId": version}, {"Key": "b"}])
    assert {each["Key"]: each.get("Code") for each in told} == {"a": "AccessDenied", "b": None}


def test_a_store_that_cannot(store: Store) -> None:
    """What the store could not do now is told for each object, with S3's code for it."""

    def broken(*_: Any) -> Deferred[Any]:
        raise NotEnoughNodes("2 of 3 nodes are down")

    store.objects.delete = broken  # type: ignore[method-assign]
    assert delete(store, "objects", [{"Key": "a"}])[0]["Code"] == "SlowDown"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<Delete/>",
        b"<Delete><Object/></Delete>",
        b"<Delete><Object><Key>a</Key></Object>",
        body_of([{"Key": "a"}] * 1001),
    ],
)
def test_documents_that_are_none(store: Store, body: bytes) -> None:
    """A request that names no object, or more than 1000, deletes nothing."""
    store.put("/objects/a")
    refused = store.ask("POST", "/objects?delete", vouched(body), body)
    assert refused.status == 400
    assert code(refused)[1] in ("MalformedXML", "MissingRequestBodyError")
    assert store.get("/objects/a").status == 200


def test_a_thousand(store: Store) -> None:
    """A thousand objects are deleted by one request."""
    entries = [{"Key": f"k{number}"} for number in range(1000)]
    assert len(delete(store, "objects", entries)) == 1000


def test_a_document_that_nobody_vouches_for(store: Store) -> None:
    """A request without MD5 or checksum might be another than was sent; people are spared."""
    body = body_of([{"Key": "a"}])
    assert store.ask("POST", "/objects?delete", {}, body).status == 200
    store.signed = True
    assert code(store.ask("POST", "/objects?delete", {}, body)) == (400, "InvalidRequest")
    wrong = vouched(b"another")
    assert code(store.ask("POST", "/objects?delete", wrong, body)) == (400, "BadDigest")


def test_a_missing_bucket(store: Store) -> None:
    """A bucket that is not there is told once, and not for each object."""
    body = body_of([{"Key": "a"}])
    assert code(store.ask("POST", "/nothing?delete", vouched(body), body)) == (
        404,
        "NoSuchBucket",
    )


class Slow:
    """A store whose deletes wait until they are let go, and tell how many there are."""

    def __init__(self, store: Store) -> None:
        self.waiting: list[tuple[str, Deferred[Any]]] = []
        self.cancelled = 0
        self._delete = store.objects.delete
        store.objects.delete = self.delete  # type: ignore[method-assign]

    def delete(self, bucket: str, key: str, request: Any) -> Deferred[Any]:
        waiting: Deferred[Any] = Deferred(self.cancel)
        self.waiting.append((key, waiting))
        return waiting.addCallback(lambda _: self._delete(bucket, key, request))

    def cancel(self, _: Deferred[Any]) -> None:
        self.cancelled += 1

    def let_go(self) -> None:
        waiting, self.waiting = self.waiting, []
        for _, each in waiting:
            each.callback(None)


def begin(store: Store, entries: list[Entry]) -> tuple[FakeExchange, Deferred[None]]:
    body = body_of(entries)
    exchange = FakeExchange("POST", "/versioned?delete", vouched(body), body)
    return exchange, store.serving.serve(exchange)


def test_not_too_many_at_once(store: Store) -> None:
    """A few objects are deleted at a time, and those of one name one after the other."""
    slow = Slow(store)
    entries = [{"Key": f"k{number % 50}"} for number in range(100)]
    exchange, done = begin(store, entries)
    rounds = 0
    while not done.called:
        keys = [key for key, _ in slow.waiting]
        assert 0 < len(keys) <= deleting.AT_ONCE
        assert len(set(keys)) == len(keys)
        slow.let_go()
        rounds += 1
    assert exchange.status == 200
    assert exchange.sent.count(b"<Deleted>") == 100
    assert rounds <= 10


def test_a_client_that_leaves(store: Store) -> None:
    """When the client goes away, no further object is deleted."""
    slow = Slow(store)
    exchange, done = begin(store, [{"Key": f"k{number}"} for number in range(100)])
    done.addErrback(lambda failure: failure.trap(CancelledError))
    done.cancel()
    assert exchange.aborted
    assert slow.cancelled == len(slow.waiting) == deleting.AT_ONCE


def test_a_bug_stops_all(store: Store) -> None:
    """A fault of ours is answered as one, and nothing goes on behind the client's back."""
    slow = Slow(store)
    exchange, done = begin(store, [{"Key": f"k{number}"} for number in range(100)])
    slow.waiting[0][1].errback(ZeroDivisionError())
    assert exchange.status == 500
    assert done.called
    assert slow.cancelled == deleting.AT_ONCE - 1
