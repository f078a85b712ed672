"""The operations on who may do what."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from godos.model.errors import AccessDenied, MethodNotAllowed, NoSuchKey, NoSuchVersion
from godos.model.objects import DeleteRequest, GetRequest
from godos.model.users import ALL_USERS
from godos.model.versions import Versioning
from godos.web.access import Action
from godos.web.errors import S3Error
from tests.unit.web.s3.asking import ALT, ANONYMOUS, MAIN, ROOT, Store, now

BLOCK = "PutPublicAccessBlock"


@pytest.fixture
def store() -> Store:
    return Store()


def refused(code: str, work: Callable[..., Any], *args: Any, **request: Any) -> str:
    """The message of the error with this code."""
    with pytest.raises(S3Error) as caught:
        work(*args, **request)
    assert caught.value.code == code
    return str(caught.value)


def policy(effect: str = "Allow", **members: Any) -> str:
    statement = {
        "Effect": effect,
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"],
        **members,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=3)


# -- policies -------------------------------------------------------------------------------
def test_a_policy_is_kept_as_it_was_written(store: Store) -> None:
    """To the letter; and it is gone when it is removed, as often as one likes."""
    refused("NoSuchBucketPolicy", store.do, MAIN, "GetBucketPolicy")
    store.do(MAIN, "PutBucketPolicy", Policy=policy())
    assert store.do(MAIN, "GetBucketPolicy") == {"Policy": policy()}
    store.do(MAIN, "DeleteBucketPolicy")
    store.do(MAIN, "DeleteBucketPolicy")
    refused("NoSuchBucketPolicy", store.do, MAIN, "GetBucketPolicy")


@pytest.mark.parametrize("text", ["", "{}", "[1", policy(Resource="arn:aws:s3:::other"), None, 3])
def test_what_is_no_policy_of_this_bucket_is_refused(store: Store, text: Any) -> None:
    """And what was there before stays."""
    store.do(MAIN, "PutBucketPolicy", Policy=policy())
    assert refused("MalformedPolicy", store.do, MAIN, "PutBucketPolicy", Policy=text)
    assert store.do(MAIN, "GetBucketPolicy") == {"Policy": policy()}


def test_an_owner_gets_back_in(store: Store) -> None:
    """After a policy that denies everybody everything."""
    store.do(MAIN, "PutBucketPolicy", Policy=policy("Deny"))
    with pytest.raises(AccessDenied):
        store.do(MAIN, "GetBucketAcl")
    with pytest.raises(AccessDenied):
        store.do(ALT, "DeleteBucketPolicy")
    assert store.do(MAIN, "GetBucketPolicy")
    store.do(MAIN, "PutBucketPolicy", Policy=policy("Deny", Action="s3:GetObject"))
    assert store.do(MAIN, "GetBucketAcl")


def test_a_public_policy_can_be_blocked(store: Store) -> None:
    """One that names users is taken."""
    store.do(MAIN, BLOCK, PublicAccessBlockConfiguration={"BlockPublicPolicy": True})
    with pytest.raises(AccessDenied, match="public"):
        store.do(MAIN, "PutBucketPolicy", Policy=policy())
    store.do(MAIN, "PutBucketPolicy", Policy=policy(Principal={"AWS": "alt"}))


def public(store: Store) -> bool:
    status: bool = store.do(MAIN, "GetBucketPolicyStatus")["PolicyStatus"]["IsPublic"]
    return status


def test_a_bucket_tells_whether_the_public_gets_in(store: Store) -> None:
    """By its policy or by its list, as far as these count."""
    assert public(store) is False
    store.do(MAIN, "PutBucketAcl", ACL="authenticated-read")
    assert public(store) is True
    store.do(MAIN, BLOCK, PublicAccessBlockConfiguration={"IgnorePublicAcls": True})
    assert public(store) is False
    store.do(MAIN, "PutBucketPolicy", Policy=policy())
    assert public(store) is True
    block = {"IgnorePublicAcls": True, "RestrictPublicBuckets": True}
    store.do(MAIN, BLOCK, PublicAccessBlockConfiguration=block)
    assert public(store) is False
    store.do(MAIN, "DeletePublicAccessBlock")
    store.do(MAIN, "PutBucketAcl", ACL="private")
    store.do(MAIN, "PutBucketPolicy", Policy=policy(Principal={"AWS": "alt"}))
    assert public(store) is False


# -- blocked public access --------------------------------------------------------------------
def test_a_public_access_block_is_kept(store: Store) -> None:
    """What was not said is false."""
    missing = "NoSuchPublicAccessBlockConfiguration"
    refused(missing, store.do, MAIN, "GetPublicAccessBlock")
    store.do(MAIN, BLOCK, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    assert store.do(MAIN, "GetPublicAccessBlock") == {
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": True,
            "IgnorePublicAcls": False,
            "BlockPublicPolicy": False,
            "RestrictPublicBuckets": False,
        }
    }
    store.do(MAIN, "DeletePublicAccessBlock")
    refused(missing, store.do, MAIN, "GetPublicAccessBlock")


# -- ownership --------------------------------------------------------------------------------
def test_ownership_controls_are_kept(store: Store) -> None:
    """One rule."""
    missing = "OwnershipControlsNotFoundError"
    refused(missing, store.do, MAIN, "GetBucketOwnershipControls")
    for name in ("ObjectWriter", "BucketOwnerPreferred", "BucketOwnerEnforced"):
        controls = {"Rules": [{"ObjectOwnership": name}]}
        store.do(MAIN, "PutBucketOwnershipControls", OwnershipControls=controls)
        assert store.do(MAIN, "GetBucketOwnershipControls") == {"OwnershipControls": controls}
    store.do(MAIN, "DeleteBucketOwnershipControls")
    store.do(MAIN, "DeleteBucketOwnershipControls")
    refused(missing, store.do, MAIN, "GetBucketOwnershipControls")


@pytest.mark.parametrize(
    "rules",
    [
        None,
        [],
        [{}],
        [{"ObjectOwnership": "Mine"}],
        [{"ObjectOwnership": "ObjectWriter"}] * 2,
    ],
)
def test_ownership_controls_that_make_no_sense_are_refused(store: Store, rules: Any) -> None:
    """As a document that is not S3's."""
    controls = {"Rules": rules} if rules is not None else {}
    put = "PutBucketOwnershipControls"
    assert refused("MalformedXML", store.do, MAIN, put, OwnershipControls=controls)


ENFORCED = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def test_lists_are_given_up_only_by_a_bucket_that_is_private(store: Store) -> None:
    """Nobody loses access without being asked."""
    store.do(MAIN, "PutBucketAcl", ACL="public-read")
    put = "PutBucketOwnershipControls"
    refused("InvalidBucketAclWithObjectOwnership", store.do, MAIN, put, OwnershipControls=ENFORCED)
    store.do(MAIN, "PutBucketAcl", ACL="private")
    store.do(MAIN, put, OwnershipControls=ENFORCED)


def test_where_lists_mean_nothing_they_cannot_be_set(store: Store) -> None:
    """And those that are shown say what holds."""
    store.put("k", owner="alt", acl={"v": 1, "grants": []})
    store.do(MAIN, "PutBucketOwnershipControls", OwnershipControls=ENFORCED)
    code = "AccessControlListNotSupported"
    refused(code, store.do, MAIN, "PutBucketAcl", ACL="private")
    refused(code, store.do, MAIN, "PutObjectAcl", "k", ACL="private")
    whole = {"ID": "main", "DisplayName": "Main"}
    everything = [{"Grantee": {"Type": "CanonicalUser", **whole}, "Permission": "FULL_CONTROL"}]
    for shown in (store.do(MAIN, "GetBucketAcl"), store.do(MAIN, "GetObjectAcl", "k")):
        assert shown == {"Owner": whole, "Grants": everything}
    with pytest.raises(AccessDenied):
        store.do(ALT, "GetObjectAcl", "k")


# -- lists --------------------------------------------------------------------------------------
OWNER = {"ID": "main", "DisplayName": "Main"}


def document(*grants: tuple[dict[str, str], str], owner: str = "main") -> dict[str, Any]:
    return {
        "Owner": {"ID": owner},
        "Grants": [{"Grantee": grantee, "Permission": given} for grantee, given in grants],
    }


def user(user_id: str) -> dict[str, str]:
    return {"Type": "CanonicalUser", "ID": user_id}


EVERYBODY = {"Type": "Group", "URI": ALL_USERS}


@pytest.mark.parametrize("thing", ["Bucket", "Object"])
def test_a_list_is_shown_as_it_was_set(store: Store, thing: str) -> None:
    """With the names of its users, and groups first."""
    key = "" if thing == "Bucket" else "k"
    store.put("k", owner="main")
    get, put = f"Get{thing}Acl", f"Put{thing}Acl"
    assert store.do(MAIN, get, key)["Owner"] == OWNER
    wanted = document((user("alt"), "READ"), (EVERYBODY, "READ_ACP"))
    store.do(MAIN, put, key, AccessControlPolicy=wanted)
    assert store.do(MAIN, get, key) == {
        "Owner": OWNER,
        "Grants": [
            {"Grantee": EVERYBODY, "Permission": "READ_ACP"},
            {"Grantee": {**user("alt"), "DisplayName": "Alt"}, "Permission": "READ"},
        ],
    }
    assert store.do(ANONYMOUS, get, key)["Owner"] == OWNER
    with pytest.raises(AccessDenied):
        store.do(ALT, put, key, ACL="public-read")
    store.do(MAIN, put, key, AccessControlPolicy=document())
    assert store.do(MAIN, get, key)["Grants"] == []
    store.do(MAIN, put, key, ACL="private")
    assert store.do(MAIN, get, key)["Grants"] == [
        {"Grantee": {**user("main"), "DisplayName": "Main"}, "Permission": "FULL_CONTROL"}
    ]


@pytest.mark.parametrize("thing", ["Bucket", "Object"])
def test_who_may_write_a_list_does_not_become_the_owner(store: Store, thing: str) -> None:
    """Nor can they make somebody else it."""
    key = "" if thing == "Bucket" else "k"
    store.put("k", owner="main")
    put = f"Put{thing}Acl"
    store.do(MAIN, put, key, GrantFullControl="id=alt")
    with pytest.raises(AccessDenied, match="owner"):
        store.do(ALT, put, key, AccessControlPolicy=document((user("alt"), "READ"), owner="alt"))
    store.do(ALT, put, key, AccessControlPolicy=document((user("alt"), "READ_ACP")))
    assert store.do(ALT, f"Get{thing}Acl", key)["Owner"] == OWNER
    with pytest.raises(AccessDenied):
        store.do(ALT, put, key, ACL="private")


@pytest.mark.parametrize(
    ("code", "request_"),
    [
        ("MissingSecurityHeader", {}),
        ("InvalidArgument", {"ACL": "everybody"}),
        ("InvalidArgument", {"AccessControlPolicy": document((user("nobody"), "READ"))}),
        ("MalformedACLError", {"AccessControlPolicy": document((user("alt"), "ALL"))}),
        ("MalformedACLError", {"AccessControlPolicy": {}}),
        ("UnexpectedContent", {"AccessControlPolicy": document(), "ACL": "private"}),
        ("UnexpectedContent", {"AccessControlPolicy": document(), "GrantRead": "id=alt"}),
        ("InvalidRequest", {"ACL": "private", "GrantRead": "id=alt"}),
    ],
)
@pytest.mark.parametrize("thing", ["Bucket", "Object"])
def test_a_list_that_makes_no_sense_changes_nothing(
    store: Store, thing: str, code: str, request_: dict[str, Any]
) -> None:
    """It is refused with S3's code."""
    key = "" if thing == "Bucket" else "k"
    store.put("k", owner="main")
    before = store.do(MAIN, f"Get{thing}Acl", key)
    refused(code, store.do, MAIN, f"Put{thing}Acl", key, **request_)
    assert store.do(MAIN, f"Get{thing}Acl", key) == before


@pytest.mark.parametrize("thing", ["Bucket", "Object"])
def test_public_lists_can_be_blocked(store: Store, thing: str) -> None:
    """Also of things that are there."""
    key = "" if thing == "Bucket" else "k"
    store.put("k", owner="main")
    store.do(MAIN, BLOCK, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    for request in ({"ACL": "public-read"}, {"AccessControlPolicy": document((EVERYBODY, "READ"))}):
        with pytest.raises(AccessDenied, match="public"):
            store.do(MAIN, f"Put{thing}Acl", key, **request)
    store.do(MAIN, f"Put{thing}Acl", key, ACL="private")


def test_versions_have_lists_of_their_own(store: Store) -> None:
    """And a new one begins private."""
    now(store.objects.set_versioning("b", Versioning.ENABLED))
    old = store.put("k", owner="main")
    store.do(MAIN, "PutObjectAcl", "k", VersionId=old.version_id, ACL="public-read")
    new = store.put("k", owner="main")
    assert len(store.do(MAIN, "GetObjectAcl", "k", VersionId=old.version_id)["Grants"]) == 2
    assert len(store.do(MAIN, "GetObjectAcl", "k")["Grants"]) == 1
    store.check(ALT, Action.GET_VERSION, "k").version(
        now(store.objects.head("b", "k", version_of(old.version_id)))
    )
    with pytest.raises(AccessDenied):
        store.check(ALT, Action.GET_VERSION, "k").version(new)


def version_of(version_id: str) -> Any:
    return GetRequest(version_id=version_id)


@pytest.mark.parametrize("operation", ["GetObjectAcl", "PutObjectAcl"])
def test_what_is_not_there_has_no_list(store: Store, operation: str) -> None:
    """Which is told to those who may list the bucket."""
    more = {"ACL": "private"} if operation == "PutObjectAcl" else {}
    with pytest.raises(NoSuchKey):
        store.do(MAIN, operation, "none", **more)
    with pytest.raises(AccessDenied):
        store.do(ALT, operation, "none", **more)
    now(store.objects.set_versioning("b", Versioning.ENABLED))
    store.put("k", owner="main")
    with pytest.raises(NoSuchVersion):
        store.do(MAIN, operation, "k", VersionId="none", **more)
    marker = now(store.objects.delete("b", "k", DeleteRequest())).version_id
    with pytest.raises((MethodNotAllowed, NoSuchKey)):
        store.do(MAIN, operation, "k", VersionId=marker, **more)


def test_users_who_may_do_everything_set_lists_of_others(store: Store) -> None:
    """The thing stays its owner's."""
    store.put("k", owner="alt")
    store.do(ROOT, "PutObjectAcl", "k", ACL="bucket-owner-full-control")
    assert store.do(MAIN, "GetObjectAcl", "k")["Owner"]["ID"] == "alt"
