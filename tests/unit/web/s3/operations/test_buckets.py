"""Buckets: made, listed, looked at, removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from godos.model.users import ANONYMOUS, OPEN
from godos.model.versions import Versioning
from tests.unit.web.s3.operations.client import ADA, BOB, ROOT, Client, Refused, result


@pytest.fixture
def client() -> Client:
    return Client()


def refusal(ask: Callable[..., Any], **members: Any) -> tuple[int, str | None]:
    """Status and code of what is refused."""
    with pytest.raises(Refused) as caught:
        ask(**members)
    return caught.value.status, caught.value.code


def names(answer: Any) -> list[str]:
    return [bucket["Name"] for bucket in answer["Buckets"]]


# -- listing ------------------------------------------------------------------------------
def test_everybody_sees_their_own_buckets(client: Client) -> None:
    """The list has the caller's buckets in order, with when they were made, and no others."""
    client.bucket("b-two")
    client.bucket("b-one")
    client.as_user(BOB).bucket("bobs")
    answer = client.as_user(ADA).list_buckets()
    assert names(answer) == ["b-one", "b-two"]
    assert answer["Buckets"][0]["CreationDate"].timestamp() == client.now()
    assert answer["Owner"] == {"ID": "ada", "DisplayName": "Ada"}
    assert "ContinuationToken" not in answer
    assert names(client.as_user(BOB).list_buckets()) == ["bobs"]


def test_who_may_do_everything_sees_all_buckets(client: Client) -> None:
    """So it is for root users, and on a server without credentials."""
    client.bucket("adas")
    client.as_user(BOB).bucket("bobs")
    for user in (ROOT, OPEN):
        assert names(client.as_user(user).list_buckets()) == ["adas", "bobs"]


def test_strangers_see_no_buckets(client: Client) -> None:
    """A request without signature lists nothing, not even what was made by one."""
    client.as_user(OPEN).bucket("open")
    try:
        assert names(client.as_user(ANONYMOUS).list_buckets()) == []
    except Refused as refused:
        assert refused.code == "AccessDenied"


def test_buckets_page_by_page(client: Client) -> None:
    """Pages put together are the whole list; the last one has no token."""
    for name in ("a-1", "a-2", "a-3", "b-1"):
        client.bucket(name)
    found, more = [], {}
    while True:
        answer = client.list_buckets(MaxBuckets=2, Prefix="a-", **more)
        found.append(names(answer))
        assert answer["Prefix"] == "a-"
        assert {bucket["BucketRegion"] for bucket in answer["Buckets"]} == {"us-east-1"}
        if "ContinuationToken" not in answer:
            break
        more = {"ContinuationToken": answer["ContinuationToken"]}
    assert found == [["a-1", "a-2"], ["a-3"]]


def test_buckets_of_a_region(client: Client) -> None:
    """All buckets are in the server's region, and none in another."""
    client.bucket("here")
    assert names(client.list_buckets(BucketRegion="us-east-1")) == ["here"]
    assert names(client.list_buckets(BucketRegion="eu-west-1")) == []


@pytest.mark.parametrize(
    "members", [{"MaxBuckets": 0}, {"MaxBuckets": -1}, {"ContinuationToken": "nonsense"}]
)
def test_impossible_pages_of_buckets(client: Client, members: dict[str, Any]) -> None:
    """An impossible value is refused, never taken for another."""
    assert refusal(client.list_buckets, **members) == (400, "InvalidArgument")


# -- making ------------------------------------------------------------------------------
def test_a_bucket_belongs_to_who_made_it(client: Client) -> None:
    """The answer names the bucket; nobody else can have it any more."""
    assert client.create_bucket(Bucket="photos")["Location"] == "/photos"
    assert result(client.objects.bucket("photos")).owner == "ada"
    with pytest.raises(Refused) as caught:
        client.as_user(BOB).create_bucket(Bucket="photos")
    assert (caught.value.status, caught.value.code) == (409, "BucketAlreadyExists")


def test_making_the_same_bucket_again(client: Client) -> None:
    """One's own bucket can be made again, to no effect; but not another in its place."""
    client.bucket("photos")
    client.store("photos", "cat")
    client.create_bucket(Bucket="photos")
    assert client.list_objects(Bucket="photos")["Contents"][0]["Key"] == "cat"
    taken = (409, "BucketAlreadyExists")
    assert refusal(client.create_bucket, Bucket="photos", ACL="public-read") == taken
    locked = {"Bucket": "photos", "ObjectLockEnabledForBucket": True}
    assert refusal(client.create_bucket, **locked) == taken
    client.bucket("shown", ACL="public-read")
    client.create_bucket(Bucket="shown", ACL="public-read")
    assert refusal(client.create_bucket, Bucket="shown") == taken


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-9"])
def test_where_buckets_are(region: str) -> None:
    """A client may name the server's region, and us-east-1, which many always name."""
    client = Client(region=region)
    for name, constraint in (("one", region), ("two", "us-east-1")):
        client.bucket(name, CreateBucketConfiguration={"LocationConstraint": constraint})
        assert client.head_bucket(Bucket=name)["BucketRegion"] == region
    told = ElementTree.fromstring(client.send("GET", "/one?location").sent).text
    assert (told or "us-east-1") == region
    elsewhere = {"Bucket": "three", "CreateBucketConfiguration": {"LocationConstraint": "mars"}}
    assert refusal(client.create_bucket, **elsewhere) == (400, "InvalidLocationConstraint")
    assert refusal(client.head_bucket, Bucket="three")[0] == 404


def test_the_first_region_has_no_name(client: Client) -> None:
    """The location of a bucket in us-east-1 is an empty element, as in S3."""
    client.bucket("photos")
    sent = client.send("GET", "/photos?location").sent
    assert b"<LocationConstraint xmlns=" in sent and b"us-east-1" not in sent


def test_a_bucket_with_settings(client: Client) -> None:
    """Access list, ownership, lock and tags can be said when a bucket is made."""
    client.bucket("shown", ACL="public-read", ObjectOwnership="BucketOwnerPreferred")
    grants = client.get_bucket_acl(Bucket="shown")["Grants"]
    assert {grant["Permission"] for grant in grants} == {"FULL_CONTROL", "READ"}
    controls = client.get_bucket_ownership_controls(Bucket="shown")["OwnershipControls"]
    assert controls["Rules"] == [{"ObjectOwnership": "BucketOwnerPreferred"}]
    client.bucket("locked", ObjectLockEnabledForBucket=True)
    assert client.get_bucket_versioning(Bucket="locked")["Status"] == "Enabled"
    tags = [{"Key": "team", "Value": "red"}]
    client.bucket("tagged", CreateBucketConfiguration={"Tags": tags})
    assert client.get_bucket_tagging(Bucket="tagged")["TagSet"] == tags


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"ObjectOwnership": "Everybody"}, (400, "InvalidArgument")),
        (
            {"ObjectOwnership": "BucketOwnerEnforced", "ACL": "public-read"},
            (400, "InvalidBucketAclWithObjectOwnership"),
        ),
        ({"ACL": "public"}, (400, "InvalidArgument")),
        (
            {"CreateBucketConfiguration": {"Tags": [{"Key": "aws:x", "Value": ""}]}},
            (400, "InvalidTag"),
        ),
        (
            {"CreateBucketConfiguration": {"Bucket": {"Type": "Directory"}}},
            (501, "NotImplemented"),
        ),
    ],
)
def test_buckets_that_cannot_be(client: Client, members: dict[str, Any], code: Any) -> None:
    """A setting that makes no sense is refused, and no bucket is made."""
    status, told = refusal(client.create_bucket, Bucket="photos", **members)
    assert told == code[1] and status == code[0]
    assert names(client.list_buckets()) == []


# -- looking, removing -----------------------------------------------------------------------
@pytest.mark.parametrize("ask", ["get_bucket_location", "list_objects", "delete_bucket"])
@pytest.mark.parametrize("user", [ADA, ROOT])
def test_buckets_that_are_not_there(client: Client, ask: str, user: Any) -> None:
    """404 with S3's code, whoever asks."""
    asked = getattr(client.as_user(user), ask)
    assert refusal(asked, Bucket="nowhere") == (404, "NoSuchBucket")
    assert refusal(client.head_bucket, Bucket="nowhere")[0] == 404


def test_only_empty_buckets_go(client: Client) -> None:
    """A bucket with objects stays; an empty one goes, and its name is free."""
    client.bucket("photos")
    client.store("photos", "cat")
    assert refusal(client.delete_bucket, Bucket="photos") == (409, "BucketNotEmpty")
    client.delete_object(Bucket="photos", Key="cat")
    answer = client.delete_bucket(Bucket="photos")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    client.as_user(BOB).bucket("photos")


def test_settings_die_with_their_bucket(client: Client) -> None:
    """A bucket that is made again begins with nothing."""
    client.bucket("photos", ACL="public-read")
    client.delete_bucket(Bucket="photos")
    client.bucket("photos")
    assert len(client.get_bucket_acl(Bucket="photos")["Grants"]) == 1


# -- versioning ------------------------------------------------------------------------------
def test_versioning(client: Client) -> None:
    """It is off, and not told, until it is enabled; then it can only be suspended."""
    client.bucket("photos")
    assert "Status" not in client.get_bucket_versioning(Bucket="photos")
    for status in ("Enabled", "Suspended", "Enabled"):
        client.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": status})
        assert client.get_bucket_versioning(Bucket="photos")["Status"] == status
    assert result(client.objects.bucket("photos")).versioning is Versioning.ENABLED


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"Status": "enabled"}, (400, "MalformedXML")),
        ({"Status": ""}, (400, "MalformedXML")),
        ({}, (400, "IllegalVersioningConfigurationException")),
        ({"Status": "Enabled", "MFADelete": "Enabled"}, (501, "NotImplemented")),
    ],
)
def test_versioning_that_makes_no_sense(
    client: Client, document: dict[str, str], code: Any
) -> None:
    """Other states than S3's two are refused, and so is what would not be done."""
    client.bucket("photos")
    members = {"Bucket": "photos", "VersioningConfiguration": document}
    assert refusal(client.put_bucket_versioning, **members) == code
    assert "Status" not in client.get_bucket_versioning(Bucket="photos")


def test_locked_buckets_keep_versions(client: Client) -> None:
    """Versioning of a bucket with object lock cannot be suspended."""
    client.bucket("photos", ObjectLockEnabledForBucket=True)
    members = {"Bucket": "photos", "VersioningConfiguration": {"Status": "Suspended"}}
    assert refusal(client.put_bucket_versioning, **members) == (409, "InvalidBucketState")
