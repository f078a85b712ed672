"""All that has a say in whether somebody may do something."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from godos.model.acl import Acl, Grant, Permission
from godos.model.multipart import MultipartUpload
from godos.model.users import ALL_USERS, ANONYMOUS, AUTHENTICATED_USERS, Principal
from godos.model.versions import Attributes, Bucket, ObjectVersion
from godos.protocol.access import Question, Thing, store_answer
from godos.protocol.acl import canned
from godos.protocol.acl_rights import OF_OBJECTS, ON_BUCKETS, ON_OBJECTS
from godos.protocol.bucket_access import (
    Ownership,
    block_document,
    block_of,
    ownership_document,
    ownership_of,
)
from godos.protocol.policies import Shelf
from godos.protocol.policies_facts import NoFacts
from godos.web.access import Action

MAIN, ALT, WRITER = Principal("main"), Principal("alt"), Principal("writer")
BUCKET = Bucket("b", "1", "main", 0.0)
UPLOAD = MultipartUpload("u", "b", "k", 0.0, initiator="alt")
FACTS = NoFacts()
Settings = Mapping[str, Any]


def own(effect: str, action: Any = "*", resource: Any = "*") -> dict[str, Any]:
    """A user's own policy."""
    return {"Statement": [{"Effect": effect, "Action": action, "Resource": resource}]}


def policy(effect: str, action: Any = "*", who: Any = "*") -> Settings:
    """A bucket's policy, about it and all in it."""
    statement = {"Effect": effect, "Action": action, "Principal": who}
    statement["Resource"] = ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]
    return {"policy": {"text": json.dumps({"Statement": [statement]})}}


def acl(name: str) -> Settings:
    return {"acl": canned(name, "main", "main").document()}


def ownership(named: Ownership) -> Settings:
    return {"ownership-controls": ownership_document(named)}


def block(**members: bool) -> Settings:
    return {"public-access-block": block_document(members)}


def version(owner: str = "", granted: Acl | None = None) -> ObjectVersion:
    document = None if granted is None else granted.document()
    attributes = Attributes(owner=owner, acl=document)
    return ObjectVersion("b", "k", "v", 1, "e", 0, 0.0, None, "r", "r", attributes=attributes)


def may(
    principal: Principal, action: str, thing: Thing = None, *settings: Settings, key: str = "k"
) -> bool | None:
    merged = {name: document for each in settings for name, document in each.items()}
    return Question(principal, action, BUCKET, key, merged, Shelf()).answer(FACTS, thing)


def bucket_may(principal: Principal, action: str, *settings: Settings) -> bool | None:
    return may(principal, action, None, *settings, key="")


# -- buckets ------------------------------------------------------------------------------
BUCKET_ACTIONS = [action for action in Action if "Object" not in action and action[:3] == "s3:"]


def test_the_owner_of_a_bucket_may_do_all_to_it_and_others_nothing() -> None:
    """Where nothing is set."""
    for action in BUCKET_ACTIONS:
        assert bucket_may(MAIN, action) is True, action
        if action not in ("s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"):
            assert bucket_may(ALT, action) is False, action
        assert bucket_may(ANONYMOUS, action) is False, action


@pytest.mark.parametrize(
    ("permission", "actions"),
    [
        ("READ", {"s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"}),
        (
            "WRITE",
            {
                "s3:PutObject",
                "s3:DeleteObject",
                "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts",
            },
        ),
        ("READ_ACP", {"s3:GetBucketAcl"}),
        ("WRITE_ACP", {"s3:PutBucketAcl"}),
        ("FULL_CONTROL", set(ON_BUCKETS)),
    ],
)
def test_a_grant_on_a_bucket_gives_what_s3_says_and_no_more(
    permission: str, actions: set[str]
) -> None:
    """And the anonymous have nothing of a grant to a user."""
    granted = {"acl": Acl((Grant(Permission(permission), user="alt"),)).document()}
    assert {action for action in Action if bucket_may(ALT, action, granted)} == actions
    assert not [action for action in Action if bucket_may(ANONYMOUS, action, granted)]
    assert not [action for action in Action if bucket_may(WRITER, action, granted)]


@pytest.mark.parametrize(
    ("name", "alt", "anonymous"),
    [
        ("private", (False, False), (False, False)),
        ("public-read", (True, False), (True, False)),
        ("public-read-write", (True, True), (True, True)),
        ("authenticated-read", (True, False), (False, False)),
        ("log-delivery-write", (False, False), (False, False)),
    ],
)
def test_a_canned_list_of_a_bucket_lets_in(
    name: str, alt: tuple[bool, bool], anonymous: tuple[bool, bool]
) -> None:
    """(Whether they may list, and whether they may write.)"""
    actions = ("s3:ListBucket", "s3:PutObject")
    assert tuple(bucket_may(ALT, action, acl(name)) for action in actions) == alt
    assert tuple(bucket_may(ANONYMOUS, action, acl(name)) for action in actions) == anonymous


def test_owners_do_not_lose_their_own_by_an_empty_list() -> None:
    """A list without grants keeps out all others."""
    empty = {"acl": Acl(()).document()}
    assert bucket_may(MAIN, "s3:PutBucketAcl", empty)
    assert bucket_may(MAIN, "s3:ListBucket", empty)
    assert not bucket_may(ALT, "s3:ListBucket", empty)


def test_a_list_that_cannot_be_read_lets_nobody_in() -> None:
    """But the owner, who can replace it."""
    damaged = {"acl": {"v": 9}}
    assert bucket_may(ALT, "s3:ListBucket", damaged) is False
    assert bucket_may(MAIN, "s3:PutBucketAcl", damaged) is True
    assert may(ALT, "s3:GetObject", evolve(version(), attributes=Attributes(acl={}))) is False


# -- policies of buckets ------------------------------------------------------------------
def test_a_policy_lets_others_do_what_it_says() -> None:
    """To everybody, or to those it names."""
    assert bucket_may(ALT, "s3:ListBucket", policy("Allow", "s3:ListBucket"))
    assert bucket_may(ANONYMOUS, "s3:ListBucket", policy("Allow", "s3:ListBucket"))
    assert bucket_may(ALT, "s3:PutBucketCORS", policy("Allow", who={"AWS": "alt"}))
    assert not bucket_may(WRITER, "s3:PutBucketCORS", policy("Allow", who={"AWS": "alt"}))


def test_a_deny_counts_for_the_owner_too() -> None:
    """And against every list."""
    deny = policy("Deny", "s3:ListBucket")
    assert bucket_may(MAIN, "s3:ListBucket", deny) is False
    assert bucket_may(ALT, "s3:ListBucket", deny, acl("public-read")) is False
    assert bucket_may(MAIN, "s3:GetBucketAcl", deny) is True


@pytest.mark.parametrize("verb", ["Get", "Put", "Delete"])
def test_an_owner_who_locked_themselves_out_can_mend_it(verb: str) -> None:
    """Nobody else can, whatever the policy would let them do otherwise."""
    for locked in (policy("Deny"), {"policy": {"text": "{"}}, {"policy": 3}):
        assert bucket_may(MAIN, f"s3:{verb}BucketPolicy", locked) is True
        assert bucket_may(MAIN, "s3:ListBucket", locked) is False
        assert bucket_may(ALT, f"s3:{verb}BucketPolicy", locked) is False
        assert may(MAIN, "s3:GetObject", version(), locked) is False


def test_a_public_policy_can_be_kept_to_the_owner() -> None:
    """Then it lets in nobody, those it names included; its Deny stays."""
    restricted = block(RestrictPublicBuckets=True)
    assert bucket_may(ALT, "s3:ListBucket", policy("Allow"), restricted) is False
    assert bucket_may(ANONYMOUS, "s3:ListBucket", policy("Allow"), restricted) is False
    assert bucket_may(MAIN, "s3:ListBucket", policy("Allow"), restricted) is True
    assert bucket_may(MAIN, "s3:ListBucket", policy("Deny"), restricted) is False
    named = policy("Allow", who={"AWS": "alt"})
    assert bucket_may(ALT, "s3:ListBucket", named, restricted) is True


def test_public_grants_can_be_ignored() -> None:
    """On buckets and on objects; grants to users stay."""
    ignored = block(IgnorePublicAcls=True)
    assert bucket_may(ALT, "s3:ListBucket", acl("public-read"), ignored) is False
    assert bucket_may(ALT, "s3:ListBucket", acl("authenticated-read"), ignored) is False
    public = version("main", canned("public-read", "main", "main"))
    assert may(ALT, "s3:GetObject", public) is True
    assert may(ALT, "s3:GetObject", public, ignored) is False
    named = version("main", Acl((Grant(Permission.READ, user="alt"),)))
    assert may(ALT, "s3:GetObject", named, ignored) is True


def test_settings_that_cannot_be_read_are_the_strictest() -> None:
    """A document of a newer format lets nobody in."""
    assert ownership_of({"ownership-controls": {"ownership": "Shared"}}) is Ownership.ENFORCED
    assert ownership_of({"ownership-controls": 3}) is Ownership.ENFORCED
    assert block_of({"public-access-block": {"v": 2}}).ignore_public_acls
    assert block_of({"public-access-block": 3}).restrict_public_buckets
    assert ownership_of({}) is Ownership.WRITER
    assert not block_of({}).block_public_acls


# -- objects ------------------------------------------------------------------------------
def test_an_object_is_its_writers_and_its_buckets_owner_does_not_read_it() -> None:
    """But may delete it, and tag it."""
    written = version("writer")
    assert may(WRITER, "s3:GetObject", written) is True
    assert may(WRITER, "s3:PutObjectAcl", written) is True
    assert may(MAIN, "s3:GetObject", written) is False
    assert may(MAIN, "s3:GetObjectAcl", written) is False
    assert may(MAIN, "s3:DeleteObject", written) is True
    assert may(MAIN, "s3:DeleteObjectVersion", written) is True
    assert may(MAIN, "s3:PutObjectTagging", written) is True
    assert may(WRITER, "s3:PutObjectTagging", written) is True
    assert may(WRITER, "s3:DeleteObject", written) is False
    assert may(WRITER, "s3:PutObjectRetention", written) is False
    assert may(ALT, "s3:GetObject", written) is False


def test_an_object_without_an_owner_is_the_buckets_owners() -> None:
    """As all were before there were users."""
    assert may(MAIN, "s3:GetObject", version()) is True
    assert may(ALT, "s3:GetObject", version()) is False


@pytest.mark.parametrize("permission", Permission)
def test_a_grant_on_an_object_gives_what_s3_says_and_no_more(permission: Permission) -> None:
    """Writing to an object is nothing; its bytes are replaced in the bucket."""
    granted = version("main", Acl((Grant(permission, user="alt"),)))
    everything = permission is Permission.FULL_CONTROL
    for action in OF_OBJECTS:
        expected = action in ON_OBJECTS and (everything or ON_OBJECTS[action] is permission)
        assert may(ALT, action, granted) is expected, action
        assert may(ANONYMOUS, action, granted) is False, action
        assert may(MAIN, action, granted) is True, action


@pytest.mark.parametrize(
    ("group", "alt", "anonymous"),
    [(ALL_USERS, True, True), (AUTHENTICATED_USERS, True, False)],
)
def test_groups_let_in_who_is_in_them(group: str, alt: bool, anonymous: bool) -> None:
    """Who has signed is in both."""
    granted = version("main", Acl((Grant(Permission.READ, group=group),)))
    assert may(ALT, "s3:GetObject", granted) is alt
    assert may(ANONYMOUS, "s3:GetObject", granted) is anonymous


def test_where_lists_mean_nothing_all_objects_are_the_buckets_owners() -> None:
    """Whoever wrote them, and whatever their lists say; policies count."""
    enforced = ownership(Ownership.ENFORCED)
    public = version("writer", canned("public-read", "writer", "main"))
    assert may(MAIN, "s3:GetObject", public, enforced) is True
    assert may(WRITER, "s3:GetObject", public, enforced) is False
    assert may(ALT, "s3:GetObject", public, enforced) is False
    assert bucket_may(ALT, "s3:ListBucket", acl("public-read"), enforced) is False
    assert may(ALT, "s3:GetObject", public, enforced, policy("Allow")) is True


def test_what_depends_on_the_object_is_open_until_it_is_known() -> None:
    """And what does not is decided at once."""
    assert may(ALT, "s3:GetObject") is None
    assert may(ALT, "s3:GetObject", None, policy("Allow")) is True
    assert may(ALT, "s3:GetObject", None, policy("Deny")) is False
    assert may(MAIN, "s3:GetObject", None, ownership(Ownership.ENFORCED)) is True
    assert may(ALT, "s3:GetObject", None, ownership(Ownership.ENFORCED)) is False
    assert may(ALT, "s3:PutObject") is False


def test_who_began_an_upload_may_list_and_abort_it() -> None:
    """As may the bucket's owner; others may not."""
    for action in ("s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"):
        assert may(ALT, action) is None
        assert may(ALT, action, UPLOAD) is True
        assert may(WRITER, action, UPLOAD) is False
        assert may(MAIN, action, UPLOAD) is True
        assert may(ANONYMOUS, action, UPLOAD) is False
        assert may(ALT, action, UPLOAD, policy("Deny")) is False
    assert may(ALT, "s3:GetObject", UPLOAD) is False


def test_nobody_in_particular_owns_nothing() -> None:
    """What was made on a server that was open then belongs to nobody who does not sign."""
    old = Question(ANONYMOUS, "s3:ListBucket", evolve(BUCKET, owner="anonymous"), "", {}, Shelf())
    assert old.answer(FACTS) is False
    read = evolve(old, action="s3:GetObject", key="k")
    assert read.answer(FACTS, version("anonymous")) is False


# -- users with policies of their own -------------------------------------------------------
def test_a_users_own_policy_is_all_that_they_may_do() -> None:
    """Beside what others grant them; owning something is then no reason."""
    reader = Principal("main", policy=own("Allow", "s3:Get*"))
    assert may(reader, "s3:GetObject", version("writer")) is True
    assert may(reader, "s3:PutObject") is False
    assert bucket_may(reader, "s3:ListBucket") is False
    writer = Principal("main", policy=own("Allow", "s3:PutObject"))
    assert may(writer, "s3:GetObject", version("main")) is False
    assert may(writer, "s3:GetObject", version("main", Acl(())), policy("Allow")) is True
    alone = version("main", canned("private", "main", "main"))
    assert may(writer, "s3:GetObject", alone) is False
    public = version("main", canned("public-read", "main", "main"))
    assert may(writer, "s3:GetObject", public) is True


def test_a_users_own_deny_wins() -> None:
    """Against ownership, lists and the bucket's policy, and in what owners always may."""
    denied = Principal("main", policy=own("Deny"))
    assert bucket_may(denied, "s3:ListBucket", policy("Allow"), acl("public-read")) is False
    assert bucket_may(denied, "s3:PutBucketPolicy") is False
    unreadable = Principal("main", policy={"Statement": "everything"})
    assert bucket_may(unreadable, "s3:ListBucket", policy("Allow"), acl("public-read")) is False


def limited(effect: str, action: str = "*", resource: str = "*") -> Principal:
    return Principal("x", policy=own(effect, action, resource))


@pytest.mark.parametrize(
    ("principal", "create", "listing", "metrics"),
    [
        (ALT, True, True, False),
        (ANONYMOUS, False, False, False),
        (
            Principal("x", policy=own("Allow", "s3:CreateBucket", "arn:aws:s3:::b*")),
            True,
            False,
            False,
        ),
        (Principal("x", policy=own("Allow", "s3:*", "arn:aws:s3:::c*")), False, False, False),
        (Principal("x", policy=own("Allow", "s3:List*", "arn:aws:s3:::*")), False, True, False),
        (Principal("x", policy=own("Allow", "godos:Metrics")), False, False, True),
        (Principal("x", policy=own("Deny")), False, False, False),
        (Principal("x", policy={}), False, False, False),
    ],
)
def test_what_is_about_no_bucket_that_exists(
    principal: Principal, create: bool, listing: bool, metrics: bool
) -> None:
    """Who has signed may make buckets and list theirs, unless their policy says otherwise."""
    shelf = Shelf()
    assert store_answer(principal, "s3:CreateBucket", "b", FACTS, shelf) is create
    assert store_answer(principal, "s3:ListAllMyBuckets", "", FACTS, shelf) is listing
    assert store_answer(principal, "godos:Metrics", "", FACTS, shelf) is metrics


# -- properties -----------------------------------------------------------------------------
PRINCIPALS = st.sampled_from(
    [MAIN, ALT, WRITER, ANONYMOUS, Principal("main", policy=own("Allow", "s3:Get*"))]
)
GRANTS = st.lists(
    st.builds(Grant, st.sampled_from(Permission), user=st.sampled_from(["main", "alt", "writer"]))
    | st.builds(Grant, st.sampled_from(Permission), group=st.sampled_from([ALL_USERS])),
    max_size=3,
)
SETTINGS = st.tuples(
    st.sampled_from(
        [{}, policy("Allow"), policy("Allow", "s3:Get*", {"AWS": "alt"}), policy("Deny", "s3:Put*")]
    ),
    st.just({}) | GRANTS.map(lambda grants: {"acl": Acl(tuple(grants)).document()}),
    st.sampled_from([{}, *(ownership(each) for each in Ownership)]),
    st.sampled_from([{}, block(IgnorePublicAcls=True), block(RestrictPublicBuckets=True)]),
)
VERSIONS = st.builds(
    version, st.sampled_from(["", "main", "writer"]), st.none() | GRANTS.map(tuple).map(Acl)
)


@given(PRINCIPALS, st.sampled_from(Action), SETTINGS, VERSIONS)
def test_a_decision_before_the_object_is_read_is_the_one_after(
    principal: Principal, action: Action, settings: tuple[Settings, ...], thing: ObjectVersion
) -> None:
    """What the object does not matter to is never decided otherwise with it."""
    early, late = may(principal, action, None, *settings), may(principal, action, thing, *settings)
    assert early is None or early is late


@given(PRINCIPALS, st.sampled_from(Action), SETTINGS, VERSIONS)
def test_a_deny_for_all_lets_nobody_do_anything(
    principal: Principal, action: Action, settings: tuple[Settings, ...], thing: ObjectVersion
) -> None:
    """But the owner mend the policy."""
    allowed = may(principal, action, thing, *settings, policy("Deny"))
    mends = principal == MAIN and action in (
        Action.GET_POLICY,
        Action.PUT_POLICY,
        Action.DELETE_POLICY,
    )
    own_reason = principal.policy is not None and action == Action.GET_POLICY
    assert allowed is (mends or own_reason)


@given(PRINCIPALS, st.sampled_from(Action), SETTINGS, VERSIONS)
def test_blocking_public_access_never_lets_more_in(
    principal: Principal, action: Action, settings: tuple[Settings, ...], thing: ObjectVersion
) -> None:
    """Whatever else is set."""
    *others, _ = settings
    blocked = block(IgnorePublicAcls=True, RestrictPublicBuckets=True)
    if may(principal, action, thing, *others, blocked):
        assert may(principal, action, thing, *others)
