"""Access control lists of requests: whose new things are, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from godos.model.acl import Acl, Grant, Permission, acl_of
from godos.model.errors import AccessDenied
from godos.model.users import ALL_USERS, OPEN, Principal
from godos.model.versions import Bucket
from godos.protocol.bucket_access import Ownership, block_document, ownership_document
from godos.web.errors import S3Error
from godos.web.s3.acls import Acls
from tests.unit.web.s3.asking import ALT, ANONYMOUS, MAIN, Users, now

BUCKET = Bucket("b", "1", "main", 0.0)
FULL = Permission.FULL_CONTROL
ENFORCED = {"ownership-controls": ownership_document(Ownership.ENFORCED)}
PREFERRED = {"ownership-controls": ownership_document(Ownership.PREFERRED)}
NO_PUBLIC = {"public-access-block": block_document({"BlockPublicAcls": True})}


def upload(
    principal: Principal = ALT, settings: dict[str, Any] | None = None, **request: Any
) -> tuple[str, Acl]:
    """Whose an upload to Main's bucket is, and its list."""
    acls = Acls(Users())  # type: ignore[arg-type]
    work = acls.of_upload(request, principal, BUCKET, settings or {})
    owner, document = now(Deferred.fromCoroutine(work))
    return owner, acl_of(document, owner)


def refused(code: str, **given: Any) -> str:
    """The message of the error with this code."""
    with pytest.raises(S3Error) as caught:
        upload(**given)
    assert caught.value.code == code
    return str(caught.value)


def only(owner: str) -> Acl:
    return Acl((Grant(FULL, user=owner),))


def test_an_upload_is_its_writers_and_private() -> None:
    """Unless the request says otherwise."""
    assert upload() == ("alt", only("alt"))
    assert upload(ACL="private") == ("alt", only("alt"))
    assert upload(MAIN) == ("main", only("main"))


@pytest.mark.parametrize("principal", [ANONYMOUS, OPEN])
def test_what_nobody_signed_for_is_the_buckets_owners(principal: Principal) -> None:
    """Who else could ever read it?"""
    assert upload(principal) == ("main", only("main"))
    owner, acl = upload(principal, ACL="public-read")
    assert (owner, acl.is_public) == ("main", True)


def test_an_upload_brings_a_canned_list() -> None:
    """By its name."""
    owner, acl = upload(ACL="bucket-owner-read")
    assert owner == "alt"
    assert set(acl.grants) == {Grant(FULL, user="alt"), Grant(Permission.READ, user="main")}
    assert "public-read" in refused("InvalidArgument", ACL="everybody")


def test_an_upload_brings_grants() -> None:
    """Which are all that there is: the writer is not among them unless named."""
    owner, acl = upload(GrantRead=f'id=main, uri="{ALL_USERS}", id=main')
    assert owner == "alt"
    assert acl.grants == (
        Grant(Permission.READ, user="main"),
        Grant(Permission.READ, group=ALL_USERS),
    )
    assert upload(GrantFullControl="emailAddress=main@example.org")[1] == only("main")


@pytest.mark.parametrize(
    ("code", "request_"),
    [
        ("InvalidArgument", {"GrantRead": "id=nobody"}),
        ("InvalidArgument", {"GrantRead": "uri=http://example.org/"}),
        ("InvalidArgument", {"GrantRead": "everybody"}),
        ("UnresolvableGrantByEmailAddress", {"GrantRead": "emailAddress=no@example.org"}),
        ("InvalidRequest", {"ACL": "private", "GrantRead": "id=main"}),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(code: str, request_: dict[str, Any]) -> None:
    """With S3's code, and before a byte is taken."""
    assert refused(code, **request_)


def test_where_the_bucket_owner_owns_all_there_are_no_lists() -> None:
    """But the one that says so."""
    ours = ("main", only("main"))
    assert upload(settings=ENFORCED) == ours
    assert upload(settings=ENFORCED, ACL="bucket-owner-full-control") == ours
    assert upload(settings=ENFORCED, GrantFullControl="id=main") == ours
    for request in ({"ACL": "private"}, {"ACL": "public-read"}, {"GrantFullControl": "id=alt"}):
        assert refused("AccessControlListNotSupported", settings=ENFORCED, **request)


def test_where_the_bucket_owner_is_preferred_a_writer_may_give_it_all() -> None:
    """And keeps the object otherwise."""
    given = upload(settings=PREFERRED, ACL="bucket-owner-full-control")
    assert given == ("main", only("main"))
    assert upload(settings=PREFERRED) == ("alt", only("alt"))
    assert upload(settings=PREFERRED, ACL="private") == ("alt", only("alt"))
    assert upload(settings={}, ACL="bucket-owner-full-control")[0] == "alt"


@pytest.mark.parametrize(
    "request_",
    [
        {"ACL": "public-read"},
        {"ACL": "public-read-write"},
        {"ACL": "authenticated-read"},
        {"GrantReadACP": f"uri={ALL_USERS}"},
    ],
)
def test_public_lists_can_be_blocked(request_: dict[str, Any]) -> None:
    """Then nobody makes an object public by accident; private ones are taken."""
    with pytest.raises(AccessDenied, match="public"):
        upload(settings=NO_PUBLIC, **request_)
    assert upload(settings=NO_PUBLIC, ACL="private")[0] == "alt"
    assert upload(settings=NO_PUBLIC, GrantRead="id=main")[0] == "alt"


def new_bucket(**request: Any) -> Acl:
    acls = Acls(Users())  # type: ignore[arg-type]
    return acl_of(now(Deferred.fromCoroutine(acls.of_new_bucket(request, "main"))), "main")


def test_a_new_bucket_brings_a_list() -> None:
    """As an upload does; what is about a bucket's owner says nothing of a bucket."""
    assert new_bucket() == only("main")
    assert new_bucket(ACL="bucket-owner-full-control") == only("main")
    assert new_bucket(ACL="public-read").is_public
    assert new_bucket(GrantWrite="id=alt").grants == (Grant(Permission.WRITE, user="alt"),)


def test_a_new_bucket_without_lists_lets_nobody_in_by_one() -> None:
    """One of the two is a mistake."""
    assert new_bucket(ACL="private", ObjectOwnership="BucketOwnerEnforced") == only("main")
    for request in ({"ACL": "public-read"}, {"GrantRead": "id=alt"}):
        with pytest.raises(S3Error) as caught:
            new_bucket(**request, ObjectOwnership="BucketOwnerEnforced")
        assert caught.value.code == "InvalidBucketAclWithObjectOwnership"
