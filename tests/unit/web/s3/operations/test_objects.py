"""Objects are put, read whole and in part, and described."""

from __future__ import annotations

from base64 import b64encode
from hashlib import md5, sha256

import pytest

from godos.model.errors import BytesNotFound
from godos.web.access import Action
from godos.web.s3.operations import uploading
from tests.unit.web.s3.operations.store import ANN, DATE, Store, code

TEXT = b"hello, world"
ETAG = f'"{md5(TEXT).hexdigest()}"'
LATER = "Sun, 06 Nov 1994 08:49:38 GMT"
EARLIER = "Sun, 06 Nov 1994 08:49:36 GMT"
KEY = b"k" * 32
CUSTOMER = {
    "x-amz-server-side-encryption-customer-algorithm": "AES256",
    "x-amz-server-side-encryption-customer-key": b64encode(KEY).decode(),
    "x-amz-server-side-encryption-customer-key-MD5": b64encode(md5(KEY).digest()).decode(),
}


@pytest.fixture
def store() -> Store:
    return Store()


# -- put and get -------------------------------------------------------------------------
def test_put_and_get(store: Store) -> None:
    """What was put comes back, with its ETag, time and type."""
    put = store.put("/objects/a", content_type="text/plain", x_amz_meta_author="Zoë")
    assert put.answer["etag"] == ETAG
    assert "x-amz-version-id" not in put.answer
    got = store.get("/objects/a")
    assert (got.status, got.sent) == (200, TEXT)
    assert got.answer == {
        "etag": ETAG,
        "last-modified": DATE,
        "accept-ranges": "bytes",
        "content-type": "text/plain",
        "x-amz-meta-author": "Zoë",
        "content-length": "12",
    }


def test_what_is_kept(store: Store) -> None:
    """The standard headers of a body are kept as they were sent, dates or not."""
    given = {
        "content-encoding": "gzip",
        "content-language": "de",
        "content-disposition": 'attachment; filename="ü.txt"',
        "cache-control": "max-age=60",
        "expires": "never",
        "x-amz-website-redirect-location": "/elsewhere",
    }
    store.done("PUT", "/objects/a", given, TEXT)
    told = store.get("/objects/a").answer
    assert {name: told[name] for name in given} == given
    assert told["content-type"] == "binary/octet-stream"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("gzip, aws-chunked", "gzip"),
        ("aws-chunked, gzip", "gzip"),
        ("deflate, gzip", "deflate, gzip"),
        ("aws-chunked", None),
        ("AWS-Chunked, aws-chunked", None),
    ],
)
def test_how_a_body_came_is_no_encoding(store: Store, sent: str, kept: str | None) -> None:
    """`aws-chunked` says how a body was sent, and not how the object is encoded."""
    store.put("/objects/a", content_encoding=sent)
    assert store.get("/objects/a").answer.get("content-encoding") == kept


def test_an_empty_object(store: Store) -> None:
    """An object may have no bytes at all."""
    store.put("/objects/a", b"")
    got = store.get("/objects/a")
    assert (got.status, got.sent, got.answer["content-length"]) == (200, b"", "0")
    first = store.get("/objects/a?partNumber=1")
    assert (first.status, first.sent) == (200, b"")


def test_a_chunked_upload(store: Store) -> None:
    """A body whose length is only known at its end is stored, too."""
    assert store.ask("PUT", "/objects/a", body=[b"ab", b"cd"], chunked=True).status == 200
    assert store.get("/objects/a").sent == b"abcd"


def test_a_chunked_upload_that_becomes_too_large(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body without a length is refused as soon as it is larger than a PUT may be."""
    monkeypatch.setattr(uploading, "MAX_SINGLE_PUT", 3)
    refused = store.ask("PUT", "/objects/a", body=[b"ab", b"cd"], chunked=True)
    assert code(refused) == (400, "EntityTooLarge")
    assert store.get("/objects/a").status == 404


def test_head_is_get_without_bytes(store: Store) -> None:
    """HEAD tells what GET tells, length included."""
    store.put("/objects/a", content_type="text/plain", x_amz_meta_a="b", x_amz_tagging="a=1")
    for query, headers in (
        ("", {}),
        ("", {"Range": "bytes=2-4"}),
        ("", {"Range": "bytes=-3"}),
        ("", {"Range": "bytes=9-2"}),
        ("", {"x-amz-checksum-mode": "ENABLED"}),
        ("?partNumber=1", {"x-amz-checksum-mode": "ENABLED"}),
    ):
        got = store.ask("GET", "/objects/a" + query, headers)
        head = store.ask("HEAD", "/objects/a" + query, headers)
        assert (head.status, head.sent) == (got.status, b"")
        assert head.answer == got.answer
    assert all(read.closed for read in store.objects.reads)


def test_many_pieces() -> None:
    """A large object is sent piece by piece, in order, and nothing is left open."""
    store = Store(piece=5)
    store.put("/objects/a")
    got = store.get("/objects/a")
    assert (got.sent, got.pieces, got.answer["content-length"]) == (TEXT, 3, "12")
    assert store.objects.reads[0].closed


def test_missing_things(store: Store) -> None:
    """A missing object, version and bucket are told apart."""
    assert code(store.get("/objects/a")) == (404, "NoSuchKey")
    assert code(store.get("/objects/a?versionId=x")) == (404, "NoSuchVersion")
    assert code(store.get("/photos/a")) == (404, "NoSuchBucket")
    refused = store.ask("PUT", "/photos/a", body=TEXT)
    assert code(refused) == (404, "NoSuchBucket")
    assert not refused.body.asked


def test_what_is_absent_may_be_a_secret(store: Store) -> None:
    """Who may not list a bucket is not told that a key does not exist."""
    store.guard.secretive = True
    for method in ("GET", "HEAD"):
        for query in ("", "?versionId=x"):
            assert store.ask(method, f"/objects/a{query}").status == 403


def test_what_a_version_forbids(store: Store) -> None:
    """A version that the caller may not see is neither read nor described."""
    store.put("/objects/a")
    store.guard.private.add("a")
    for method in ("GET", "HEAD"):
        assert store.ask(method, "/objects/a", {"If-None-Match": ETAG}).status == 403
    assert store.objects.reads == []


def test_bytes_that_are_not_there(store: Store) -> None:
    """Bytes that no node gives are 503 with the reason, never 404."""
    store.put("/objects/a")
    store.objects.trouble = BytesNotFound("no node has them")
    assert code(store.get("/objects/a")) == (503, "ServiceUnavailable")


def test_bytes_received_are_counted(store: Store) -> None:
    """The counters know how much was uploaded."""
    store.put("/objects/a")
    assert store.counters.received == 12


# -- ranges and parts --------------------------------------------------------------------
@pytest.mark.parametrize(
    ("wanted", "part", "told"),
    [
        ("bytes=0-4", b"hello", "bytes 0-4/12"),
        ("bytes=7-", b"world", "bytes 7-11/12"),
        ("bytes=-5", b"world", "bytes 7-11/12"),
        ("bytes=-99", TEXT, "bytes 0-11/12"),
        ("bytes=7-99", b"world", "bytes 7-11/12"),
    ],
)
def test_ranges(wanted: str, part: bytes, told: str) -> None:
    """A part is answered with 206 and tells where it is from."""
    for piece in (3, 1 << 20):
        store = Store(piece)
        store.put("/objects/a")
        got = store.get("/objects/a", range=wanted)
        assert (got.status, got.sent, got.answer["content-range"]) == (206, part, told)


@pytest.mark.parametrize("wanted", ["bytes=12-", "bytes=99-100", "bytes=-0"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_ranges_that_are_not_there(store: Store, method: str, wanted: str) -> None:
    """A range past the end is 416, with the size that there is."""
    store.put("/objects/a")
    got = store.ask(method, "/objects/a", {"Range": wanted})
    assert (got.status, got.answer["content-range"]) == (416, "bytes */12")


def test_senseless_ranges(store: Store) -> None:
    """Senseless and multiple ranges get the whole object."""
    store.put("/objects/a")
    for wanted in ("bytes=4-2", "bytes=0-1,4-5", "lines=1-2"):
        got = store.get("/objects/a", range=wanted)
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
    past = {"Range": "bytes=20-"}
    for method in ("GET", "HEAD"):
        assert store.ask(method, "/objects/a", {**past, "If-Range": ETAG}).status == 416
        assert store.ask(method, "/objects/a", {**past, "If-Range": '"other"'}).status == 200
    assert all(read.closed for read in store.objects.reads)


def test_part_numbers_of_an_object_in_one(store: Store) -> None:
    """Part 1 of an object that was put whole is the whole, and there is no other."""
    store.put("/objects/a")
    got = store.get("/objects/a?partNumber=1")
    assert (got.status, got.sent) == (206, TEXT)
    assert got.answer["content-range"] == "bytes 0-11/12"
    assert "x-amz-mp-parts-count" not in got.answer
    for method in ("GET", "HEAD"):
        assert store.ask(method, "/objects/a?partNumber=2").status == 416
    assert code(store.get("/objects/a?partNumber=0")) == (400, "InvalidArgument")
    assert code(store.get("/objects/a?partNumber=1", range="bytes=0-1")) == (400, "InvalidRequest")


# -- conditions --------------------------------------------------------------------------
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
    store.put("/objects/a", cache_control="max-age=9", content_language="de")
    got = store.ask(method, "/objects/a", headers)
    assert got.status == status
    if status == 304:
        assert got.sent == b""
        assert got.answer == {"etag": ETAG, "last-modified": DATE, "cache-control": "max-age=9"}


def test_conditions_that_cannot_be_read(store: Store) -> None:
    """A list of ETags that is none is refused, never ignored."""
    store.put("/objects/a")
    assert code(store.get("/objects/a", if_match='"a')) == (400, "InvalidArgument")


def test_writing_what_is_not_there(store: Store) -> None:
    """If-None-Match: * stores the first of two, and refuses the second before its body."""
    store.put("/objects/a", if_none_match="*")
    refused = store.ask("PUT", "/objects/a", {"If-None-Match": "*"}, b"new")
    assert code(refused) == (412, "PreconditionFailed")
    assert not refused.body.asked
    assert store.get("/objects/a").sent == TEXT


def test_writing_over_what_one_knows(store: Store) -> None:
    """If-Match lets only who knows the current ETag write."""
    assert code(store.ask("PUT", "/objects/a", {"If-Match": ETAG}, b"")) == (404, "NoSuchKey")
    store.put("/objects/a")
    assert code(store.ask("PUT", "/objects/a", {"If-Match": '"stale"'}, b"new"))[0] == 412
    assert code(store.ask("PUT", "/objects/a", {"If-Match": 'W/"a"'}, b"new"))[0] == 412
    store.put("/objects/a", b"new", if_match=ETAG)


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({"If-Unmodified-Since": DATE}, (501, "NotImplemented")),
        ({"If-Match": '"a", "b"'}, (501, "NotImplemented")),
        ({"If-Match": "*", "If-None-Match": "*"}, (400, "InvalidRequest")),
        ({"x-amz-if-match-size": "5"}, (501, "NotImplemented")),
        ({"x-amz-write-offset-bytes": "5"}, (501, "NotImplemented")),
        ({"Content-Range": "bytes 0-0/2"}, (400, "InvalidRequest")),
        ({"x-amz-meta-a": "x" * 2048}, (400, "MetadataTooLarge")),
        ({"content-type": "x" * 8193}, (400, "MetadataTooLarge")),
        ({"x-amz-meta-": "x"}, (400, "InvalidArgument")),
        ({"Content-Length": str((5 << 30) + 1)}, (400, "EntityTooLarge")),
        ({"Content-MD5": "x"}, (400, "InvalidDigest")),
        ({"x-amz-checksum-sha256": "bad"}, (400, "BadDigest")),
        ({"x-amz-checksum-sha512": "AAAA"}, (501, "NotImplemented")),
        (
            {"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-crc32c": "AAAAAA=="},
            (400, "InvalidRequest"),
        ),
        ({"x-amz-sdk-checksum-algorithm": "CRC32"}, (400, "InvalidRequest")),
        ({"x-amz-sdk-checksum-algorithm": "CRC9"}, (400, "InvalidRequest")),
        ({"x-amz-storage-class": "GLACIER"}, (400, "InvalidStorageClass")),
        ({"x-amz-website-redirect-location": "nowhere"}, (400, "InvalidArgument")),
        ({"x-amz-tagging": "a=1&a=2"}, (400, "InvalidArgument")),
        ({"x-amz-tagging": "a=%ff"}, (400, "InvalidArgument")),
        ({"x-amz-tagging": "aws:a=1"}, (400, "InvalidTag")),
        ({"x-amz-object-lock-mode": "GOVERNANCE"}, (400, "InvalidArgument")),
        ({"x-amz-object-lock-legal-hold": "MAYBE"}, (400, "InvalidArgument")),
        ({"x-amz-object-lock-legal-hold": "ON"}, (400, "InvalidRequest")),
        ({"x-amz-acl": "public-read-write-execute"}, (400, "InvalidArgument")),
        ({"x-amz-server-side-encryption": "AES192"}, (400, "InvalidArgument")),
        ({"x-amz-server-side-encryption": "aws:kms:dsse"}, (501, "NotImplemented")),
        ({"x-amz-server-side-encryption-aws-kms-key-id": "k"}, (400, "InvalidArgument")),
        (
            {
                "x-amz-server-side-encryption": "aws:kms",
                "x-amz-server-side-encryption-context": "e30",
            },
            (400, "InvalidArgument"),
        ),
        ({**CUSTOMER, "x-amz-server-side-encryption": "AES256"}, (400, "InvalidArgument")),
    ],
)
def test_refused_before_the_body(
    store: Store, headers: dict[str, str], answer: tuple[int, str]
) -> None:
    """What the headers alone make impossible is refused before a byte of the body comes."""
    refused = store.ask("PUT", "/objects/a", headers, b"x")
    assert code(refused) == answer
    assert not refused.body.asked
    assert store.get("/objects/a").status == 404


def test_a_body_of_no_known_length(store: Store) -> None:
    """A PUT that neither tells its length nor comes in chunks is refused."""
    assert code(store.ask("PUT", "/objects/a")) == (411, "MissingContentLength")


# -- digests -----------------------------------------------------------------------------
def b64(digest: bytes) -> str:
    return b64encode(digest).decode()


@pytest.mark.parametrize(
    "headers",
    [
        {"content_md5": b64(md5(TEXT).digest())},
        {"digest": "MD5=" + b64(md5(TEXT).digest())},
        {"digest": "unixsum=30637, sha-256=" + b64(sha256(TEXT).digest())},
        {"content_digest": f"sha-256=:{b64(sha256(TEXT).digest())}:"},
        {"repr_digest": f"sha-512=:AAAA:, sha-256=:{b64(sha256(TEXT).digest())}:"},
        {"x_amz_content_sha256": sha256(TEXT).hexdigest()},
        {"x_amz_checksum_sha256": b64(sha256(TEXT).digest())},
    ],
)
def test_digests_are_checked(store: Store, headers: dict[str, str]) -> None:
    """A body with another digest than announced is refused, and nothing is stored."""
    store.put("/objects/a", TEXT, **headers)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    refused = store.ask("PUT", "/objects/b", given, b"Hello, world")
    assert refused.status == 400
    assert code(refused)[1] in ("BadDigest", "XAmzContentSHA256Mismatch")
    assert store.get("/objects/b").status == 404


def test_digests_that_contradict(store: Store) -> None:
    """No body has two different digests."""
    other = b64(sha256(b"y").digest())
    headers = {
        "Digest": "SHA-256=" + other,
        "Content-Digest": f"sha-256=:{b64(sha256(TEXT).digest())}:",
    }
    refused = store.ask("PUT", "/objects/a", headers, TEXT)
    assert code(refused) == (400, "BadDigest")
    assert not refused.body.asked


def test_checksums_are_kept(store: Store) -> None:
    """The checksum that came is told by the answer, and by reads that ask for it."""
    checksum = b64(sha256(TEXT).digest())
    put = store.put("/objects/a", x_amz_checksum_sha256=checksum)
    assert put.answer["x-amz-checksum-sha256"] == checksum
    assert put.answer["x-amz-checksum-type"] == "FULL_OBJECT"
    assert "x-amz-checksum-sha256" not in store.get("/objects/a").answer
    for query in ("", "?partNumber=1"):
        told = store.get(f"/objects/a{query}", x_amz_checksum_mode="ENABLED").answer
        assert told["x-amz-checksum-sha256"] == checksum
        assert told["x-amz-checksum-type"] == "FULL_OBJECT"


def test_a_part_has_no_checksum(store: Store) -> None:
    """The checksum of the whole is not told of a range: clients would find it wrong."""
    store.put("/objects/a", x_amz_checksum_sha256=b64(sha256(TEXT).digest()))
    for method in ("GET", "HEAD"):
        headers = {"Range": "bytes=0-3", "x-amz-checksum-mode": "ENABLED"}
        told = store.ask(method, "/objects/a", headers).answer
        assert not any(name.startswith("x-amz-checksum") for name in told)


def chunked(body: bytes, trailer: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n%s\r\n\r\n" % (len(body), body, trailer)


def test_a_checksum_in_the_trailer(store: Store) -> None:
    """A checksum that comes after the body is checked, kept and told."""
    checksum = b64(sha256(TEXT).digest())
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": "12",
        "x-amz-trailer": "x-amz-checksum-sha256",
        "x-amz-sdk-checksum-algorithm": "SHA256",
        "content-encoding": "aws-chunked",
    }
    body = chunked(TEXT, b"x-amz-checksum-sha256:" + checksum.encode())
    put = store.done("PUT", "/objects/a", headers, body)
    assert put.answer["x-amz-checksum-sha256"] == checksum
    assert store.get("/objects/a").sent == TEXT
    wrong = chunked(b"Hello, world", b"x-amz-checksum-sha256:" + checksum.encode())
    assert code(store.ask("PUT", "/objects/a", headers, wrong)) == (400, "BadDigest")
    broken = chunked(TEXT, b"x-amz-checksum-sha256:abc")
    assert code(store.ask("PUT", "/objects/a", headers, broken)) == (400, "BadDigest")
    assert store.get("/objects/a").sent == TEXT


@pytest.mark.parametrize("trailer", ["x-amz-checksum-sha512", "x-amz-checksum-crc32, x-other"])
def test_trailers_that_are_not_known(store: Store, trailer: str) -> None:
    """A trailer that would not be checked is refused before the body."""
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": "12",
        "x-amz-trailer": trailer,
    }
    refused = store.ask("PUT", "/objects/a", headers, b"x")
    assert code(refused) == (400, "InvalidRequest")
    assert not refused.body.asked


# -- encryption --------------------------------------------------------------------------
def test_a_customers_key(store: Store) -> None:
    """What was stored with a customer's key is read with that key only."""
    put = store.done("PUT", "/objects/a", CUSTOMER, TEXT)
    told = {
        "x-amz-server-side-encryption-customer-algorithm": "AES256",
        "x-amz-server-side-encryption-customer-key-md5": CUSTOMER[
            "x-amz-server-side-encryption-customer-key-MD5"
        ],
    }
    assert told.items() <= put.answer.items()
    for method in ("GET", "HEAD"):
        assert store.ask(method, "/objects/a").status == 400
        assert told.items() <= store.done(method, "/objects/a", CUSTOMER).answer.items()


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"algorithm": None}, "InvalidArgument"),
        ({"algorithm": "AES128"}, "InvalidEncryptionAlgorithmError"),
        ({"key": None}, "InvalidArgument"),
        ({"key": "AAAA"}, "InvalidArgument"),
        ({"key": "ß"}, "InvalidArgument"),
        ({"key-MD5": None}, "InvalidArgument"),
        ({"key-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, "InvalidArgument"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_keys_that_are_none(
    store: Store, method: str, changes: dict[str, str | None], answer: str
) -> None:
    """A key that is not told whole, or is not the one that was meant, is refused."""
    headers = dict(CUSTOMER)
    for name, value in changes.items():
        full = f"x-amz-server-side-encryption-customer-{name}"
        del headers[full]
        if value is not None:
            headers[full] = value
    refused = store.ask(method, "/objects/a", headers, b"x" if method == "PUT" else None)
    assert code(refused) == (400, answer)


def test_encryption_by_the_server(store: Store) -> None:
    """The encryption that was asked for is told by the answer, and by each read."""
    put = store.put("/objects/a", x_amz_server_side_encryption="AES256")
    assert put.answer["x-amz-server-side-encryption"] == "AES256"
    kms = {
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "mine",
        "x-amz-server-side-encryption-context": b64(b'{"a": "b"}'),
    }
    store.done("PUT", "/objects/b", kms, TEXT)
    told = store.get("/objects/b").answer
    assert told["x-amz-server-side-encryption"] == "aws:kms"
    assert told["x-amz-server-side-encryption-aws-kms-key-id"] == "mine"


def test_reads_do_not_choose_an_encryption(store: Store) -> None:
    """A read that asks for an encryption by the server is refused."""
    store.put("/objects/a")
    for method in ("GET", "HEAD"):
        headers = {"x-amz-server-side-encryption": "aws:kms"}
        assert store.ask(method, "/objects/a", headers).status == 400


# -- tags, locks, lists ------------------------------------------------------------------
def test_tags_of_an_upload(store: Store) -> None:
    """Reads tell how many tags there are, to who may know."""
    store.put("/objects/a", x_amz_tagging="foo=bar&bar&two+words=a%20b")
    assert store.get("/objects/a").answer["x-amz-tagging-count"] == "3"
    store.principal = ANN
    assert store.get("/objects/a").answer["x-amz-tagging-count"] == "3"
    store.guard.refused.add(Action.GET_TAGGING)
    assert "x-amz-tagging-count" not in store.get("/objects/a").answer
    named = "/objects/a?versionId=null"
    assert store.get(named).answer["x-amz-tagging-count"] == "3"
    store.guard.refused.add(Action.GET_VERSION_TAGGING)
    assert "x-amz-tagging-count" not in store.get(named).answer


@pytest.mark.parametrize(
    ("headers", "action"),
    [
        ({"x-amz-tagging": "a=1"}, Action.PUT_TAGGING),
        (
            {
                "x-amz-object-lock-mode": "GOVERNANCE",
                "x-amz-object-lock-retain-until-date": "2030-01-01T00:00:00Z",
            },
            Action.PUT_RETENTION,
        ),
        ({"x-amz-object-lock-legal-hold": "ON"}, Action.PUT_LEGAL_HOLD),
    ],
)
def test_what_uploads_need_leave_for(store: Store, headers: dict[str, str], action: Action) -> None:
    """Tags, retention and legal hold of an upload need their own permission."""
    store.done("PUT", "/locked/a", headers, b"x")
    store.guard.refused.add(action)
    refused = store.ask("PUT", "/locked/a", headers, b"x")
    assert code(refused) == (403, "AccessDenied")
    assert not refused.body.asked


def test_locks_of_an_upload(store: Store) -> None:
    """Reads tell how long an object is retained and whether it is held, to who may know."""
    store.put(
        "/locked/a",
        x_amz_object_lock_mode="COMPLIANCE",
        x_amz_object_lock_retain_until_date="2030-01-01T00:00:00Z",
        x_amz_object_lock_legal_hold="ON",
    )
    told = store.get("/locked/a").answer
    assert told["x-amz-object-lock-mode"] == "COMPLIANCE"
    assert told["x-amz-object-lock-retain-until-date"] == "2030-01-01T00:00:00.000Z"
    assert told["x-amz-object-lock-legal-hold"] == "ON"
    store.principal = ANN
    store.guard.refused |= {Action.GET_RETENTION, Action.GET_LEGAL_HOLD}
    assert not any("lock" in name for name in store.get("/locked/a").answer)


def test_whose_an_object_is() -> None:
    """An object belongs to who wrote it, with the list that was asked for."""
    store = Store(principal=ANN)
    store.put("/objects/a", x_amz_acl="public-read")
    stored = store.objects._spaces["objects"].keys["a"][0].version.attributes
    assert stored.owner == "ann"
    assert stored.acl is not None


@pytest.mark.parametrize("target", ["/objects/a", "/objects/a?uploads"])
def test_a_list_takes_the_permission_to_write_lists(target: str) -> None:
    """Who may only put objects cannot publish them; the private list is what they get anyway."""
    store = Store(principal=ANN)
    store.guard.refused.add(Action.PUT_ACL)
    method = "POST" if target.endswith("uploads") else "PUT"
    for headers in ({"x-amz-acl": "public-read"}, {"x-amz-grant-read": 'id="bob"'}):
        assert code(store.ask(method, target, headers, b"")) == (403, "AccessDenied")
    assert store.ask(method, target, {"x-amz-acl": "private"}, b"").status == 200


def test_a_storage_class(store: Store) -> None:
    """A storage class is told unless it is the usual one."""
    store.put("/objects/a", x_amz_storage_class="STANDARD")
    assert "x-amz-storage-class" not in store.get("/objects/a").answer
    store.put("/objects/a", x_amz_storage_class="REDUCED_REDUNDANCY")
    assert store.get("/objects/a").answer["x-amz-storage-class"] == "REDUCED_REDUNDANCY"


# -- what an answer says instead of the object -------------------------------------------
OVERRIDES = {
    "content-type": "foo/bar",
    "content-language": "esperanto",
    "content-disposition": "bla",
    "content-encoding": "aaa",
    "cache-control": "no-cache",
    "expires": "1970-01-01T00:02:03Z",
}


def test_overrides_of_signed_requests(store: Store) -> None:
    """A signed link may say what a browser is to make of the object."""
    store.put("/objects/a", content_type="text/plain")
    store.signed, store.principal = True, ANN
    query = "&".join(f"response-{name}={value}" for name, value in OVERRIDES.items())
    for method in ("GET", "HEAD"):
        told = store.done(method, f"/objects/a?{query}").answer
        assert {name: told[name] for name in OVERRIDES} == OVERRIDES


@pytest.mark.parametrize("name", OVERRIDES)
def test_overrides_of_others(store: Store, name: str) -> None:
    """Who does not sign cannot make a page of somebody's picture."""
    store.put("/objects/a")
    target = f"/objects/a?response-{name}={OVERRIDES[name]}"
    assert code(store.get(target)) == (400, "InvalidRequest")
    assert all(read.closed for read in store.objects.reads)
    assert store.ask("GET", target, {"Authorization": "AWS4-HMAC-SHA256 …"}).status == 200


# -- versions ----------------------------------------------------------------------------
def test_versions(store: Store) -> None:
    """With versioning on, each PUT keeps what was there, and tells its id."""
    first = store.put("/versioned/a", b"one").answer["x-amz-version-id"]
    second = store.put("/versioned/a", b"two").answer["x-amz-version-id"]
    assert store.get("/versioned/a").answer["x-amz-version-id"] == second
    assert store.get(f"/versioned/a?versionId={first}").sent == b"one"
    assert store.guard.asked[-1] == ("s3:GetObjectVersion", "versioned", "a")
    assert store.ask("HEAD", f"/versioned/a?versionId={first}").answer["content-length"] == "3"


def test_the_null_version(store: Store) -> None:
    """What was written without versioning is the version `null`, and has no id to tell."""
    store.put("/objects/a")
    assert "x-amz-version-id" not in store.get("/objects/a").answer
    assert store.get("/objects/a?versionId=null").sent == TEXT


def test_version_ids_that_are_none(store: Store) -> None:
    """An empty or doubled version id is refused."""
    store.put("/objects/a")
    for query in ("versionId=", "versionId=null&versionId=x"):
        for method in ("GET", "HEAD", "DELETE"):
            assert store.ask(method, f"/objects/a?{query}").status == 400
