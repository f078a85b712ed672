"""Uploads in parts, from the first request to the object."""

from __future__ import annotations

from base64 import b64encode
from hashlib import md5, sha256
from typing import Any
from xml.etree import ElementTree

import pytest

from godos.model.multipart import MIN_PART
from tests.unit.web.fakes import FakeExchange
from tests.unit.web.s3.operations.store import ANN, Store, code
from tests.unit.web.s3.operations.test_copying import key_headers

BIG = b"x" * MIN_PART


@pytest.fixture
def store() -> Store:
    return Store()


class Upload:
    """An upload in parts to `/objects/a`."""

    def __init__(self, store: Store, target: str = "/objects/a", **headers: str) -> None:
        self.store, self.target = store, target
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        self.begun = store.done("POST", target + "?uploads", given)
        root = ElementTree.fromstring(self.begun.sent)
        found = [part.text for part in root if part.tag.endswith("UploadId")]
        self.id = found[0] or ""

    def where(self, number: int | str) -> str:
        return f"{self.target}?partNumber={number}&uploadId={self.id}"

    def put(self, number: int | str, body: bytes, **kwargs: Any) -> FakeExchange:
        return self.store.ask("PUT", self.where(number), kwargs, body)

    def copy(self, number: int, source: str, **headers: str) -> FakeExchange:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.store.ask("PUT", self.where(number), {"x-amz-copy-source": source, **given})

    def complete(self, parts: list[tuple[int, str]], **headers: str) -> FakeExchange:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        target = f"{self.target}?uploadId={self.id}"
        return self.store.ask("POST", target, given, document(parts))


def document(parts: list[tuple[int, str]]) -> bytes:
    root = ElementTree.Element("CompleteMultipartUpload")
    for number, etag in parts:
        part = ElementTree.SubElement(root, "Part")
        ElementTree.SubElement(part, "PartNumber").text = str(number)
        ElementTree.SubElement(part, "ETag").text = etag
    return ElementTree.tostring(root)


def etag(exchange: FakeExchange) -> str:
    found: str = exchange.answer["etag"]
    return found


def texts(exchange: FakeExchange) -> dict[str, str | None]:
    """The elements right below the root."""
    root = ElementTree.fromstring(exchange.sent)
    return {each.tag.rpartition("}")[2]: each.text for each in root}


# -- the whole way -----------------------------------------------------------------------
def test_an_upload_in_parts(store: Store) -> None:
    """Parts in any order become one object, with what the upload was begun with."""
    upload = Upload(store, content_type="text/plain", x_amz_meta_a="b", x_amz_tagging="t=1")
    assert texts(upload.begun)["Bucket"] == "objects"
    assert store.get("/objects/a").status == 404
    last = upload.put(2, b"the end")
    first = upload.put(1, BIG)
    done = upload.complete([(1, etag(first)), (2, etag(last).strip('"'))])
    assert done.status == 200
    whole = md5(md5(BIG).digest() + md5(b"the end").digest()).hexdigest() + "-2"
    told = texts(done)
    assert told["ETag"] == f'"{whole}"'
    assert (told["Bucket"], told["Key"]) == ("objects", "a")
    got = store.get("/objects/a")
    assert got.sent == BIG + b"the end"
    assert got.answer["etag"] == f'"{whole}"'
    assert got.answer["content-type"] == "text/plain"
    assert got.answer["x-amz-meta-a"] == "b"
    assert got.answer["x-amz-tagging-count"] == "1"
    assert store.counters.received == len(BIG) + 7


def test_where_an_object_is(store: Store) -> None:
    """The answer tells the object's URL as the client addressed it."""
    upload = Upload(store, "/objects/a%20b")
    part = upload.put(1, b"x")
    done = upload.complete([(1, etag(part))], host="s3.example:8030")
    assert texts(done)["Location"] == "http://s3.example:8030/objects/a%20b"


def test_completing_again(store: Store) -> None:
    """A client that did not get the answer asks again, and is told the same."""
    upload = Upload(store, "/versioned/a")
    part = upload.put(1, b"x")
    answers = [upload.complete([(1, etag(part))]) for _ in range(2)]
    assert answers[0].sent == answers[1].sent
    assert answers[0].answer["x-amz-version-id"] == answers[1].answer["x-amz-version-id"]


def test_parts_are_read(store: Store) -> None:
    """Each part of the object can be read by its number."""
    upload = Upload(store)
    parts = [(1, etag(upload.put(1, BIG))), (2, etag(upload.put(2, b"end")))]
    upload.complete(parts)
    for method in ("GET", "HEAD"):
        got = store.ask(method, "/objects/a?partNumber=2")
        assert (got.status, got.answer["content-length"]) == (206, "3")
        assert got.answer["x-amz-mp-parts-count"] == "2"
        size = MIN_PART + 3
        assert got.answer["content-range"] == f"bytes {MIN_PART}-{size - 1}/{size}"
        assert store.ask(method, "/objects/a?partNumber=3").status == 416
    assert store.get("/objects/a?partNumber=2").sent == b"end"
    assert "x-amz-mp-parts-count" not in store.get("/objects/a").answer


# -- refusals ----------------------------------------------------------------------------
@pytest.mark.parametrize("number", [0, 10001, -1, "x"])
def test_part_numbers(store: Store, number: int | str) -> None:
    """Parts are numbered 1 to 10 000."""
    refused = Upload(store).put(number, b"x")
    assert code(refused) == (400, "InvalidArgument")
    assert not refused.body.asked


def test_uploads_that_are_not_there(store: Store) -> None:
    """An upload that was never begun, or given up, is told as missing."""
    upload = Upload(store)
    assert store.ask("DELETE", f"/objects/a?uploadId={upload.id}").status == 204
    for method, target, body in (
        ("PUT", upload.where(1), b"x"),
        ("GET", f"/objects/a?uploadId={upload.id}", None),
        ("DELETE", f"/objects/a?uploadId={upload.id}", None),
        ("POST", f"/objects/a?uploadId={upload.id}", document([(1, "x")])),
    ):
        assert code(store.ask(method, target, {}, body)) == (404, "NoSuchUpload")


@pytest.mark.parametrize(
    ("parts", "answer"),
    [
        ([], "MalformedXML"),
        ([(3, "good")], "InvalidPart"),
        ([(1, "bad")], "InvalidPart"),
        ([(2, "good"), (1, "good")], "InvalidPartOrder"),
        ([(1, "good"), (2, "good")], "EntityTooSmall"),
    ],
)
def test_lists_of_parts_that_cannot_be(
    store: Store, parts: list[tuple[int, str]], answer: str
) -> None:
    """A list of parts that makes no object is refused, and the upload goes on."""
    upload = Upload(store)
    good = etag(upload.put(1, b"x"))
    upload.put(2, b"x")
    asked = [(number, good if name == "good" else name) for number, name in parts]
    assert code(upload.complete(asked)) == (400, answer)
    assert upload.complete([(1, good)]).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>",
        b"<CompleteMultipartUpload><Part><ETag>1</ETag></Part></CompleteMultipartUpload>",
        document([(number, "x") for number in range(1, 10002)]),
    ],
)
def test_documents_that_are_none(store: Store, body: bytes) -> None:
    """A document that does not tell each part whole is refused as such."""
    upload = Upload(store)
    refused = store.ask("POST", f"/objects/a?uploadId={upload.id}", {}, body)
    assert code(refused) == (400, "MalformedXML")


def test_conditional_completion(store: Store) -> None:
    """Only one of two uploads that may not replace anything becomes the object."""
    uploads = [Upload(store), Upload(store)]
    parts = [[(1, etag(upload.put(1, b"x")))] for upload in uploads]
    assert uploads[0].complete(parts[0], if_none_match="*").status == 200
    refused = uploads[1].complete(parts[1], if_none_match="*")
    assert code(refused) == (412, "PreconditionFailed")


# -- checksums ---------------------------------------------------------------------------
def checksum(data: bytes) -> str:
    return b64encode(sha256(data).digest()).decode()


def test_a_composite_checksum(store: Store) -> None:
    """The checksum of an object in parts is told as one of the parts' checksums."""
    upload = Upload(store, x_amz_checksum_algorithm="SHA256")
    assert upload.begun.answer["x-amz-checksum-algorithm"] == "SHA256"
    assert upload.begun.answer["x-amz-checksum-type"] == "COMPOSITE"
    part = upload.put(1, b"x", **{"x-amz-checksum-sha256": checksum(b"x")})
    assert part.answer["x-amz-checksum-sha256"] == checksum(b"x")
    wrong = upload.complete([(1, etag(part))], x_amz_checksum_sha256="bad")
    assert code(wrong) == (400, "BadDigest")
    composite = checksum(sha256(b"x").digest()) + "-1"
    other = {"x_amz_checksum_sha256": composite, "x_amz_checksum_type": "FULL_OBJECT"}
    assert upload.complete([(1, etag(part))], **other).status == 400
    asked = {**other, "x_amz_checksum_type": "COMPOSITE"}
    done = upload.complete([(1, etag(part))], **asked)
    assert texts(done)["ChecksumSHA256"] == composite
    assert texts(done)["ChecksumType"] == "COMPOSITE"
    asked = {"x-amz-checksum-mode": "ENABLED"}
    told = store.ask("HEAD", "/objects/a", asked).answer
    assert told["x-amz-checksum-sha256"] == composite
    of_part = store.ask("GET", "/objects/a?partNumber=1", asked).answer
    assert of_part["x-amz-checksum-sha256"] == checksum(b"x")


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"x_amz_checksum_algorithm": "CRC64NVME"}, "FULL_OBJECT"),
        ({"x_amz_checksum_algorithm": "CRC32"}, "COMPOSITE"),
        (
            {"x_amz_checksum_algorithm": "CRC32C", "x_amz_checksum_type": "FULL_OBJECT"},
            "FULL_OBJECT",
        ),
    ],
)
def test_types_of_checksums(store: Store, headers: dict[str, str], told: str) -> None:
    """An algorithm has its usual type, unless another one that it can have is asked for."""
    assert Upload(store, **headers).begun.answer["x-amz-checksum-type"] == told


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-checksum-algorithm": "SHA256", "x-amz-checksum-type": "FULL_OBJECT"},
        {"x-amz-checksum-algorithm": "CRC64NVME", "x-amz-checksum-type": "COMPOSITE"},
        {"x-amz-checksum-type": "COMPOSITE"},
        {"x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-type": "HALF"},
        {"x-amz-checksum-algorithm": "SHA512"},
    ],
)
def test_checksums_that_cannot_be(store: Store, headers: dict[str, str]) -> None:
    """A type that an algorithm cannot have is refused when the upload begins."""
    assert store.ask("POST", "/objects/a?uploads", headers).status == 400


# -- listing -----------------------------------------------------------------------------
def test_parts_are_listed(store: Store) -> None:
    """The parts so far come in the order of their numbers, page by page."""
    store.principal = ANN
    upload = Upload(store, x_amz_checksum_algorithm="CRC32")
    etags = {number: etag(upload.put(number, b"x" * number)) for number in (3, 1, 2)}
    target = f"/objects/a?uploadId={upload.id}"
    root = store.document("GET", target + "&max-parts=2")
    assert [part.findtext("PartNumber") for part in root.iter("Part")] == ["1", "2"]
    assert [part.findtext("Size") for part in root.iter("Part")] == ["1", "2"]
    assert [part.findtext("ETag") for part in root.iter("Part")] == [etags[1], etags[2]]
    assert all(part.findtext("ChecksumCRC32") for part in root.iter("Part"))
    assert root.findtext("IsTruncated") == "true"
    assert root.findtext("NextPartNumberMarker") == "2"
    assert root.findtext("MaxParts") == "2"
    for who in ("Owner", "Initiator"):
        assert root.findtext(f"{who}/ID") == "ann"
        assert root.findtext(f"{who}/DisplayName") == "Ann"
    assert root.findtext("StorageClass") == "STANDARD"
    assert root.findtext("ChecksumAlgorithm") == "CRC32"
    assert root.findtext("ChecksumType") == "COMPOSITE"
    rest = store.document("GET", target + "&part-number-marker=2")
    assert [part.findtext("PartNumber") for part in rest.iter("Part")] == ["3"]
    assert rest.findtext("IsTruncated") == "false"
    assert rest.findtext("PartNumberMarker") == "2"
    assert rest.findtext("MaxParts") == "1000"


@pytest.mark.parametrize("query", ["max-parts=-1", "part-number-marker=-1", "max-parts=x"])
def test_pages_that_cannot_be(store: Store, query: str) -> None:
    """Numbers that make no page are refused."""
    upload = Upload(store)
    refused = store.ask("GET", f"/objects/a?uploadId={upload.id}&{query}")
    assert code(refused) == (400, "InvalidArgument")


def test_a_page_of_nothing(store: Store) -> None:
    """A page of no parts is empty, and an upload without parts has one page."""
    upload = Upload(store)
    upload.put(1, b"x")
    root = store.document("GET", f"/objects/a?uploadId={upload.id}&max-parts=0")
    assert [*root.iter("Part")] == []
    assert root.findtext("IsTruncated") == "false"


def test_uploads_of_others(store: Store) -> None:
    """An upload that somebody else began is neither listed nor given up."""
    upload = Upload(store)
    store.guard.private.add("a")
    target = f"/objects/a?uploadId={upload.id}"
    assert code(store.ask("GET", target)) == (403, "AccessDenied")
    assert code(store.ask("DELETE", target)) == (403, "AccessDenied")
    store.guard.private.clear()
    assert store.ask("DELETE", target).status == 204


# -- copied parts ------------------------------------------------------------------------
def test_parts_of_other_objects(store: Store) -> None:
    """A part may be an object, or a range of one."""
    version = store.put("/versioned/s", b"hello, world").answer["x-amz-version-id"]
    upload = Upload(store)
    whole = upload.copy(1, f"versioned/s?versionId={version}")
    assert whole.answer["x-amz-copy-source-version-id"] == version
    tag = md5(b"hello, world").hexdigest()
    assert texts(whole)["ETag"] == f'"{tag}"'
    ranged = upload.copy(1, "versioned/s", x_amz_copy_source_range="bytes=7-11")
    told = texts(ranged)["ETag"] or ""
    assert upload.complete([(1, told)]).status == 200
    assert store.get("/objects/a").sent == b"world"


@pytest.mark.parametrize(
    "text",
    [
        "0-2",
        "bytes=0",
        "bytes=hello-world",
        "bytes=0-bar",
        "bytes=hello-",
        "bytes=0-2,3-5",
        "bytes=2-",
        "bytes=-2",
        "bytes=2-1",
    ],
)
def test_ranges_of_sources(store: Store, text: str) -> None:
    """The range of a source is told from its first to its last byte."""
    store.put("/objects/s")
    refused = Upload(store).copy(1, "objects/s", x_amz_copy_source_range=text)
    assert code(refused) == (400, "InvalidArgument")


def test_a_range_past_the_source(store: Store) -> None:
    """A part is never shorter than it was asked for."""
    store.put("/objects/s", b"12345")
    refused = Upload(store).copy(1, "objects/s", x_amz_copy_source_range="bytes=0-21")
    assert code(refused) == (416, "InvalidRange")


def test_sources_of_parts_that_are_not_copied(store: Store) -> None:
    """Conditions and permissions of a source count for parts, too."""
    store.put("/versioned/s")
    upload = Upload(store)
    other = upload.copy(1, "versioned/s", x_amz_copy_source_if_match='"x"')
    assert code(other) == (412, "PreconditionFailed")
    same = f'"{md5(b"hello, world").hexdigest()}"'
    known = upload.copy(1, "versioned/s", x_amz_copy_source_if_none_match=same)
    assert code(known) == (412, "PreconditionFailed")
    assert code(upload.copy(1, "versioned/z")) == (404, "NoSuchKey")
    marker = store.done("DELETE", "/versioned/s").answer["x-amz-version-id"]
    hidden = upload.copy(1, f"versioned/s?versionId={marker}")
    assert code(hidden) == (400, "InvalidRequest")
    store.guard.secretive = True
    assert code(upload.copy(1, "versioned/z")) == (403, "AccessDenied")


# -- encryption --------------------------------------------------------------------------
def test_encryption_is_told(store: Store) -> None:
    """Each answer tells how the parts are encrypted, as the upload was begun."""
    upload = Upload(store, x_amz_server_side_encryption="AES256")
    store.put("/objects/s")
    answers = [upload.begun, upload.put(1, b"x"), upload.copy(2, "objects/s")]
    answers.append(upload.complete([(1, etag(answers[1]))]))
    for each in answers:
        assert each.answer["x-amz-server-side-encryption"] == "AES256"


def test_customers_keys(store: Store) -> None:
    """All parts come with the key that the upload was begun with, and so does its end."""
    key, other = key_headers(b"k" * 32), key_headers(b"o" * 32)
    upload = Upload(store, **key, x_amz_checksum_algorithm="CRC32")
    assert upload.put(1, b"x").status == 400
    store.put("/objects/s")
    source = {"x-amz-copy-source": "objects/s"}
    for refused in (
        upload.put(1, b"x", **other),
        store.ask("PUT", upload.where(1), {**source, **other}),
    ):
        assert code(refused) == (400, "InvalidRequest")
    part = upload.put(1, b"x", **key)
    wrong = upload.complete([(1, etag(part))], **other)
    assert code(wrong) == (400, "InvalidRequest")
    assert upload.complete([(1, etag(part))]).status == 400
    name = "x-amz-server-side-encryption-customer-key-md5"
    assert part.answer[name] == key["x-amz-server-side-encryption-customer-key-MD5"]
    assert upload.complete([(1, etag(part))], **key).status == 200
    assert store.ask("GET", "/objects/a", key).sent == b"x"


def test_encryption_of_many_uploads_is_remembered(store: Store) -> None:
    """How an upload is encrypted is looked up once, and forgotten when there are too many."""
    operations = store.uploads
    uploads = [Upload(store, f"/objects/{number}") for number in range(3)]
    for upload in (*uploads, uploads[0]):
        assert upload.put(1, b"x").status == 200
    assert len(operations._encryption) == 3
