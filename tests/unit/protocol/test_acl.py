"""Access control lists as requests write them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.model.acl import LOG_DELIVERY, Acl, Grant, Permission
from godos.model.users import ALL_USERS, AUTHENTICATED_USERS
from godos.protocol.acl import (
    InvalidGrant,
    Kind,
    MalformedAcl,
    Wish,
    canned,
    check_group,
    document_wishes,
    has_grants,
    header_wishes,
    rendered,
)

READ, WRITE, FULL = Permission.READ, Permission.WRITE, Permission.FULL_CONTROL
EVE = Grant(FULL, user="eve")


@pytest.mark.parametrize(
    ("name", "grants"),
    [
        ("private", {EVE}),
        ("aws-exec-read", {EVE}),
        ("public-read", {EVE, Grant(READ, group=ALL_USERS)}),
        (
            "public-read-write",
            {EVE, Grant(READ, group=ALL_USERS), Grant(WRITE, group=ALL_USERS)},
        ),
        ("authenticated-read", {EVE, Grant(READ, group=AUTHENTICATED_USERS)}),
        ("bucket-owner-read", {EVE, Grant(READ, user="bob")}),
        ("bucket-owner-full-control", {EVE, Grant(FULL, user="bob")}),
        (
            "log-delivery-write",
            {EVE, Grant(WRITE, group=LOG_DELIVERY), Grant(Permission.READ_ACP, group=LOG_DELIVERY)},
        ),
    ],
)
def test_a_canned_list_is_what_s3_says(name: str, grants: set[Grant]) -> None:
    """For an object of Eve's in Bob's bucket."""
    assert set(canned(name, "eve", "bob").grants) == grants


def test_a_bucket_owner_who_is_the_owner_has_one_grant() -> None:
    """Not everything, and reading besides."""
    assert canned("bucket-owner-read", "eve", "eve").grants == (EVE,)


def test_a_canned_list_that_is_not_there_is_refused() -> None:
    """With the names of those that are."""
    with pytest.raises(InvalidGrant, match="public-read-write"):
        canned("public", "eve", "eve")


def test_grants_in_headers_are_read_in_order() -> None:
    """As clients write them: quoted or not, several in one header."""
    wishes = header_wishes(
        {
            "GrantFullControl": "id=eve",
            "GrantRead": f'uri="{ALL_USERS}", emailAddress="bob@example.org" ,ID = "a b"',
            "GrantWriteACP": 'id="x,y"',
        }
    )
    assert wishes == (
        Wish(READ, Kind.GROUP, ALL_USERS),
        Wish(READ, Kind.EMAIL, "bob@example.org"),
        Wish(READ, Kind.ID, "a b"),
        Wish(Permission.WRITE_ACP, Kind.ID, "x,y"),
        Wish(FULL, Kind.ID, "eve"),
    )
    assert has_grants({"GrantReadACP": "id=eve"})
    assert not has_grants({"ACL": "private", "Bucket": "b"})


@pytest.mark.parametrize(
    "text", ["", "eve", "id=", 'id=""', "name=eve", "id=eve,", "id=eve uri=x,", 'id="eve', ",id=e"]
)
def test_a_grant_that_names_nobody_is_refused(text: str) -> None:
    """With the way to write it, and the header that it stood in."""
    with pytest.raises(InvalidGrant, match="emailAddress") as caught:
        header_wishes({"GrantRead": text})
    assert (caught.value.name, caught.value.value) == ("x-amz-grant-read", text)


@given(st.text())
def test_no_header_breaks_the_reader_of_grants(text: str) -> None:
    """It is read, or refused."""
    try:
        wishes = header_wishes({"GrantRead": text})
    except InvalidGrant:
        return
    assert all(wish.name for wish in wishes)


def grantee(**members: str) -> dict[str, Any]:
    return {"Owner": {"ID": "eve"}, "Grants": [{"Grantee": members, "Permission": "READ"}]}


def test_a_document_is_read() -> None:
    """All kinds of grantees."""
    owner, wishes = document_wishes(
        {
            "Owner": {"ID": "eve", "DisplayName": "Eve"},
            "Grants": [
                {"Grantee": {"Type": "CanonicalUser", "ID": "bob"}, "Permission": "READ"},
                {"Grantee": {"Type": "Group", "URI": ALL_USERS}, "Permission": "WRITE"},
                {
                    "Grantee": {"Type": "AmazonCustomerByEmail", "EmailAddress": "b@c.d"},
                    "Permission": "FULL_CONTROL",
                },
            ],
        }
    )
    assert owner == "eve"
    assert wishes == (
        Wish(READ, Kind.ID, "bob"),
        Wish(WRITE, Kind.GROUP, ALL_USERS),
        Wish(FULL, Kind.EMAIL, "b@c.d"),
    )
    assert document_wishes({"Owner": {"ID": "eve"}}) == ("eve", ())


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({}, "Owner"),
        ({"Owner": {}, "Grants": []}, "Owner"),
        ({"Owner": {"ID": "eve"}, "Grants": [{}]}, "type"),
        (grantee(), "type"),
        (grantee(Type="Person", ID="bob"), "CanonicalUser"),
        (grantee(Type="CanonicalUser"), "ID"),
        (grantee(Type="Group", ID="bob"), "URI"),
        (grantee(Type="AmazonCustomerByEmail", EmailAddress=""), "EmailAddress"),
        (
            {
                "Owner": {"ID": "eve"},
                "Grants": [{"Grantee": {"Type": "Group", "URI": "x"}, "Permission": "ALL"}],
            },
            "READ_ACP",
        ),
        ({"Owner": {"ID": "eve"}, "Grants": [{}] * 101}, "100"),
    ],
)
def test_a_document_that_is_no_list_is_refused(document: dict[str, Any], problem: str) -> None:
    """With what is missing."""
    with pytest.raises(MalformedAcl, match=problem):
        document_wishes(document)


def test_only_groups_that_there_are_can_be_granted_something() -> None:
    """All others are refused."""
    assert check_group(LOG_DELIVERY) == LOG_DELIVERY
    with pytest.raises(InvalidGrant, match="AllUsers"):
        check_group("http://acs.amazonaws.com/groups/global/Everybody")


def test_groups_are_shown_first_and_users_with_their_names() -> None:
    """Who has no name, or is gone, has their id."""
    names = {"eve": "Eve", "gone": ""}
    acl = Acl((EVE, Grant(READ, user="gone"), Grant(READ, group=ALL_USERS)))
    assert rendered(acl, names.__getitem__) == [
        {"Grantee": {"Type": "Group", "URI": ALL_USERS}, "Permission": "READ"},
        {
            "Grantee": {"Type": "CanonicalUser", "ID": "eve", "DisplayName": "Eve"},
            "Permission": "FULL_CONTROL",
        },
        {"Grantee": {"Type": "CanonicalUser", "ID": "gone"}, "Permission": "READ"},
    ]
