"""The object and bucket verbs, from a request to its answer."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from hashlib import md5, sha256
from typing import Any
from xml.etree import ElementTree

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from godos.model.errors import AccessDenied, BytesNotFound, IncompleteBody, NotEnoughNodes
from godos.model.objects import IObjects
from godos.web import keys
from godos.web.access import ANONYMOUS, Action, Principal
from godos.web.counters import Access, Counters
from godos.web.exchange import IExchange
from godos.web.objects import ObjectVerbs
from tests.memory_objects import MemoryObjects
from tests.unit.web.fakes import FakeExchange

START = 784_111_777.5  # Sun, 06 Nov 1994 08:49:37 GMT
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
LATER = "Sun, 06 Nov 1994 08:49:38 GMT"
EARLIER = "Sun, 06 Nov 1994 08:49:36 GMT"
TEXT = b"hello, world"
ETAG = f'"{md5(TEXT).hexdigest()}"'


class Store:
    """The verbs over objects in memory, and all that they are given."""

    def __init__(self, piece: int = 1 << 20) -> None:
        self.clock = Clock()
        self.objects = MemoryObjects(lambda: START + self.clock.seconds(), piece)
        self.counters = Counters()
        self.log: list[Access] = []
        self.asked: list[tuple[str, str, str]] = []
        self.refuse: Exception | None = None
        self.verbs = ObjectVerbs(
            self.objects,
            self.authorise,
            self.clock,
            lambda: START + self.clock.seconds(),
            self.counters,
            self.log.append,
        )
        verifyObject(IObjects, self.objects)
        self.put("/objects", None)
        self.log.clear()
        self.asked.clear()

    def authorise(
        self, exchange: IExchange, action: Action, bucket: str, key: str
    ) -> Deferred[Principal]:
        assert not exchange.body.asked, "the body was asked for before the caller was known"
        self.asked.append((action.value, bucket, key))
        return succeed(ANONYMOUS) if self.refuse is None else fail(self.refuse)

    def begin(self, method: str, target: str, *args: Any, **kwargs: Any) -> Any:
        """A request that may wait; answers its exchange and Deferred."""
        exchange = FakeExchange(method, target, *args, **kwargs)
        return exchange, self.verbs.serve(exchange)

    def ask(self, method: str, target: str, *args: Any, **kwargs: Any) -> FakeExchange:
        """A request that is answered at once."""
        exchange, done = self.begin(method, target, *args, **kwargs)
        results: list[Any] = []
        done.addBoth(results.append)
        assert results == [None]
        assert exchange.finished or exchange.aborted
        return exchange

    def put(self, target: str, body: bytes | None = TEXT, **headers: str) -> FakeExchange:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        exchange = self.ask("PUT", target, given, body)
        assert exchange.status == 200, exchange.sent
        return exchange

    def versioned(self) -> Store:
        self.put("/objects?versioning", b'{"status": "Enabled"}')
        return self


@pytest.fixture
def store() -> Store:
    return Store()


def code(exchange: FakeExchange) -> tuple[int | None, str | None]:
    """Status and S3's code of an error answer."""
    return exchange.status, ElementTree.fromstring(exchange.sent).findtext("Code")


def document(exchange: FakeExchange) -> Any:
    assert exchange.status == 200, exchange.sent
    assert exchange.answer["content-type"] == "application/json"
    return json.loads(exchange.sent)


def names(exchange: FakeExchange) -> list[str]:
    return [entry["Key"] for entry in document(exchange)["Contents"]]


# -- put and get ------------------------------------------------------------------------
def test_put_and_get(store: Store) -> None:
    """What was put comes back, with its ETag, time and type."""
    put = store.put("/objects/a", content_type="text/plain", x_amz_meta_author="Zoë")
    assert put.answer == {"etag": ETAG, "content-length": "0"}
    got = store.ask("GET", "/objects/a")
    assert (got.status, got.sent) == (200, TEXT)
    assert got.lines[-1][0] == b"Content-Length"
    assert dict(got.lines)[b"x-amz-meta-author"] == "Zoë".encode()
    assert got.answer == {
        "etag": ETAG,
        "last-modified": DATE,
        "accept-ranges": "bytes",
        "content-type": "text/plain",
        "x-amz-meta-author": "Zoë",
        "content-length": "12",
    }


@pytest.mark.parametrize(
    "key", ["a//b", "../x", "%2F", "folder/", "/", "a%0A%00b", "%C3%A9", "a+b", "%2525"]
)
def test_odd_names(store: Store, key: str) -> None:
    """Names are kept as they are, and none is another."""
    store.put(f"/objects/{key}")
    assert store.ask("GET", f"/objects/{key}").sent == TEXT
    assert len(names(store.ask("GET", "/objects"))) == 1
    assert code(store.ask("GET", f"/objects/{key}x"))[0] == 404


def test_an_empty_object(store: Store) -> None:
    """An object may have no bytes at all."""
    store.put("/objects/a", b"")
    got = store.ask("GET", "/objects/a")
    assert (got.status, got.sent, got.answer["content-length"]) == (200, b"", "0")


def test_a_chunked_upload(store: Store) -> None:
    """A body whose length is only known at its end is stored, too."""
    assert store.ask("PUT", "/objects/a", body=[b"ab", b"cd"], chunked=True).status == 200
    assert store.ask("GET", "/objects/a").sent == b"abcd"


def test_a_chunked_upload_that_becomes_too_large(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body without a length is refused as soon as it is larger than a PUT may be."""
    monkeypatch.setattr(keys, "MAX_SINGLE_PUT", 3)
    refused = store.ask("PUT", "/objects/a", body=[b"ab", b"cd"], chunked=True)
    assert code(refused) == (400, "EntityTooLarge")
    assert names(store.ask("GET", "/objects")) == []


def test_head_is_get_without_bytes(store: Store) -> None:
    """HEAD tells what GET tells, length included."""
    store.put("/objects/a", content_type="text/plain", x_amz_meta_a="b")
    for headers in ({}, {"Range": "bytes=2-4"}, {"Range": "bytes=-3"}, {"Range": "bytes=9-2"}):
        got = store.ask("GET", "/objects/a", headers)
        head = store.ask("HEAD", "/objects/a", headers)
        assert (head.status, head.sent) == (got.status, b"")
        assert head.answer == got.answer


def test_many_pieces() -> None:
    """A large object is sent piece by piece, in order, and nothing is left open."""
    store = Store(piece=5)
    store.put("/objects/a")
    got = store.ask("GET", "/objects/a")
    assert (got.sent, got.pieces, got.answer["content-length"]) == (TEXT, 3, "12")
    assert got.finished
    assert store.objects.reads[0].closed


def test_one_piece_is_one_reply(store: Store) -> None:
    """A small object is answered at once, and nothing is left open."""
    store.put("/objects/a")
    assert store.ask("GET", "/objects/a").pieces == 1
    assert store.objects.reads[0].closed


def test_delete(store: Store) -> None:
    """A deleted object is gone; deleting it again is no error."""
    store.put("/objects/a")
    for _ in range(2):
        deleted = store.ask("DELETE", "/objects/a")
        assert (deleted.status, deleted.answer) == (204, {})
        assert code(store.ask("GET", "/objects/a")) == (404, "NoSuchKey")


def test_missing_things(store: Store) -> None:
    """A missing object, version and bucket are told apart."""
    assert code(store.ask("GET", "/objects/a")) == (404, "NoSuchKey")
    assert code(store.ask("GET", "/objects/a?versionId=x")) == (404, "NoSuchVersion")
    assert code(store.ask("GET", "/photos/a")) == (404, "NoSuchBucket")
    refused = store.ask("PUT", "/photos/a", body=TEXT)
    assert code(refused) == (404, "NoSuchBucket")
    assert not refused.body.asked
    head = store.ask("HEAD", "/objects/a")
    assert (head.status, head.sent) == (404, b"")


def test_bad_names(store: Store) -> None:
    """What is no name is refused with the rule that it breaks."""
    assert code(store.ask("GET", "/objects/%ff")) == (400, "InvalidURI")
    assert code(store.ask("PUT", "/objects/100%", body=b"")) == (400, "InvalidURI")
    assert code(store.ask("PUT", "/objects/" + "a" * 1025, body=b"")) == (400, "KeyTooLongError")
    assert code(store.ask("GET", "/No/a")) == (400, "InvalidBucketName")


# -- ranges -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("wanted", "part", "told"),
    [
        ("bytes=0-4", b"hello", "bytes 0-4/12"),
        ("bytes=7-", b"world", "bytes 7-11/12"),
        ("bytes=-5", b"world", "bytes 7-11/12"),
        ("bytes=-99", TEXT, "bytes 0-11/12"),
        ("bytes=7-99", b"world", "bytes 7-11/12"),
        ("bytes=11-11", b"d", "bytes 11-11/12"),
    ],
)
def test_parts(wanted: str, part: bytes, told: str) -> None:
    """A part is answered with 206 and tells where it is from."""
    for piece in (3, 1 << 20):
        store = Store(piece)
        store.put("/objects/a")
        got = store.ask("GET", "/objects/a", {"Range": wanted})
        assert (got.status, got.sent, got.answer["content-range"]) == (206, part, told)
        assert got.answer["content-length"] == str(len(part))


@pytest.mark.parametrize("wanted", ["bytes=12-", "bytes=99-100", "bytes=-0"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_parts_that_are_not_there(store: Store, method: str, wanted: str) -> None:
    """A range past the end is 416, with the size that there is."""
    store.put("/objects/a")
    got = store.ask(method, "/objects/a", {"Range": wanted})
    assert (got.status, got.answer["content-range"]) == (416, "bytes */12")
    assert code(got)[1] == "InvalidRange" if method == "GET" else got.sent == b""


def test_ranges_that_mean_nothing(store: Store) -> None:
    """Senseless and multiple ranges get the whole object."""
    store.put("/objects/a")
    for wanted in ("bytes=4-2", "bytes=0-1,4-5", "lines=1-2"):
        got = store.ask("GET", "/objects/a", {"Range": wanted})
        assert (got.status, got.sent) == (200, TEXT)
        assert "content-range" not in got.answer


def test_going_on_with_a_download(store: Store) -> None:
    """If-Range gives a part of the version that the client has, else the whole new one."""
    store.put("/objects/a")
    for validator, status in ((ETAG, 206), (DATE, 206), ('"other"', 200), (EARLIER, 200)):
        for method in ("GET", "HEAD"):
            headers = {"Range": "bytes=7-", "If-Range": validator}
            got = store.ask(method, "/objects/a", headers)
            assert got.status == status
            assert got.answer["content-length"] == ("5" if status == 206 else "12")
    assert all(read.closed for read in store.objects.reads)


def test_going_on_past_the_end(store: Store) -> None:
    """If-Range decides also when the range is past the end of what is there now."""
    store.put("/objects/a")
    wanted = {"Range": "bytes=20-"}
    for method in ("GET", "HEAD"):
        assert store.ask(method, "/objects/a", {**wanted, "If-Range": ETAG}).status == 416
        assert store.ask(method, "/objects/a", {**wanted, "If-Range": '"other"'}).status == 200
    assert all(read.closed for read in store.objects.reads)


# -- conditions -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-Match": ETAG}, 200),
        ({"If-Match": "*"}, 200),
        ({"If-Match": f'"x", {ETAG}'}, 200),
        ({"If-Match": '"x"'}, 412),
        ({"If-Match": "W/" + ETAG}, 412),
        ({"If-None-Match": ETAG}, 304),
        ({"If-None-Match": "W/" + ETAG}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"x"'}, 200),
        ({"If-Modified-Since": DATE}, 304),
        ({"If-Modified-Since": LATER}, 304),
        ({"If-Modified-Since": EARLIER}, 200),
        ({"If-Modified-Since": "nonsense"}, 200),
        ({"If-Unmodified-Since": DATE}, 200),
        ({"If-Unmodified-Since": EARLIER}, 412),
        ({"If-Match": ETAG, "If-Unmodified-Since": EARLIER}, 200),
        ({"If-None-Match": '"x"', "If-Modified-Since": DATE}, 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditional_reads(store: Store, method: str, headers: dict[str, str], status: int) -> None:
    """The four preconditions of a read, in the order that HTTP gives them."""
    store.put("/objects/a")
    got = store.ask(method, "/objects/a", headers)
    assert got.status == status
    if status == 304:
        assert got.sent == b""
        assert (got.answer["etag"], got.answer["last-modified"]) == (ETAG, DATE)
    if status == 412 and method == "GET":
        assert code(got) == (412, "PreconditionFailed")


def test_writing_what_is_not_there(store: Store) -> None:
    """If-None-Match: * stores the first of two, and refuses the second before its body."""
    assert store.put("/objects/a", if_none_match="*")
    refused = store.ask("PUT", "/objects/a", {"If-None-Match": "*"}, b"new")
    assert code(refused) == (412, "PreconditionFailed")
    assert not refused.body.asked
    assert store.ask("GET", "/objects/a").sent == TEXT


def test_writing_over_what_one_knows(store: Store) -> None:
    """If-Match lets only who knows the current ETag write or delete."""
    assert code(store.ask("PUT", "/objects/a", {"If-Match": ETAG}, b"")) == (404, "NoSuchKey")
    store.put("/objects/a")
    stale = {"If-Match": '"stale"'}
    assert code(store.ask("PUT", "/objects/a", stale, b"new"))[0] == 412
    assert code(store.ask("DELETE", "/objects/a", stale))[0] == 412
    store.put("/objects/a", b"new", if_match=ETAG)
    assert store.ask("DELETE", "/objects/a", {"If-Match": "*"}).status == 204


def test_conditions_that_cannot_be_kept(store: Store) -> None:
    """A condition on a write that is not supported stores nothing."""
    for headers in ({"If-None-Match": ETAG}, {"If-Unmodified-Since": DATE}):
        refused = store.ask("PUT", "/objects/a", headers, TEXT)
        assert code(refused) == (501, "NotImplemented")
        assert not refused.body.asked


# -- what uploads announce --------------------------------------------------------------
def test_digests_are_checked(store: Store) -> None:
    """A body with another digest than announced is refused, and nothing is stored."""
    good = b64encode(md5(TEXT).digest()).decode(), b64encode(sha256(TEXT).digest()).decode()
    store.put("/objects/a", content_md5=good[0], digest=f"SHA-256={good[1]}")
    for headers in ({"Content-MD5": good[0]}, {"Digest": f"SHA-256={good[1]}"}):
        assert code(store.ask("PUT", "/objects/b", headers, b"x")) == (400, "BadDigest")
    assert code(store.ask("PUT", "/objects/b", {"Content-MD5": "x"}, TEXT)) == (
        400,
        "InvalidDigest",
    )
    assert names(store.ask("GET", "/objects")) == ["a"]


@pytest.mark.parametrize(
    ("headers", "body", "answer"),
    [
        ({}, None, (411, "MissingContentLength")),
        ({"Content-Length": str((5 << 30) + 1)}, b"", (400, "EntityTooLarge")),
        ({"Expect": "coffee"}, b"x", (417, "ExpectationFailed")),
        ({"Content-Range": "bytes 0-0/2"}, b"x", (400, "InvalidRequest")),
        ({"x-amz-meta-a": "x" * 2048}, b"x", (400, "MetadataTooLarge")),
        (
            {"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
            b"x",
            (501, "NotImplemented"),
        ),
        ({"x-amz-copy-source": "/objects/b"}, b"", (501, "NotImplemented")),
    ],
)
def test_refused_before_the_body(
    store: Store, headers: dict[str, str], body: bytes | None, answer: tuple[int, str]
) -> None:
    """What the headers alone make impossible is refused before a byte of the body comes."""
    refused = store.ask("PUT", "/objects/a", headers, body)
    assert code(refused) == answer
    assert not refused.body.asked
    assert names(store.ask("GET", "/objects")) == []


def test_waiting_for_leave(store: Store) -> None:
    """A client that waits for 100 Continue is served like any other."""
    assert store.put("/objects/a", expect="100-Continue")


# -- sub-resources ----------------------------------------------------------------------
@pytest.mark.parametrize(
    "query",
    ["uploads", "partNumber=1&uploadId=x", "acl", "tagging", "retention", "legal-hold", "foo=1"],
)
def test_parts_of_s3_that_are_not_there(store: Store, query: str) -> None:
    """A PUT with a sub-resource that is not there stores nothing under the plain name."""
    refused = store.ask("PUT", f"/objects/a?{query}", body=TEXT)
    assert code(refused) == (501, "NotImplemented")
    assert not refused.body.asked
    assert code(store.ask("GET", "/objects/a")) == (404, "NoSuchKey")
    assert code(store.ask("DELETE", f"/objects/a?{query}")) == (501, "NotImplemented")


@pytest.mark.parametrize("query", ["acl", "policy", "lifecycle", "object-lock", "foo", "buckets"])
def test_a_bucket_is_not_made_by_accident(store: Store, query: str) -> None:
    """PUT and DELETE of a part of a bucket never make or remove the bucket itself."""
    for method in ("PUT", "DELETE"):
        assert code(store.ask(method, f"/photos?{query}")) == (501, "NotImplemented")
        assert code(store.ask(method, f"/objects?{query}")) == (501, "NotImplemented")
    assert store.ask("HEAD", "/photos").status == 404
    assert store.ask("HEAD", "/objects").status == 200


def test_reads_of_parts_that_are_not_there(store: Store) -> None:
    """A read of a sub-resource never answers with the object; other parameters are ignored."""
    store.put("/objects/a")
    for query in ("acl", "tagging", "partNumber=1", "response-content-type=a/b", "uploadId=1"):
        assert code(store.ask("GET", f"/objects/a?{query}")) == (501, "NotImplemented")
    assert store.ask("GET", "/objects/a?cache-buster=1&x-id=GetObject").sent == TEXT
    assert code(store.ask("GET", "/objects?location")) == (501, "NotImplemented")
    assert code(store.ask("GET", "/objects?versions&versioning")) == (400, "InvalidRequest")
    assert code(store.ask("GET", "/objects?versions&acl")) == (501, "NotImplemented")


def test_harmless_parameters_of_writes(store: Store) -> None:
    """What software adds to every request does not stand in the way of a write."""
    store.put("/objects/a?x-id=PutObject")
    assert store.ask("DELETE", "/objects/a?x-id=DeleteObject").status == 204


@pytest.mark.parametrize(
    ("method", "target", "allow"),
    [
        ("PATCH", "/objects/a", "GET, HEAD, PUT, DELETE, OPTIONS"),
        ("POST", "/objects/a", "GET, HEAD, PUT, DELETE, OPTIONS"),
        ("POST", "/objects", "GET, HEAD, PUT, DELETE, OPTIONS"),
        ("PUT", "/", "GET, OPTIONS"),
        ("G\xffT", "/objects/a", "GET, HEAD, PUT, DELETE, OPTIONS"),
    ],
)
def test_other_verbs(store: Store, method: str, target: str, allow: str) -> None:
    """A verb that is not there is 405, with those that are."""
    refused = store.ask(method, target, body=b"x")
    assert code(refused) == (405, "MethodNotAllowed")
    assert refused.answer["allow"] == allow
    assert not refused.body.asked


def test_posts_of_s3(store: Store) -> None:
    """S3's own uses of POST are told as not there, rather than as a wrong verb."""
    for target in ("/objects?delete", "/objects/a?uploads", "/objects/a?restore"):
        assert code(store.ask("POST", target, body=b"x")) == (501, "NotImplemented")


@pytest.mark.parametrize("target", ["/objects/a", "/objects", "/", "*"])
def test_options(store: Store, target: str) -> None:
    """OPTIONS lists the verbs, whether or not the object is there."""
    told = store.ask("OPTIONS", target)
    assert told.status == 204
    assert "GET" in told.answer["allow"]


# -- versions ---------------------------------------------------------------------------
def test_versions(store: Store) -> None:
    """With versioning on, each PUT keeps what was there, and tells its id."""
    store.versioned()
    first = store.put("/objects/a", b"one").answer["x-amz-version-id"]
    second = store.put("/objects/a", b"two").answer["x-amz-version-id"]
    assert store.ask("GET", "/objects/a").answer["x-amz-version-id"] == second
    assert store.ask("GET", f"/objects/a?versionId={first}").sent == b"one"
    assert store.ask("HEAD", f"/objects/a?versionId={first}").answer["content-length"] == "3"
    gone = store.ask("DELETE", f"/objects/a?versionId={second}")
    assert (gone.status, gone.answer) == (204, {"x-amz-version-id": second})
    assert store.ask("GET", "/objects/a").sent == b"one"


def test_delete_markers(store: Store) -> None:
    """A delete puts a marker on top, which hides the object until it is deleted itself."""
    store.versioned()
    store.put("/objects/a")
    deleted = store.ask("DELETE", "/objects/a")
    marker = deleted.answer["x-amz-version-id"]
    assert deleted.answer == {"x-amz-version-id": marker, "x-amz-delete-marker": "true"}
    for method in ("GET", "HEAD"):
        hidden = store.ask(method, "/objects/a")
        assert (hidden.status, hidden.answer["x-amz-delete-marker"]) == (404, "true")
        assert hidden.answer["x-amz-version-id"] == marker
        itself = store.ask(method, f"/objects/a?versionId={marker}")
        assert (itself.status, itself.answer["x-amz-delete-marker"]) == (405, "true")
        assert itself.answer["allow"] == "DELETE"
    undone = store.ask("DELETE", f"/objects/a?versionId={marker}")
    assert undone.answer == {"x-amz-version-id": marker, "x-amz-delete-marker": "true"}
    assert store.ask("GET", "/objects/a").sent == TEXT


def test_the_null_version(store: Store) -> None:
    """What was written without versioning is the version `null`, and has no id to tell."""
    store.put("/objects/a")
    assert "x-amz-version-id" not in store.ask("GET", "/objects/a").answer
    assert store.ask("GET", "/objects/a?versionId=null").sent == TEXT
    assert store.ask("DELETE", "/objects/a?versionId=null").answer == {}
    assert store.ask("GET", "/objects/a").status == 404


def test_version_ids_that_are_none(store: Store) -> None:
    """An empty or doubled version id is refused, and a PUT takes none."""
    store.put("/objects/a")
    for query in ("versionId=", "versionId", "versionId=null&versionId=x"):
        assert code(store.ask("GET", f"/objects/a?{query}")) == (400, "InvalidArgument")
        assert code(store.ask("DELETE", f"/objects/a?{query}")) == (400, "InvalidArgument")
    assert store.ask("PUT", "/objects/a?versionId=null", body=b"").status == 501


def test_versioning(store: Store) -> None:
    """Versioning of a bucket is off, then enabled or suspended."""
    assert document(store.ask("GET", "/objects?versioning")) == {"status": "Off"}
    for status in ("Enabled", "Suspended"):
        store.put("/objects?versioning", json.dumps({"status": status}).encode())
        assert document(store.ask("GET", "/objects?versioning")) == {"status": status}


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b'{"status": "On"}', (400, "InvalidArgument")),
        (b'{"status": ["Enabled"]}', (400, "InvalidArgument")),
        (b'["Enabled"]', (400, "InvalidArgument")),
        (b"Enabled", (400, "InvalidRequest")),
        (b"\xff", (400, "InvalidRequest")),
        (b"", (400, "InvalidRequest")),
        (b"[" * 60000, (400, "InvalidRequest")),
        (b"<VersioningConfiguration/>", (501, "NotImplemented")),
        (b" " * 70000, (400, "EntityTooLarge")),
    ],
)
def test_versioning_that_makes_no_sense(store: Store, body: bytes, answer: tuple[int, str]) -> None:
    """What is not one of the two states changes nothing."""
    assert code(store.ask("PUT", "/objects?versioning", body=body)) == answer
    assert document(store.ask("GET", "/objects?versioning")) == {"status": "Off"}


# -- buckets ----------------------------------------------------------------------------
def test_the_life_of_a_bucket(store: Store) -> None:
    """A bucket is made, listed, used, and removed when it is empty."""
    made = store.put("/photos", None)
    assert made.answer["location"] == "/photos"
    assert code(store.ask("PUT", "/photos")) == (409, "BucketAlreadyOwnedByYou")
    told = document(store.ask("GET", "/?buckets"))
    assert told["Buckets"][1] == {"Name": "photos", "CreationDate": "1994-11-06T08:49:37.500Z"}
    store.put("/photos/a")
    assert code(store.ask("DELETE", "/photos")) == (409, "BucketNotEmpty")
    store.ask("DELETE", "/photos/a")
    assert store.ask("DELETE", "/photos").status == 204
    assert code(store.ask("DELETE", "/photos")) == (404, "NoSuchBucket")


def test_a_bucket_by_another_name(store: Store) -> None:
    """A name that breaks S3's rules makes no bucket."""
    assert code(store.ask("PUT", "/Photos")) == (400, "InvalidBucketName")
    assert code(store.ask("PUT", "/photos", {"x-amz-acl": "public-read"}))[0] == 501
    assert code(store.ask("PUT", "/photos", body=b"x" * 70000)) == (400, "EntityTooLarge")
    assert store.ask("HEAD", "/photos").status == 404


def test_a_bucket_with_a_region(store: Store) -> None:
    """Clients that name a region in the body get their bucket."""
    body = b"<CreateBucketConfiguration><LocationConstraint>us-east-1</LocationConstraint>"
    store.put("/photos", body + b"</CreateBucketConfiguration>")
    head = store.ask("HEAD", "/photos/")
    assert (head.status, head.answer["x-amz-bucket-region"]) == (200, "us-east-1")


def test_somebody_elses_bucket(store: Store) -> None:
    """A bucket of another owner is not told as one's own."""
    store.objects.create_bucket("photos", "somebody")
    assert code(store.ask("PUT", "/photos")) == (409, "BucketAlreadyExists")


# -- who may ask ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("method", "target", "action"),
    [
        ("GET", "/objects/a", ("s3:GetObject", "objects", "a")),
        ("HEAD", "/objects/a", ("s3:GetObject", "objects", "a")),
        ("GET", "/objects/a?versionId=1", ("s3:GetObjectVersion", "objects", "a")),
        ("PUT", "/objects/a", ("s3:PutObject", "objects", "a")),
        ("DELETE", "/objects/a", ("s3:DeleteObject", "objects", "a")),
        ("DELETE", "/objects/a?versionId=1", ("s3:DeleteObjectVersion", "objects", "a")),
        ("GET", "/objects", ("s3:ListBucket", "objects", "")),
        ("HEAD", "/objects", ("s3:ListBucket", "objects", "")),
        ("GET", "/objects?versions", ("s3:ListBucketVersions", "objects", "")),
        ("GET", "/objects?versioning", ("s3:GetBucketVersioning", "objects", "")),
        ("PUT", "/objects?versioning", ("s3:PutBucketVersioning", "objects", "")),
        ("PUT", "/objects", ("s3:CreateBucket", "objects", "")),
        ("DELETE", "/objects", ("s3:DeleteBucket", "objects", "")),
        ("GET", "/?buckets", ("s3:ListAllMyBuckets", "", "")),
        ("GET", "/", ("s3:ListAllMyBuckets", "", "")),
    ],
)
def test_the_caller_is_asked_for_first(
    store: Store, method: str, target: str, action: tuple[str, str, str]
) -> None:
    """Who may not do a thing is refused before it, and before a body is taken."""
    store.refuse = AccessDenied("anonymous callers may not do this")
    refused = store.ask(method, target, body=b"x")
    assert refused.status == 403
    assert not refused.body.asked
    assert store.asked == [action]


def test_a_bucket_belongs_to_who_made_it(store: Store) -> None:
    """The caller becomes the owner."""
    store.put("/photos", None)
    made: list[Any] = []
    store.objects.bucket("photos").addCallback(made.append)
    assert made[0].owner == ANONYMOUS.id


# -- what goes wrong --------------------------------------------------------------------
def test_bytes_that_are_not_there(store: Store) -> None:
    """Bytes that no node gives are 503 with the reason, never 404."""
    store.put("/objects/a")
    store.objects.trouble = BytesNotFound("no node has them")
    got = store.ask("GET", "/objects/a")
    assert code(got) == (503, "ServiceUnavailable")
    assert b"No node has them" in got.sent
    assert got.answer["retry-after"] == "1"


def test_bytes_that_end_early() -> None:
    """After the first byte a failure breaks the connection: no short answer looks whole."""
    store = Store(piece=5)
    store.put("/objects/a")
    store.objects.trouble, store.objects.good = BytesNotFound("the node died"), 5
    got = store.ask("GET", "/objects/a")
    assert got.status == 200
    assert got.aborted and not got.finished
    assert got.sent == TEXT[:5]
    assert store.objects.reads[0].closed
    assert (store.log[-1].status, store.log[-1].sent) == (200, 5)


def test_bytes_that_fail_at_first(store: Store) -> None:
    """A failure before the first byte is still an error answer."""
    store.put("/objects/a")
    store.objects.trouble, store.objects.good = BytesNotFound("the node died"), 0
    assert code(store.ask("GET", "/objects/a")) == (503, "ServiceUnavailable")
    assert store.objects.reads[0].closed


@pytest.mark.parametrize("given", [b"hello", b"hello, world and more"])
def test_a_wrong_number_of_bytes(store: Store, given: bytes) -> None:
    """An object that gives too few or too many bytes is not sent as whole."""
    store.put("/objects/a")
    original = store.objects.get

    def get(*args: Any) -> Any:
        return original(*args).addCallback(altered)

    def altered(read: Any) -> Any:
        read._data = given
        return read

    store.objects.get = get  # type: ignore[method-assign]
    got = store.ask("GET", "/objects/a")
    assert got.aborted or got.status == 503
    assert not (got.status == 200 and got.finished)
    assert store.objects.reads[0].closed


def test_no_nodes(store: Store) -> None:
    """A store without room says so before the body, and when to come back."""

    def put(*_: Any) -> Any:
        return fail(NotEnoughNodes("2 of 3 nodes are down"))

    store.objects.put = put  # type: ignore[method-assign]
    refused = store.ask("PUT", "/objects/a", body=TEXT)
    assert code(refused) == (503, "SlowDown")
    assert not refused.body.asked


def test_a_fault_of_ours(store: Store) -> None:
    """A bug is answered with 500 and the request's id, and its details are only logged."""

    def head(*_: Any) -> Any:
        raise ZeroDivisionError("secret")

    store.objects.head = head  # type: ignore[method-assign]
    store.objects.get = head  # type: ignore[method-assign]
    got = store.ask("GET", "/objects/a")
    assert code(got) == (500, "InternalError")
    assert b"secret" not in got.sent
    assert got.request_id.encode() in got.sent


# -- clients that are slow, or leave ----------------------------------------------------
def test_a_slow_client() -> None:
    """Nothing is read further ahead than one piece of what the client took."""
    store = Store(piece=5)
    store.put("/objects/a")
    got, done = store.begin("GET", "/objects/a", slow=True)
    read = store.objects.reads[0]
    assert (got.sent, read._given) == (TEXT[:5], 10)
    got.drain()
    assert (got.sent, read._given) == (TEXT[:10], 12)
    got.drain()
    assert got.finished and read.closed and done.called


def leavers(store: Store) -> Iterator[tuple[FakeExchange, Any]]:
    """A client that leaves while it waits for its next bytes, in each way to notice it."""
    for gone in (Failure(IncompleteBody("the client went away")), None):
        got, done = store.begin("GET", "/objects/a", slow=True)
        if gone is None:
            done.addErrback(lambda failure: failure.trap(CancelledError))
            done.cancel()
        else:
            got.drain(gone.value)
        yield got, done


def test_clients_that_leave() -> None:
    """When the client goes away its read is closed, and the request ends."""
    store = Store(piece=5)
    store.put("/objects/a")
    for got, done in leavers(store):
        assert got.aborted and not got.finished
        assert done.called
    assert [read.closed for read in store.objects.reads] == [True, True]
    assert store.counters.running == 0
    assert [access.sent for access in store.log[1:]] == [5, 5]


def test_leaving_while_bytes_are_read_ahead() -> None:
    """A read that is under way when the client leaves is given up, and closed."""
    store = Store(piece=5)
    store.put("/objects/a")
    got, done = store.begin("GET", "/objects/a", slow=True)
    read, given_up = store.objects.reads[0], []
    read.read = lambda: Deferred(given_up.append)  # type: ignore[method-assign]
    got.drain()
    got.drain()
    assert (got.sent, given_up) == (TEXT[:10], [])
    done.addErrback(lambda failure: failure.trap(CancelledError))
    done.cancel()
    assert len(given_up) == 1
    assert read.closed and got.aborted


def test_leaving_while_the_store_is_ahead() -> None:
    """The same, noticed while the client is slower than the store."""
    store = Store(piece=5)
    store.put("/objects/a")
    got, done = store.begin("GET", "/objects/a", slow=True)
    read, given_up = store.objects.reads[0], []
    read.read = lambda: Deferred(given_up.append)  # type: ignore[method-assign]
    got.drain()
    got.drain(IncompleteBody("the client took nothing for too long"))
    assert len(given_up) == 1
    assert read.closed and got.aborted and done.called


def test_leaving_before_the_answer(store: Store) -> None:
    """A client that leaves while the store works stops that work."""
    stopped: list[str] = []

    def put(*_: Any) -> Any:
        return Deferred(lambda _: stopped.append("put"))

    store.objects.put = put  # type: ignore[method-assign]
    got, done = store.begin("PUT", "/objects/a", body=TEXT)
    done.addErrback(lambda failure: failure.trap(CancelledError))
    done.cancel()
    assert stopped == ["put"]
    assert not got.started
    assert store.log[-1].status == 499


# -- counting ---------------------------------------------------------------------------
def test_the_access_log(store: Store) -> None:
    """Each request is told once when it is over: who, what, how it went, how long it took."""
    store.put("/objects/a")
    waiting: Deferred[Any] = Deferred()
    store.objects.head = lambda *_: waiting  # type: ignore[assignment,method-assign,return-value]
    _, done = store.begin("HEAD", "/objects/a?x=%41")
    assert store.counters.running == 1
    store.clock.advance(0.25)
    waiting.errback(NotEnoughNodes(""))
    assert done.called
    assert store.log[-1] == Access(
        "0123456789abcdef", "127.0.0.1", b"HEAD", b"/objects/a?x=%41", 503, 0, 0.25
    )
    assert len(store.log) == 2


def test_the_sums(store: Store) -> None:
    """The counters tell requests by method, action and status, and bytes both ways."""
    store.put("/objects/a")
    store.ask("GET", "/objects/a")
    store.ask("GET", "/objects/b")
    store.ask('B"REW', "/objects/b")
    text = store.counters.render()
    assert 'requests_total{method="GET",action="s3:GetObject",status="200"} 1\n' in text
    assert 'requests_total{method="GET",action="s3:GetObject",status="404"} 1\n' in text
    assert 'requests_total{method="other",action="",status="405"} 1\n' in text
    assert "godos_http_received_bytes_total 12\n" in text
    assert store.counters.sent > 12
    assert "B" not in text.replace("Bucket", "")
