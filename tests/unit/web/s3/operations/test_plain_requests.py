"""What those count on who speak plain HTTP: names, headers, refusals before the body."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from twisted.internet.defer import fail

from godos.model.errors import NotEnoughNodes
from godos.web.access import Action
from tests.unit.objects.stores import now
from tests.unit.web.s3.operations.store import DATE, Store, code

TEXT = b"hello, world"


@pytest.fixture
def store() -> Store:
    return Store()


# -- names -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "key",
    ["a//b", "/a", "..", "../x", "a%2Fb", "folder/", "a%0Ab", "%00", "a+b", "%25", "%C3%A9", "-/x"],
)
def test_odd_names(store: Store, key: str) -> None:
    """Names are kept as they are, and none is another."""
    store.put(f"/objects/{key}")
    assert store.get(f"/objects/{key}").sent == TEXT
    listed = now(store.objects.list_objects("objects", "", "", "", 1000))
    assert [each.key for each in listed.versions] == [unquote(key)]


def test_bad_names(store: Store) -> None:
    """What is no name is refused with the rule that it breaks."""
    assert code(store.ask("GET", "/objects/%ff")) == (400, "InvalidURI")
    assert code(store.ask("GET", "/objects/%zz")) == (400, "InvalidURI")
    assert code(store.ask("GET", "/objects/" + "k" * 1025)) == (400, "KeyTooLongError")
    assert code(store.ask("GET", "/Objects/a")) == (400, "InvalidBucketName")
    assert code(store.ask("GET", "/objects/a?versionId=%ff")) == (400, "InvalidURI")


# -- what is kept ------------------------------------------------------------------------
def test_a_repeated_header_is_joined(store: Store) -> None:
    """Metadata that came twice is joined by a comma, as S3 does it."""
    headers = [(b"x-amz-meta-a", b"1"), (b"x-amz-meta-a", b"2")]
    store.done("PUT", "/objects/a", headers, TEXT)
    assert store.get("/objects/a").answer["x-amz-meta-a"] == "1,2"


@pytest.mark.parametrize("value", [b"a\x00b", b"a\x07", b"\x7f", b"\xff"])
@pytest.mark.parametrize("name", [b"x-amz-meta-a", b"content-type", b"cache-control"])
def test_values_that_cannot_be(store: Store, name: bytes, value: bytes) -> None:
    """What is not UTF-8, or holds control characters, could not be sent back."""
    refused = store.ask("PUT", "/objects/a", [(name, value)], TEXT)
    assert code(refused) == (400, "InvalidArgument")
    assert not refused.body.asked


def test_headers_that_are_not_the_objects(store: Store) -> None:
    """Headers that mean nothing to the store are neither kept nor told."""
    store.put("/objects/a", host="h", user_agent="curl", accept="*/*", x_amz_date="1")
    told = store.get("/objects/a").answer
    assert told["content-type"] == "binary/octet-stream"
    assert not {"host", "user-agent", "accept", "x-amz-date", "x-amz-version-id"} & told.keys()


def test_an_unchanged_object(store: Store) -> None:
    """A 304 has the validators and what caches need, and nothing of the body."""
    store.put("/versioned/a", cache_control="no-store", content_type="text/plain", expires=DATE)
    etag = store.get("/versioned/a").answer["etag"]
    same = store.get("/versioned/a", if_none_match=etag)
    assert (same.status, same.sent) == (304, b"")
    assert same.answer == {
        "etag": etag,
        "last-modified": DATE,
        "cache-control": "no-store",
        "expires": DATE,
        "x-amz-version-id": same.answer["x-amz-version-id"],
    }


def test_going_on_past_the_end(store: Store) -> None:
    """If-Range decides also when the range is past the end of what is there now."""
    store.put("/objects/a")
    etag = store.get("/objects/a").answer["etag"]
    changed = store.get("/objects/a", range="bytes=99-", if_range='"other"')
    assert (changed.status, changed.sent) == (200, TEXT)
    same = store.get("/objects/a", range="bytes=99-", if_range=etag)
    assert code(same) == (416, "InvalidRange")
    assert all(read.closed for read in store.objects.reads)


def test_a_broken_date_is_no_condition(store: Store) -> None:
    """A precondition with a broken date is as if it were not there, as RFC 9110 asks."""
    store.put("/objects/a")
    for name in ("if_modified_since", "if_unmodified_since"):
        assert store.get("/objects/a", **{name: "soon"}).status == 200


# -- what is refused before the body -----------------------------------------------------
@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({"if-unmodified-since": DATE}, (501, "NotImplemented")),
        ({"content-range": "bytes 0-1/2"}, (400, "InvalidRequest")),
        ({"x-amz-write-offset-bytes": "5"}, (501, "NotImplemented")),
        ({"x-amz-checksum-md5": "AAAA"}, (501, "NotImplemented")),
        ({"content-md5": "?"}, (400, "InvalidDigest")),
        ({"if-match": "*", "if-none-match": "*"}, (400, "InvalidRequest")),
        ({"x-amz-storage-class": "GLACIER"}, (400, "InvalidStorageClass")),
    ],
)
def test_what_would_silently_not_be_done(
    store: Store, headers: dict[str, str], answer: tuple[int, str]
) -> None:
    """A header that asks for what cannot be is refused rather than ignored."""
    refused = store.ask("PUT", "/objects/a", headers, TEXT)
    assert code(refused) == answer
    assert not refused.body.asked
    assert store.get("/objects/a").status == 404


def test_the_caller_is_asked_for_first(store: Store) -> None:
    """Who may not write is told so before the body, whatever else the request says."""
    store.guard.refused.add(Action.PUT)
    refused = store.ask("PUT", "/objects/a", {"content-md5": "?"}, TEXT)
    assert code(refused) == (403, "AccessDenied")
    assert not refused.body.asked


def test_waiting_for_leave(store: Store) -> None:
    """A client that waits for 100 Continue is served like any other; so are other hopes."""
    for expect in ("100-Continue", "200-ok"):
        assert store.put("/objects/a", expect=expect).status == 200


def test_no_nodes(store: Store) -> None:
    """A store without room says so, and when to come back."""
    objects: Any = store.objects
    objects.put = lambda *_: fail(NotEnoughNodes("2 of 3 nodes are down"))
    refused = store.ask("PUT", "/objects/a", body=TEXT)
    assert code(refused) == (503, "SlowDown")
    assert refused.answer["retry-after"] == "1"


@pytest.mark.parametrize("target", ["/objects/a?website", "/objects/a?acl&tagging", "/objects/a?x"])
def test_a_write_of_a_part_is_no_write(store: Store, target: str) -> None:
    """A PUT or DELETE with what is not there never touches the object of the plain name."""
    store.put("/objects/a")
    for method in ("PUT", "DELETE"):
        assert (store.ask(method, target, body=b"other").status or 0) >= 400
    assert store.get("/objects/a").sent == TEXT


def test_harmless_parameters(store: Store) -> None:
    """What software adds to every request does not stand in the way."""
    store.put("/objects/a?x-id=PutObject")
    assert store.get("/objects/a?x-id=GetObject&utm_source=mail").sent == TEXT
