"""Listings, page by page."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from godos.model.versions import Listing
from godos.web.errors import InvalidArgument
from godos.web.listings import (
    decode_token,
    encode_token,
    objects_page,
    versions_document,
    versions_page,
)
from godos.web.target import parse_query
from tests.unit.web.test_headers import version
from tests.unit.web.test_objects import ETAG, Store, code, document

KEYS = ("a", "b/1", "b/2", "b/c/3", "d", "é", "\U0001f600")


@pytest.fixture
def store() -> Store:
    store = Store()
    for key in reversed(KEYS):
        store.put("/objects/" + quote(key))
    return store


def pages(store: Store, query: str, cursor: str, name: str) -> list[Any]:
    """All pages of a listing, following `name` of each answer with the parameter `cursor`."""
    found, more = [], ""
    while True:
        page = document(store.ask("GET", f"/objects?{query}{more}"))
        found.append(page)
        if not page["IsTruncated"]:
            assert name not in page
            return found
        more = f"&{cursor}={quote(page[name], safe='')}"


def entries(listed: list[Any]) -> list[str]:
    """Keys and common prefixes of pages, each page in byte order."""
    found = []
    for page in listed:
        names = [entry["Key"] for entry in page["Contents"]]
        names += [entry["Prefix"] for entry in page["CommonPrefixes"]]
        found += sorted(names, key=str.encode)
    return found


def test_a_listing(store: Store) -> None:
    """A listing tells its question and, of each object, what S3's tells."""
    assert document(store.ask("GET", "/objects?list-type=2&prefix=a&max-keys=5")) == {
        "Name": "objects",
        "Prefix": "a",
        "MaxKeys": 5,
        "IsTruncated": False,
        "KeyCount": 1,
        "Contents": [
            {
                "Key": "a",
                "LastModified": "1994-11-06T08:49:37.500Z",
                "ETag": ETAG,
                "Size": 12,
                "StorageClass": "STANDARD",
            }
        ],
        "CommonPrefixes": [],
    }


def test_the_order_is_that_of_bytes(store: Store) -> None:
    """Keys come in the order of their UTF-8 bytes."""
    assert entries(pages(store, "list-type=2", "continuation-token", "x")) == list(KEYS)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_page_by_page(store: Store, size: int) -> None:
    """Pages of any size, put together, are the whole listing, nothing twice."""
    query = f"max-keys={size}"
    listed = pages(store, f"list-type=2&{query}", "continuation-token", "NextContinuationToken")
    assert entries(listed) == list(KEYS)
    assert [page["KeyCount"] for page in listed[:-1]] == [size] * (len(listed) - 1)
    assert entries(pages(store, query, "marker", "NextMarker")) == list(KEYS)


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_folders(store: Store, size: int) -> None:
    """A delimiter gathers what has a prefix in common, and each prefix comes once."""
    expected = ["a", "b/", "d", "é", "\U0001f600"]
    query = f"delimiter=/&max-keys={size}"
    token = "continuation-token", "NextContinuationToken"
    assert entries(pages(store, f"list-type=2&{query}", *token)) == expected
    assert entries(pages(store, query, "marker", "NextMarker")) == expected
    inside = entries(pages(store, f"list-type=2&{query}&prefix=b/", *token))
    assert inside == ["b/1", "b/2", "b/c/"]


def test_starting_in_the_middle(store: Store) -> None:
    """start-after leaves out what comes up to it; a token counts more."""
    query = "/objects?list-type=2&start-after=b/2"
    page = document(store.ask("GET", query))
    assert entries([page]) == ["b/c/3", "d", "é", "\U0001f600"]
    assert page["StartAfter"] == "b/2"
    token = encode_token("d")
    page = document(store.ask("GET", f"{query}&continuation-token={token}"))
    assert entries([page]) == ["é", "\U0001f600"]
    assert page["ContinuationToken"] == token


def test_no_entries(store: Store) -> None:
    """max-keys=0 is an empty page of a bucket that is there."""
    for query in ("list-type=2", "versions", ""):
        page = document(store.ask("GET", f"/objects?{query}&max-keys=0"))
        assert (page["MaxKeys"], page["IsTruncated"]) == (0, False)
        assert code(store.ask("GET", f"/photos?{query}&max-keys=0")) == (404, "NoSuchBucket")


def test_more_than_a_page(store: Store) -> None:
    """Pages have at most 1000 entries, however many are asked for."""
    assert document(store.ask("GET", "/objects?list-type=2&max-keys=5000"))["MaxKeys"] == 1000
    assert document(store.ask("GET", "/objects"))["MaxKeys"] == 1000


@pytest.mark.parametrize(
    "query",
    [
        "list-type=1",
        "list-type=2&max-keys=-1",
        "list-type=2&max-keys=ten",
        "list-type=2&max-keys=1.5",
        "list-type=2&max-keys=%C2%B2",
        "list-type=2&max-keys=2147483648",
        "list-type=2&max-keys=" + "9" * 5000,
        "list-type=2&max-keys=1&max-keys=2",
        "list-type=2&encoding-type=base64",
        "list-type=2&continuation-token=",
        "list-type=2&continuation-token=abc",
        "list-type=2&continuation-token=%C3%A9",
        "list-type=2&prefix=a&prefix=b",
        "versions&version-id-marker=x",
        "versions&key-marker=a&version-id-marker=",
        "versions&max-keys=x",
    ],
)
def test_questions_that_make_no_sense(store: Store, query: str) -> None:
    """An impossible value is refused, never taken for another."""
    assert code(store.ask("GET", f"/objects?{query}")) == (400, "InvalidArgument")


@given(st.text(st.characters(codec="utf-8"), max_size=50))
def test_tokens(after: str) -> None:
    """A token leads back to its place, whatever the name there."""
    token = encode_token(after)
    assert decode_token(token) == after
    assert objects_page(parse_query(f"list-type=2&continuation-token={token}".encode())).after == (
        after
    )


@given(st.text(max_size=30))
def test_other_tokens(token: str) -> None:
    """What is no token is refused, and not read as some place."""
    with suppress(InvalidArgument):
        assert encode_token(decode_token(token)) == token


@settings(max_examples=50)
@given(st.sets(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), max_size=5))
def test_encoded_names(names: set[str]) -> None:
    """With encoding-type=url all names are percent-encoded UTF-8; without, they are as they are."""
    store = Store()
    for name in names:
        store.put("/objects/" + quote(name, safe=""))
    expected = sorted(names, key=str.encode)
    plain = document(store.ask("GET", "/objects?list-type=2"))
    encoded = document(store.ask("GET", "/objects?list-type=2&encoding-type=url"))
    assert [each["Key"] for each in plain["Contents"]] == expected
    assert [unquote(each["Key"]) for each in encoded["Contents"]] == expected
    assert all(each["Key"].isascii() and "+" not in each["Key"] for each in encoded["Contents"])
    assert encoded["EncodingType"] == "url"


def test_the_question_is_encoded_too(store: Store) -> None:
    """Prefix, delimiter and markers come back in the form of the names."""
    query = "encoding-type=url&prefix=%C3%A9+&delimiter=%2B"
    page = document(store.ask("GET", f"/objects?{query}&list-type=2&start-after=%C3%A9"))
    assert (page["Prefix"], page["Delimiter"]) == ("%C3%A9%20", "%2B")
    assert page["StartAfter"] == "%C3%A9"
    assert document(store.ask("GET", f"/objects?{query}&marker=a+b"))["Marker"] == "a%20b"


# -- versions ---------------------------------------------------------------------------
def test_versions_of_objects(store: Store) -> None:
    """All versions and delete markers, newest first, with what is the latest."""
    store.versioned()
    second = store.put("/objects/a", b"two").answer["x-amz-version-id"]
    marker = store.ask("DELETE", "/objects/a").answer["x-amz-version-id"]
    page = document(store.ask("GET", "/objects?versions&prefix=a"))
    versions = [(each["VersionId"], each["IsLatest"], each["Size"]) for each in page["Versions"]]
    assert versions == [(second, False, 3), ("null", False, 12)]
    [deleted] = page["DeleteMarkers"]
    assert (deleted["VersionId"], deleted["IsLatest"]) == (marker, True)
    assert "Size" not in deleted and "ETag" not in deleted


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_versions_page_by_page(store: Store, size: int) -> None:
    """Pages of versions go on at the very version where the last one ended."""
    store.versioned()
    for _ in range(3):
        store.put("/objects/a")
        store.put("/objects/d")
    found, more = [], ""
    while True:
        page = document(store.ask("GET", f"/objects?versions&delimiter=/&max-keys={size}{more}"))
        found += [(each["Key"], each["VersionId"]) for each in page["Versions"]]
        found += [(each["Prefix"], "") for each in page["CommonPrefixes"]]
        if not page["IsTruncated"]:
            break
        more = f"&key-marker={quote(page['NextKeyMarker'])}"
        if "NextVersionIdMarker" in page:
            more += f"&version-id-marker={page['NextVersionIdMarker']}"
    assert len(found) == len(set(found)) == 4 + 1 + 4 + 2
    assert sorted({key for key, _ in found}, key=str.encode) == ["a", "b/", "d", *KEYS[5:]]


def test_the_place_after_a_common_prefix() -> None:
    """A page that ends with a common prefix has no version to go on from."""
    page, after = versions_page(parse_query(b"versions&delimiter=/&max-keys=2"))
    ending = Listing((version(key="a"),), ("b/",), "b/")
    assert "NextVersionIdMarker" not in versions_document("objects", page, after, ending)
    ending = Listing((version(key="c"),), ("b/",), "c")
    told = versions_document("objects", page, after, ending)
    assert (told["NextKeyMarker"], told["NextVersionIdMarker"]) == ("c", "v1")
