"""Tags, locks and attributes of objects."""

from __future__ import annotations

from base64 import b64encode
from hashlib import md5, sha256
from xml.etree import ElementTree

import pytest

from godos.model.multipart import MIN_PART
from godos.web.access import Action
from tests.unit.web.fakes import FakeExchange
from tests.unit.web.s3.operations.store import DATE, Store, code
from tests.unit.web.s3.operations.test_copying import key_headers
from tests.unit.web.s3.operations.test_multipart import Upload, etag

TEXT = b"hello, world"
UNTIL, LATER, SOONER = (f"20{year}-01-01T00:00:00Z" for year in (30, 31, 29))


@pytest.fixture
def store() -> Store:
    return Store()


def vouched(body: bytes) -> dict[str, str]:
    return {"Content-MD5": b64encode(md5(body).digest()).decode()}


def send(store: Store, target: str, body: bytes, **headers: str) -> FakeExchange:
    return store.ask("PUT", target, {**vouched(body), **headers}, body)


# -- tags --------------------------------------------------------------------------------
def tagging(*tags: tuple[str, str]) -> bytes:
    root = ElementTree.Element("Tagging")
    tag_set = ElementTree.SubElement(root, "TagSet")
    for name, value in tags:
        tag = ElementTree.SubElement(tag_set, "Tag")
        ElementTree.SubElement(tag, "Key").text = name
        ElementTree.SubElement(tag, "Value").text = value
    return ElementTree.tostring(root, "utf-8")


def tags(store: Store, target: str = "/objects/a") -> list[tuple[str | None, str | None]]:
    root = store.document("GET", f"{target}?tagging")
    return [(tag.findtext("Key"), tag.findtext("Value")) for tag in root.iter("Tag")]


def test_tags(store: Store) -> None:
    """Tags are replaced, told in the order of their names, and removed."""
    store.put("/objects/a", x_amz_tagging="foo=bar&bar")
    assert tags(store) == [("bar", ""), ("foo", "bar")]
    assert send(store, "/objects/a?tagging", tagging(("é ü+-=._:/@", "1"))).status == 200
    assert tags(store) == [("é ü+-=._:/@", "1")]
    assert store.ask("DELETE", "/objects/a?tagging").status == 204
    assert tags(store) == []
    assert store.get("/objects/a").sent == TEXT


def test_tags_of_versions(store: Store) -> None:
    """Each version has its own tags, and the answers name it."""
    first = store.put("/versioned/a").answer["x-amz-version-id"]
    second = store.put("/versioned/a").answer["x-amz-version-id"]
    target = f"/versioned/a?versionId={first}&tagging"
    told = send(store, target, tagging(("a", "1")))
    assert told.answer["x-amz-version-id"] == first
    assert store.get(target).answer["x-amz-version-id"] == first
    assert b"<Tag>" in store.get(target).sent
    latest = store.get("/versioned/a?tagging")
    assert latest.answer["x-amz-version-id"] == second
    assert b"<Tag>" not in latest.sent
    assert ("s3:PutObjectVersionTagging", "versioned", "a") in store.guard.asked


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (tagging(*((str(number), "") for number in range(11))), "InvalidTag"),
        (tagging(("k" * 129, "")), "InvalidTag"),
        (tagging(("k", "v" * 257)), "InvalidTag"),
        (tagging(("k", "1"), ("k", "2")), "InvalidTag"),
        (tagging(("", "1")), "InvalidTag"),
        (tagging(("aws:k", "1")), "InvalidTag"),
        (tagging(("k!", "1")), "InvalidTag"),
        (tagging(("k", "{}")), "InvalidTag"),
        (b"<Tagging/>", "MalformedXML"),
        (b"<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>", "MalformedXML"),
    ],
)
def test_tags_that_cannot_be(store: Store, body: bytes, answer: str) -> None:
    """Tags that break a rule change nothing."""
    store.put("/objects/a", x_amz_tagging="a=1")
    assert code(send(store, "/objects/a?tagging", body)) == (400, answer)
    assert tags(store) == [("a", "1")]


def test_as_many_and_as_long_tags_as_there_may_be(store: Store) -> None:
    """Ten tags with names of 128 and values of 256 characters."""
    store.put("/objects/a")
    body = tagging(*((f"{number}" + "ü" * 127, "ß" * 256) for number in range(10)))
    assert send(store, "/objects/a?tagging", body).status == 200
    assert len(tags(store)) == 10


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_tags_of_what_is_not_there(store: Store, method: str) -> None:
    """A missing object has no tags; whether it is missing may be a secret."""
    body = tagging(("a", "1")) if method == "PUT" else None
    headers = vouched(body) if body else {}
    for query, answer in (("tagging", "NoSuchKey"), ("tagging&versionId=x", "NoSuchVersion")):
        missing = store.ask(method, f"/objects/a?{query}", headers, body)
        assert code(missing) == (404, answer)
    store.guard.secretive = True
    assert store.ask(method, "/objects/a?tagging", headers, body).status == 403


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_tags_of_what_is_nothing_for_the_caller(store: Store, method: str) -> None:
    """Tags of a version that the caller may not touch stay as they are."""
    store.put("/objects/a", x_amz_tagging="a=1")
    store.guard.private.add("a")
    body = tagging(("b", "1")) if method == "PUT" else None
    headers = vouched(body) if body else {}
    assert store.ask(method, "/objects/a?tagging", headers, body).status == 403
    store.guard.private.clear()
    assert tags(store) == [("a", "1")]


def test_tags_under_a_customers_key(store: Store) -> None:
    """Tags are not encrypted, and so are told without the key."""
    store.done("PUT", "/objects/a", {**key_headers(b"k" * 32), "x-amz-tagging": "a=1"}, TEXT)
    assert tags(store) == [("a", "1")]


# -- retention ---------------------------------------------------------------------------
def retention(mode: str | None = "GOVERNANCE", until: str | None = UNTIL) -> bytes:
    root = ElementTree.Element("Retention")
    if mode is not None:
        ElementTree.SubElement(root, "Mode").text = mode
    if until is not None:
        ElementTree.SubElement(root, "RetainUntilDate").text = until
    return ElementTree.tostring(root)


def test_retention(store: Store) -> None:
    """A version is retained, for longer than before, and told until when."""
    store.put("/locked/a")
    assert code(store.get("/locked/a?retention")) == (404, "NoSuchObjectLockConfiguration")
    for until in (UNTIL, LATER):
        assert send(store, "/locked/a?retention", retention(until=until)).status == 200
        told = store.document("GET", "/locked/a?retention")
        assert told.tag == "Retention"
        assert told.findtext("Mode") == "GOVERNANCE"
        assert told.findtext("RetainUntilDate") == until.replace("Z", ".000Z")


def test_retention_is_not_weakened(store: Store) -> None:
    """Governance is shortened or lifted only by who may bypass it, and compliance never."""
    store.put("/locked/a")
    send(store, "/locked/a?retention", retention())
    bypass = {"x-amz-bypass-governance-retention": "true"}
    shorter = retention(until=SOONER)
    assert code(send(store, "/locked/a?retention", shorter)) == (403, "AccessDenied")
    store.guard.refused.add(Action.BYPASS_GOVERNANCE)
    assert send(store, "/locked/a?retention", shorter, **bypass).status == 403
    store.guard.refused.clear()
    assert send(store, "/locked/a?retention", shorter, **bypass).status == 200
    assert send(store, "/locked/a?retention", retention(None, None), **bypass).status == 200
    assert store.get("/locked/a?retention").status == 404
    assert send(store, "/locked/a?retention", retention("COMPLIANCE")).status == 200
    assert send(store, "/locked/a?retention", retention(None, None), **bypass).status == 403


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (retention("governance"), "MalformedXML"),
        (retention("abc"), "MalformedXML"),
        (retention(None), "MalformedXML"),
        (retention("GOVERNANCE", None), "MalformedXML"),
        (retention("GOVERNANCE", "tomorrow"), "MalformedXML"),
        (retention("GOVERNANCE", "1994-01-01T00:00:00Z"), "InvalidArgument"),
    ],
)
def test_retentions_that_cannot_be(store: Store, body: bytes, answer: str) -> None:
    """A retention names its mode and a date that lies in the future."""
    store.put("/locked/a")
    assert code(send(store, "/locked/a?retention", body)) == (400, answer)
    assert store.get("/locked/a?retention").status == 404


# -- legal hold --------------------------------------------------------------------------
def hold(status: str) -> bytes:
    return b"<LegalHold><Status>%s</Status></LegalHold>" % status.encode()


def test_legal_hold(store: Store) -> None:
    """A version is held and let go, by which it can be deleted or not."""
    version = store.put("/locked/a").answer["x-amz-version-id"]
    for status, deleted in (("ON", 403), ("OFF", 204)):
        assert send(store, f"/locked/a?legal-hold&versionId={version}", hold(status)).status == 200
        told = store.document("GET", "/locked/a?legal-hold")
        assert told.tag == "LegalHold"
        assert told.findtext("Status") == status
        assert store.ask("DELETE", f"/locked/a?versionId={version}").status == deleted


def test_legal_holds_that_cannot_be(store: Store) -> None:
    """A legal hold is on or off."""
    store.put("/locked/a")
    for body in (hold("abc"), b"<LegalHold/>"):
        assert code(send(store, "/locked/a?legal-hold", body)) == (400, "MalformedXML")


@pytest.mark.parametrize(
    ("query", "body"), [("retention", retention()), ("legal-hold", hold("ON"))]
)
def test_where_nothing_is_locked(store: Store, query: str, body: bytes) -> None:
    """A bucket without object lock locks nothing, and a missing object has no lock."""
    store.put("/objects/a")
    store.put("/locked/private")
    store.guard.private.add("private")
    for target, answer in (
        ("/objects/a", (400, "InvalidRequest")),
        ("/locked/z", (404, "NoSuchKey")),
        ("/locked/private", (403, "AccessDenied")),
    ):
        assert code(store.get(f"{target}?{query}")) == answer
        assert code(send(store, f"{target}?{query}", body)) == answer
    store.guard.secretive = True
    assert store.get(f"/locked/z?{query}").status == 403
    assert send(store, f"/locked/z?{query}", body).status == 403


# -- attributes --------------------------------------------------------------------------
ALL = "ETag,Checksum,ObjectParts,StorageClass,ObjectSize"


def test_attributes(store: Store) -> None:
    """What is asked for of an object is told, and nothing else."""
    checksum = b64encode(sha256(TEXT).digest()).decode()
    version = store.put("/versioned/a", x_amz_checksum_sha256=checksum).answer["x-amz-version-id"]
    got = store.get("/versioned/a?attributes", x_amz_object_attributes=ALL)
    assert got.answer["last-modified"] == DATE
    assert got.answer["x-amz-version-id"] == version
    root = store.document("GET", "/versioned/a?attributes", {"x-amz-object-attributes": ALL})
    assert root.tag == "GetObjectAttributesResponse"
    assert root.findtext("ETag") == md5(TEXT).hexdigest()
    assert root.findtext("Checksum/ChecksumSHA256") == checksum
    assert root.findtext("Checksum/ChecksumType") == "FULL_OBJECT"
    assert root.findtext("StorageClass") == "STANDARD"
    assert root.findtext("ObjectSize") == "12"
    assert root.find("ObjectParts") is None
    one = store.document("GET", "/versioned/a?attributes", {"x-amz-object-attributes": "ETag"})
    assert [each.tag for each in one] == ["ETag"]


def test_attributes_of_parts(store: Store) -> None:
    """The parts that an object was made of are told page by page."""
    upload = Upload(store, x_amz_checksum_algorithm="SHA256")
    bodies = (b"x" * MIN_PART, b"y" * MIN_PART, b"z")
    parts = [(n, etag(upload.put(n, body))) for n, body in enumerate(bodies, 1)]
    upload.complete(parts)
    asked = {
        "x-amz-object-attributes": ALL,
        "x-amz-max-parts": "1",
        "x-amz-part-number-marker": "1",
    }
    told = store.document("GET", "/objects/a?attributes", asked).find("ObjectParts")
    assert told is not None
    assert {each.tag: each.text for each in told if each.tag != "Part"} == {
        "PartsCount": "3",
        "PartNumberMarker": "1",
        "NextPartNumberMarker": "2",
        "MaxParts": "1",
        "IsTruncated": "true",
    }
    assert [part.findtext("PartNumber") for part in told.iter("Part")] == ["2"]
    assert told.findtext("Part/Size") == str(MIN_PART)
    checksum = b64encode(sha256(bodies[1]).digest()).decode()
    assert told.findtext("Part/ChecksumSHA256") == checksum


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-amz-object-attributes": "Colour"},
        {"x-amz-object-attributes": "ETag", "x-amz-max-parts": "-1"},
        {"x-amz-object-attributes": "ETag", "x-amz-server-side-encryption": "AES256"},
    ],
)
def test_attributes_that_there_are_not(store: Store, headers: dict[str, str]) -> None:
    """A request says which attributes it wants."""
    store.put("/objects/a")
    assert store.ask("GET", "/objects/a?attributes", headers).status == 400


def test_who_may_know_attributes(store: Store) -> None:
    """Attributes need leave to read the object, too; and a customer's key."""
    asked = {"x-amz-object-attributes": "ObjectSize"}
    assert code(store.ask("GET", "/objects/a?attributes", asked)) == (404, "NoSuchKey")
    store.done("PUT", "/objects/a", key_headers(b"k" * 32), TEXT)
    assert store.ask("GET", "/objects/a?attributes", asked).status == 400
    asked |= key_headers(b"k" * 32)
    assert store.ask("GET", "/objects/a?attributes", asked).status == 200
    store.guard.private.add("a")
    assert store.ask("GET", "/objects/a?attributes", asked).status == 403
    store.guard.private.clear()
    store.guard.refused.add(Action.GET)
    assert store.ask("GET", "/objects/a?attributes", asked).status == 403
    store.guard.refused.clear()
    store.guard.secretive = True
    assert store.ask("GET", "/objects/z?attributes", asked).status == 403
