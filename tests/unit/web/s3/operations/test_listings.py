"""Listings of objects, versions and uploads, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from godos.model.objects import NewUpload, PutRequest
from godos.model.versions import Attributes, ChecksumType, Listing, Versioning
from godos.web.errors import InvalidArgument
from godos.web.s3.operations.listing_entries import last_version
from godos.web.s3.operations.pages import (
    all_url_encoded,
    decode_token,
    encode_token,
    url_encoded,
)
from tests.unit.web.fakes import FakeBody
from tests.unit.web.s3.operations.client import ADA, BOB, ROOT, Client, Refused, result
from tests.unit.web.versions import version

KEYS = ("a", "b/1", "b/2", "b/c/3", "d", "é", "\U0001f600")
LISTINGS = ("list_objects", "list_objects_v2", "list_object_versions")


@pytest.fixture
def client() -> Client:
    client = Client()
    client.bucket("photos")
    for key in reversed(KEYS):
        client.store("photos", key)
    return client


def refusal(client: Client, query: str) -> tuple[int | None, bool]:
    """Status of a refused query, and whether it says that an argument is wrong."""
    exchange = client.send("GET", f"/photos?{query}")
    return exchange.status, b"<Code>InvalidArgument</Code>" in exchange.sent


def pages(client: Client, listing: str, **members: Any) -> Iterator[Any]:
    """All pages, each found by what the one before says."""
    follow = {
        "list_objects": {"NextMarker": "Marker"},
        "list_objects_v2": {"NextContinuationToken": "ContinuationToken"},
        "list_object_versions": {
            "NextKeyMarker": "KeyMarker",
            "NextVersionIdMarker": "VersionIdMarker",
        },
        "list_multipart_uploads": {
            "NextKeyMarker": "KeyMarker",
            "NextUploadIdMarker": "UploadIdMarker",
        },
    }[listing]
    while True:
        page = getattr(client, listing)(Bucket="photos", **members)
        yield page
        found = {theirs: page[ours] for ours, theirs in follow.items() if ours in page}
        assert bool(found) == page["IsTruncated"]
        if not found:
            return
        members = {k: v for k, v in members.items() if k not in follow.values()} | found


def entries(listed: Iterator[Any]) -> list[str]:
    """Keys and common prefixes of pages, each page in byte order."""
    found = []
    for page in listed:
        names = [entry["Key"] for entry in page.get("Contents", page.get("Versions", ()))]
        names += [entry["Prefix"] for entry in page.get("CommonPrefixes", ())]
        found += sorted(names, key=str.encode)
    return found


# -- what is told ---------------------------------------------------------------------------
def test_a_listing(client: Client) -> None:
    """A listing tells its question and, of each object, what S3's tells."""
    page = client.list_objects_v2(Bucket="photos", Prefix="a", MaxKeys=5)
    [told] = page.pop("Contents")
    assert told.pop("LastModified").timestamp() == client.now()
    assert told.pop("ChecksumAlgorithm", None) in (None, ["CRC64NVME"])
    told.pop("ChecksumType", None)
    etag = '"5d41402abc4b2a76b9719d911017c592"'
    assert told == {"Key": "a", "ETag": etag, "Size": 5, "StorageClass": "STANDARD"}
    del page["ResponseMetadata"]
    assert page == {
        "Name": "photos",
        "Prefix": "a",
        "MaxKeys": 5,
        "IsTruncated": False,
        "KeyCount": 1,
    }


def test_a_listing_as_json(client: Client) -> None:
    """The same with the same names as JSON, its lists there even when they are empty."""
    sent = client.send("GET", "/photos?list-type=2&prefix=zzz&format=json")
    assert sent.answer["content-type"] == "application/json"
    assert sent.sent == (
        b'{"Name": "photos", "Prefix": "zzz", "MaxKeys": 1000, "IsTruncated": false, '
        b'"KeyCount": 0, "Contents": [], "CommonPrefixes": []}\n'
    )


def test_owners(client: Client) -> None:
    """Version 1 tells owners, version 2 only when asked, and what has none is the bucket's."""
    client.as_user(BOB).store("photos", "bobs")
    client.store("photos", "nobodys", attributes=Attributes())
    client.as_user(ADA)
    bob, ada = {"ID": "bob", "DisplayName": "Bob"}, {"ID": "ada", "DisplayName": "Ada"}
    for page in (
        client.list_objects(Bucket="photos"),
        client.list_objects_v2(Bucket="photos", FetchOwner=True),
        client.list_object_versions(Bucket="photos"),
    ):
        told = page.get("Contents", page.get("Versions"))
        assert {each["Key"]: each["Owner"] for each in told} == {
            **dict.fromkeys((*KEYS, "nobodys"), ada),
            "bobs": bob,
        }
    for members in ({}, {"FetchOwner": False}):
        page = client.list_objects_v2(Bucket="photos", **members)
        assert not any("Owner" in each for each in page["Contents"])


def test_owners_where_the_bucket_owns_all(client: Client) -> None:
    """With BucketOwnerEnforced all objects are the bucket owner's, whoever wrote them."""
    client.as_user(BOB).store("photos", "bobs")
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    client.as_user(ADA).put_bucket_ownership_controls(Bucket="photos", OwnershipControls=rules)
    told = client.list_objects(Bucket="photos")["Contents"]
    assert {each["Owner"]["ID"] for each in told} == {"ada"}


def test_checksums(client: Client) -> None:
    """Where an object has a checksum, the listing tells of which kind."""
    body = FakeBody([b"x"], 1)
    result(client.objects.put("photos", "sum", body, PutRequest(checksum="crc64nvme")))
    [told] = client.list_objects_v2(Bucket="photos", Prefix="sum")["Contents"]
    assert (told["ChecksumAlgorithm"], told["ChecksumType"]) == (["CRC64NVME"], "FULL_OBJECT")


# -- pages ----------------------------------------------------------------------------------
@pytest.mark.parametrize("listing", LISTINGS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_page_by_page(client: Client, listing: str, size: int) -> None:
    """Pages of any size, put together, are the whole listing in byte order, nothing twice."""
    assert entries(pages(client, listing, MaxKeys=size)) == list(KEYS)


@pytest.mark.parametrize("listing", LISTINGS)
@pytest.mark.parametrize("size", [1, 2, 1000])
def test_folders(client: Client, listing: str, size: int) -> None:
    """A delimiter gathers what has a prefix in common, and each prefix comes once."""
    members = {"Delimiter": "/", "MaxKeys": size}
    assert entries(pages(client, listing, **members)) == ["a", "b/", "d", "é", "\U0001f600"]
    inside = entries(pages(client, listing, Prefix="b/", **members))
    assert inside == ["b/1", "b/2", "b/c/"]


def test_the_size_of_pages(client: Client) -> None:
    """A page counts keys and prefixes alike, and has at most 1000 of them."""
    counts = [p["KeyCount"] for p in pages(client, "list_objects_v2", MaxKeys=2, Delimiter="/")]
    assert counts == [2, 2, 1]
    for listing in LISTINGS:
        assert getattr(client, listing)(Bucket="photos", MaxKeys=5000)["MaxKeys"] == 1000
        assert getattr(client, listing)(Bucket="photos")["MaxKeys"] == 1000


@pytest.mark.parametrize("listing", LISTINGS)
def test_no_entries(client: Client, listing: str) -> None:
    """max-keys=0 is an empty page of a bucket that is there."""
    page = getattr(client, listing)(Bucket="photos", MaxKeys=0)
    assert (page["MaxKeys"], page["IsTruncated"], entries(iter([page]))) == (0, False, [])
    with pytest.raises(Refused) as caught:
        getattr(client.as_user(ROOT), listing)(Bucket="nowhere", MaxKeys=0)
    assert caught.value.code == "NoSuchBucket"


def test_starting_in_the_middle(client: Client) -> None:
    """start-after leaves out what comes up to it; a token counts more, and both are told."""
    page = client.list_objects_v2(Bucket="photos", StartAfter="b/2")
    assert entries(iter([page])) == ["b/c/3", "d", "é", "\U0001f600"]
    assert page["StartAfter"] == "b/2"
    token = encode_token("d")
    page = client.list_objects_v2(Bucket="photos", StartAfter="b/2", ContinuationToken=token)
    assert entries(iter([page])) == ["é", "\U0001f600"]
    assert (page["ContinuationToken"], page["StartAfter"]) == (token, "b/2")


def test_an_empty_token_starts_anew(client: Client) -> None:
    """Some clients send an empty token with their first request; it is told as it came."""
    page = client.list_objects_v2(Bucket="photos", ContinuationToken="")
    assert entries(iter([page])) == list(KEYS)
    assert page["ContinuationToken"] == ""


def test_markers(client: Client) -> None:
    """A marker need not be the name of an object, and comes back, also when it is empty."""
    assert client.list_objects(Bucket="photos")["Marker"] == ""
    page = client.list_objects(Bucket="photos", Marker="c")
    assert (entries(iter([page])), page["Marker"]) == (["d", "é", "\U0001f600"], "c")
    assert entries(iter([client.list_objects(Bucket="photos", Marker="\U0001f601")])) == []


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
        "list-type=2&continuation-token=abc",
        "list-type=2&continuation-token=%C3%A9",
        "list-type=2&prefix=a&prefix=b",
        "max-keys=blah",
        "versions&version-id-marker=x",
        "versions&key-marker=a&version-id-marker=",
        "versions&max-keys=x",
        "uploads&max-uploads=-1",
        "uploads&max-uploads=x",
        "uploads&encoding-type=x",
    ],
)
def test_questions_that_make_no_sense(client: Client, query: str) -> None:
    """An impossible value is refused, never taken for another."""
    assert refusal(client, query) == (400, True)


@given(st.text(st.characters(codec="utf-8"), max_size=50))
def test_tokens(after: str) -> None:
    """A token leads back to its place, whatever the name there."""
    assert decode_token(encode_token(after)) == after


@given(st.text(max_size=30))
def test_other_tokens(token: str) -> None:
    """What is no token is refused, and not read as some place."""
    with suppress(InvalidArgument):
        assert encode_token(decode_token(token)) == token


# -- how names are written ------------------------------------------------------------------
@settings(max_examples=50, deadline=None)
@given(st.sets(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), max_size=5))
def test_encoded_names(names: set[str]) -> None:
    """With encoding-type=url all names are percent-encoded UTF-8, which any document holds."""
    client = Client()
    client.bucket("photos")
    for name in names:
        client.store("photos", name)
    expected = sorted(names, key=str.encode)
    for listing in LISTINGS:
        page = getattr(client, listing)(Bucket="photos", EncodingType="url")
        found = [each["Key"] for each in page.get("Contents", page.get("Versions", ()))]
        assert [unquote(each) for each in found] == expected
        assert all(each.isascii() and "+" not in each for each in found)
        assert page["EncodingType"] == "url"


@given(st.text(st.characters(codec="utf-8")))
def test_encoding(text: str) -> None:
    """Names that need no encoding cost none, and are written as the others are."""
    assert url_encoded(text) == quote(text, safe="/")


@given(st.lists(st.one_of(st.text("ab/\n"), st.text(st.characters(codec="utf-8")))))
def test_encoding_together(names: list[str]) -> None:
    """Many names are encoded as each of them is."""
    assert list(all_url_encoded(names)) == [url_encoded(name) for name in names]


def test_the_question_is_encoded_too(client: Client) -> None:
    """Prefix, delimiter and markers come back in the form of the names."""
    asked = {"Bucket": "photos", "EncodingType": "url", "Prefix": "é ", "Delimiter": "+"}
    page = client.list_objects_v2(StartAfter="é", **asked)
    assert (page["Prefix"], page["Delimiter"]) == ("%C3%A9%20", "%2B")
    assert page["StartAfter"] == "%C3%A9"
    assert client.list_objects(Marker="a b", **asked)["Marker"] == "a%20b"
    page = client.list_object_versions(KeyMarker="a b", **asked)
    assert (page["Prefix"], page["KeyMarker"]) == ("%C3%A9%20", "a%20b")


def test_the_prefix_of_version_1(client: Client) -> None:
    """boto3 does not decode this one: it is encoded only where no document could hold it."""
    asked = {"Bucket": "photos", "EncodingType": "url"}
    assert client.list_objects(Prefix="é +%\n", **asked)["Prefix"] == "é +%\n"
    assert client.list_objects(Prefix="\x01", **asked)["Prefix"] == "%01"


def test_an_empty_delimiter_is_none(client: Client) -> None:
    """It gathers nothing, and is not told."""
    for listing in LISTINGS:
        page = getattr(client, listing)(Bucket="photos", Delimiter="")
        assert "Delimiter" not in page and "CommonPrefixes" not in page


@pytest.mark.parametrize("delimiter", ["%", " ", ".", "\n", "b", "aa", "é", "//"])
def test_any_text_is_a_delimiter(delimiter: str) -> None:
    """Delimiters may be any text, of more than one character, too."""
    client = Client()
    client.bucket("photos")
    for key in (f"x{delimiter}1", f"x{delimiter}2", "zz"):
        client.store("photos", key)
    page = client.list_objects_v2(Bucket="photos", Delimiter=delimiter)
    assert page["CommonPrefixes"] == [{"Prefix": f"x{delimiter}"}]
    assert page["Delimiter"] == delimiter
    assert [each["Key"] for each in page["Contents"]] == ["zz"]


# -- versions ---------------------------------------------------------------------------
def versioned(client: Client) -> Client:
    result(client.objects.set_versioning("photos", Versioning.ENABLED))
    return client


def test_versions_of_objects(client: Client) -> None:
    """All versions and delete markers, newest first, with what is the latest."""
    second = versioned(client).store("photos", "a", b"two").version_id
    marker = client.delete_object(Bucket="photos", Key="a")["VersionId"]
    page = client.list_object_versions(Bucket="photos", Prefix="a")
    versions = [(each["VersionId"], each["IsLatest"], each["Size"]) for each in page["Versions"]]
    assert versions == [(second, False, 3), ("null", False, 5)]
    [deleted] = page["DeleteMarkers"]
    assert (deleted["VersionId"], deleted["IsLatest"]) == (marker, True)
    assert deleted["Owner"]["ID"] == "ada"
    assert "Size" not in deleted and "ETag" not in deleted


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_versions_page_by_page(client: Client, size: int) -> None:
    """Pages of versions go on at the very version where the last one ended."""
    versioned(client)
    for _ in range(3):
        client.store("photos", "a")
        client.store("photos", "d")
    found: list[tuple[str, str]] = []
    for page in pages(client, "list_object_versions", Delimiter="/", MaxKeys=size):
        found += [(each["Key"], each["VersionId"]) for each in page.get("Versions", ())]
        found += [(each["Prefix"], "") for each in page.get("CommonPrefixes", ())]
    assert len(found) == len(set(found)) == 4 + 1 + 4 + 2
    assert sorted({key for key, _ in found}, key=str.encode) == ["a", "b/", "d", *KEYS[5:]]


def test_the_place_after_a_common_prefix() -> None:
    """A page that ends with a common prefix has no version to go on from."""
    assert last_version(Listing((version(key="a"),), ("b/",), "b/")) is None
    assert last_version(Listing((version(key="c"),), ("b/",), "c")) == "v1"
    assert last_version(Listing((version(key="c"),), (), None)) is None


# -- uploads in parts -----------------------------------------------------------------------
def begin(client: Client, key: str, **members: Any) -> str:
    new = NewUpload(client.user.id, Attributes(owner=client.user.id), **members)
    upload_id: str = result(client.objects.create_upload("photos", key, new)).id
    return upload_id


def test_uploads(client: Client) -> None:
    """Each is told with its time, who began it, whose it will be, and its checksum."""
    first = begin(client, "x", checksum="crc32c", checksum_type=ChecksumType.FULL_OBJECT)
    client.as_user(BOB)
    second = begin(client, "y")
    client.as_user(ADA)
    page = client.list_multipart_uploads(Bucket="photos")
    one, two = page["Uploads"]
    assert one.pop("Initiated").timestamp() == client.now()
    ada = {"ID": "ada", "DisplayName": "Ada"}
    assert one == {
        "Key": "x",
        "UploadId": first,
        "Owner": ada,
        "Initiator": ada,
        "StorageClass": "STANDARD",
        "ChecksumAlgorithm": "CRC32C",
        "ChecksumType": "FULL_OBJECT",
    }
    assert (two["UploadId"], two["Initiator"]["ID"], two["Owner"]["DisplayName"]) == (
        second,
        "bob",
        "Bob",
    )
    assert (page["Bucket"], page["MaxUploads"], page["IsTruncated"]) == ("photos", 1000, False)
    assert (page["KeyMarker"], page["UploadIdMarker"]) == ("", "")


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_uploads_page_by_page(client: Client, size: int) -> None:
    """Pages go on at the very upload where the last one ended, also within one key."""
    begun = {begin(client, key) for key in ("x", "x", "x", "y", "y", "z")}
    listed = list(pages(client, "list_multipart_uploads", MaxUploads=size))
    found = [each["UploadId"] for page in listed for each in page["Uploads"]]
    assert len(found) == len(begun) and set(found) == begun


def test_folders_of_uploads(client: Client) -> None:
    """Prefix, delimiter and encoding are as of objects."""
    for key in ("p/1", "p/2", "p 3", "q"):
        begin(client, key)
    page = client.list_multipart_uploads(
        Bucket="photos", Prefix="p", Delimiter="/", EncodingType="url"
    )
    assert [each["Key"] for each in page["Uploads"]] == ["p%203"]
    assert page["CommonPrefixes"] == [{"Prefix": "p/"}]
    page = client.list_multipart_uploads(Bucket="photos", UploadIdMarker="x", MaxUploads=0)
    assert (page["IsTruncated"], page["UploadIdMarker"]) == (False, "")
