"""Objects are copied: where from, on which conditions, and with which properties."""

from __future__ import annotations

from base64 import b64encode
from hashlib import md5, sha256
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.model.errors import GodosError
from godos.web.access import Action
from godos.web.s3.operations.naming import SourceName, source_name
from tests.unit.web.fakes import FakeExchange
from tests.unit.web.s3.operations.store import DATE, NAMESPACE, Store, code

TEXT = b"hello, world"
ETAG = f'"{md5(TEXT).hexdigest()}"'
EARLIER = "Sun, 06 Nov 1994 08:49:36 GMT"


@pytest.fixture
def store() -> Store:
    store = Store()
    store.put(
        "/objects/a",
        content_type="text/plain",
        x_amz_meta_author="Zoë",
        x_amz_tagging="a=1",
        x_amz_website_redirect_location="/there",
    )
    return store


def copy(store: Store, target: str, source: str = "/objects/a", **headers: str) -> FakeExchange:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return store.ask("PUT", target, {"x-amz-copy-source": source, **given})


# -- names of sources --------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("/objects/a", SourceName("objects", "a", None)),
        ("objects/a", SourceName("objects", "a", None)),
        ("objects/a/b//c/", SourceName("objects", "a/b//c/", None)),
        ("objects//a", SourceName("objects", "/a", None)),
        ("objects/a%3Fb%20c%25", SourceName("objects", "a?b c%", None)),
        ("objects/a+b", SourceName("objects", "a+b", None)),
        ("objects/a?b", SourceName("objects", "a?b", None)),
        ("%2Fobjects%2Fa", SourceName("objects", "a", None)),
        ("objects%2fa%2fb", SourceName("objects", "a/b", None)),
        ("objects/a?versionId=1", SourceName("objects", "a", "1")),
        ("objects/%3FversionId?versionId=null", SourceName("objects", "?versionId", "null")),
        ("objects/%C3%A9", SourceName("objects", "é", None)),
    ],
)
def test_names_of_sources(text: str, name: SourceName) -> None:
    """A source is written with or without its first slash, percent-encoded or not."""
    assert source_name({"CopySource": text}) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "objects",
        "objects/",
        "/objects/",
        "objects/a%",
        "objects/a%zz",
        "objects/a?versionId=",
        "objects/a?versionId=1&x=2",
        "objects/%ff",
        "objects/" + "a" * 1025,
        "Objects/a",
        "arn:aws:s3:us-east-1:123456789012:accesspoint/a/object/b",
    ],
)
def test_what_names_no_source(store: Store, text: str) -> None:
    """A source that cannot be is refused."""
    assert copy(store, "/objects/b", text).status == 400


@given(st.text())
def test_any_text_as_a_source(text: str) -> None:
    """Whatever is sent as a source is read, or refused with a reason."""
    try:
        name = source_name({"CopySource": text})
    except GodosError:
        return
    assert name.bucket and name.key


# -- copies ------------------------------------------------------------------------------
def test_a_copy_has_what_the_source_has(store: Store) -> None:
    """Bytes, standard headers, metadata and tags are the source's; the redirect is not."""
    made = copy(store, "/versioned/b")
    assert made.status == 200
    root = ElementTree.fromstring(made.sent)
    assert root.tag == NAMESPACE + "CopyObjectResult"
    assert root.findtext(NAMESPACE + "ETag") == ETAG
    assert root.findtext(NAMESPACE + "LastModified") == "1994-11-06T08:49:37.500Z"
    assert "x-amz-copy-source-version-id" not in made.answer
    got = store.get("/versioned/b")
    assert got.sent == TEXT
    told = got.answer
    assert told["x-amz-version-id"] == made.answer["x-amz-version-id"]
    assert told["content-type"] == "text/plain"
    assert told["x-amz-meta-author"] == "Zoë"
    assert told["x-amz-tagging-count"] == "1"
    assert "x-amz-website-redirect-location" not in told


def test_new_metadata(store: Store) -> None:
    """With the directive REPLACE the copy has the headers and metadata of the request alone."""
    made = copy(
        store,
        "/objects/b",
        x_amz_metadata_directive="REPLACE",
        x_amz_meta_b="2",
        content_language="de",
    )
    assert made.status == 200
    told = store.get("/objects/b").answer
    assert told["content-type"] == "binary/octet-stream"
    assert (told["x-amz-meta-b"], told["content-language"]) == ("2", "de")
    assert "x-amz-meta-author" not in told
    assert told["x-amz-tagging-count"] == "1"


def test_metadata_without_a_directive(store: Store) -> None:
    """Without the directive the request's metadata mean nothing, but for the redirect."""
    copy(store, "/objects/b", x_amz_meta_b="2", x_amz_website_redirect_location="/here")
    told = store.get("/objects/b").answer
    assert "x-amz-meta-b" not in told
    assert told["x-amz-meta-author"] == "Zoë"
    assert told["x-amz-website-redirect-location"] == "/here"


def test_new_tags(store: Store) -> None:
    """With the directive REPLACE the copy has the request's tags, or none."""
    copy(store, "/objects/b", x_amz_tagging_directive="REPLACE", x_amz_tagging="x=1&y=2")
    assert store.get("/objects/b").answer["x-amz-tagging-count"] == "2"
    copy(store, "/objects/b", x_amz_tagging_directive="REPLACE")
    assert "x-amz-tagging-count" not in store.get("/objects/b").answer
    assert code(copy(store, "/objects/c", x_amz_tagging="x=1")) == (400, "InvalidRequest")


@pytest.mark.parametrize("name", ["x_amz_metadata_directive", "x_amz_tagging_directive"])
def test_directives_that_are_none(store: Store, name: str) -> None:
    """A directive is COPY or REPLACE."""
    assert code(copy(store, "/objects/b", **{name: "MOVE"})) == (400, "InvalidArgument")
    assert copy(store, "/objects/b", **{name: "COPY"}).status == 200


def test_a_copy_onto_itself(store: Store) -> None:
    """A copy onto itself that changes nothing is refused, and one that does is made."""
    assert code(copy(store, "/objects/a")) == (400, "InvalidRequest")
    assert code(copy(store, "/objects/a", x_amz_meta_b="2")) == (400, "InvalidRequest")
    for changes in (
        {"x_amz_metadata_directive": "REPLACE"},
        {"x_amz_tagging_directive": "REPLACE"},
        {"x_amz_storage_class": "STANDARD"},
        {"x_amz_website_redirect_location": "/x"},
        {"x_amz_server_side_encryption": "AES256"},
        {"x_amz_checksum_algorithm": "SHA256"},
    ):
        assert copy(store, "/objects/a", **changes).status == 200
        assert store.get("/objects/a").sent == TEXT


def test_an_old_version_onto_its_own_name(store: Store) -> None:
    """An old version is made the latest again by copying it; the answer says which it was."""
    version = store.put("/versioned/a", b"one").answer["x-amz-version-id"]
    store.put("/versioned/a", b"two")
    made = copy(store, "/versioned/a", f"/versioned/a?versionId={version}")
    assert made.answer["x-amz-copy-source-version-id"] == version
    assert store.get("/versioned/a").sent == b"one"


def test_a_delete_marker_is_no_source(store: Store) -> None:
    """A marker has no bytes: by its id it is refused, and the hidden object is not found."""
    store.put("/versioned/a")
    marker = store.done("DELETE", "/versioned/a").answer["x-amz-version-id"]
    assert code(copy(store, "/objects/b", f"versioned/a?versionId={marker}")) == (
        400,
        "InvalidRequest",
    )
    assert code(copy(store, "/objects/b", "versioned/a")) == (404, "NoSuchKey")


def test_missing_sources(store: Store) -> None:
    """A source that is not there is told; whether it is may be a secret."""
    assert code(copy(store, "/objects/b", "objects/z")) == (404, "NoSuchKey")
    assert code(copy(store, "/objects/b", "objects/a?versionId=z")) == (404, "NoSuchVersion")
    assert code(copy(store, "/objects/b", "nothing/a")) == (404, "NoSuchBucket")
    assert code(copy(store, "/nothing/b")) == (404, "NoSuchBucket")
    store.guard.secretive = True
    assert code(copy(store, "/objects/b", "objects/z")) == (403, "AccessDenied")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-amz-copy-source-if-match": ETAG}, 200),
        ({"x-amz-copy-source-if-match": '"x"'}, 412),
        ({"x-amz-copy-source-if-none-match": ETAG}, 412),
        ({"x-amz-copy-source-if-none-match": '"x"'}, 200),
        ({"x-amz-copy-source-if-modified-since": EARLIER}, 200),
        ({"x-amz-copy-source-if-modified-since": DATE}, 412),
        ({"x-amz-copy-source-if-unmodified-since": EARLIER}, 412),
        ({"x-amz-copy-source-if-unmodified-since": DATE}, 200),
        ({"If-None-Match": "*"}, 200),
        ({"If-Match": ETAG}, 404),
    ],
)
def test_conditional_copies(store: Store, headers: dict[str, str], status: int) -> None:
    """A copy may ask for the source that the client knows, and for what it replaces."""
    store.guard.secretive = status == 404  # what is missing there is the copy
    made = store.ask("PUT", "/objects/b", {"x-amz-copy-source": "objects/a", **headers})
    assert made.status == status


# -- who may -----------------------------------------------------------------------------
def test_what_copies_need_leave_for(store: Store) -> None:
    """To copy is to write there and to read here; that version, when one is named."""
    store.guard.asked.clear()
    copy(store, "/versioned/b", "objects/a?versionId=null")
    asked = store.guard.asked
    assert asked[0] == ("s3:PutObject", "versioned", "b")
    assert asked[1] == ("s3:GetObjectVersion", "objects", "a")
    store.guard.refused.add(Action.GET)
    assert code(copy(store, "/objects/b")) == (403, "AccessDenied")


def test_a_source_that_is_nothing_for_the_caller(store: Store) -> None:
    """A version that the caller may not read is not copied."""
    store.guard.private.add("a")
    assert code(copy(store, "/objects/b")) == (403, "AccessDenied")
    assert store.get("/objects/b").status == 404


def test_tags_that_are_nothing_for_the_caller(store: Store) -> None:
    """Who may not read the tags can copy an object that has none, or give it others."""
    store.put("/objects/untagged")
    store.guard.refused.add(Action.GET_TAGGING)
    assert code(copy(store, "/objects/b")) == (403, "AccessDenied")
    assert copy(store, "/objects/b", "objects/untagged").status == 200
    assert copy(store, "/objects/b", x_amz_tagging_directive="REPLACE").status == 200
    store.guard.refused = {Action.PUT_TAGGING}
    assert code(copy(store, "/objects/b")) == (403, "AccessDenied")


# -- checksums and encryption ------------------------------------------------------------
def test_a_checksum_of_the_copy(store: Store) -> None:
    """A copy gets the checksum that is asked for."""
    made = copy(store, "/objects/b", x_amz_checksum_algorithm="SHA256")
    checksum = b64encode(sha256(TEXT).digest()).decode()
    root = ElementTree.fromstring(made.sent)
    assert root.findtext(NAMESPACE + "ChecksumSHA256") == checksum
    assert root.findtext(NAMESPACE + "ChecksumType") == "FULL_OBJECT"
    assert copy(store, "/objects/b", x_amz_checksum_algorithm="CRC7").status == 400


def key_headers(key: bytes, prefix: str = "x-amz-") -> dict[str, Any]:
    name = prefix + "server-side-encryption-customer-"
    return {
        name + "algorithm": "AES256",
        name + "key": b64encode(key).decode(),
        name + "key-MD5": b64encode(md5(key).digest()).decode(),
    }


def test_keys_of_source_and_copy(store: Store) -> None:
    """Source and copy may be under different keys of the customer."""
    old, new = b"o" * 32, b"n" * 32
    store.done("PUT", "/objects/s", key_headers(old), TEXT)
    source = {"x-amz-copy-source": "objects/s"}
    assert store.ask("PUT", "/objects/b", source).status == 400
    keys = {**key_headers(old, "x-amz-copy-source-"), **key_headers(new)}
    made = store.done("PUT", "/objects/b", {**source, **keys})
    assert made.answer["x-amz-server-side-encryption-customer-algorithm"] == "AES256"
    assert store.ask("GET", "/objects/b", key_headers(old)).status == 403
    assert store.done("GET", "/objects/b", key_headers(new)).sent == TEXT
