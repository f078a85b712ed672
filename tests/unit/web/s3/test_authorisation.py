"""Whether the caller of a request may do it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from godos.model.acl import Acl, Grant, Permission
from godos.model.errors import AccessDenied, NoSuchBucket
from godos.model.multipart import MultipartUpload
from godos.model.users import Principal
from godos.protocol.acl import canned
from godos.protocol.bucket_access import Ownership, ownership_document
from godos.web.access import Action
from godos.web.s3.call import HOLDS_NOTHING_BACK
from tests.unit.web.s3.asking import ALT, ANONYMOUS, MAIN, ROOT, Store, now


@pytest.fixture
def store() -> Store:
    return Store()


def policy(store: Store, *statements: dict[str, Any]) -> None:
    """Make a policy of these statements, for everybody and the whole bucket if not said."""
    whole = [
        {
            "Effect": "Allow",
            "Principal": "*",
            "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"],
            **statement,
        }
        for statement in statements
    ]
    text = json.dumps({"Version": "2012-10-17", "Statement": whole})
    now(store.objects.set_setting("b", "policy", {"text": text}))


def test_nothing_is_read_for_who_may_do_everything(store: Store) -> None:
    """And nothing is made: it is the same permit for all of them."""
    for action in Action:
        assert store.check(ROOT, action, "k") is HOLDS_NOTHING_BACK
    assert store.check(ROOT, Action.GET, "k", bucket="none") is HOLDS_NOTHING_BACK
    assert store.reads == 0


def test_a_bucket_that_is_not_there_is_told_of(store: Store) -> None:
    """Also to who could not read it."""
    with pytest.raises(NoSuchBucket):
        store.check(ANONYMOUS, Action.GET, "k", bucket="none")


def test_making_a_bucket_reads_none(store: Store) -> None:
    """There is none yet."""
    store.check(ALT, Action.CREATE_BUCKET, bucket="new")
    store.check(ALT, Action.LIST_BUCKETS, bucket="")
    for action in (Action.CREATE_BUCKET, Action.LIST_BUCKETS, Action.METRICS):
        with pytest.raises(AccessDenied):
            store.check(ANONYMOUS, action, bucket="new")
    assert store.reads == 0


def test_an_object_decides_about_itself(store: Store) -> None:
    """Its list lets in whom the bucket does not know."""
    listed = Acl((Grant(Permission.READ, user="alt"),)).document()
    open_one = store.put("open", owner="main", acl=listed)
    closed = store.put("closed", owner="main")
    store.check(ALT, Action.GET, "open").version(open_one)
    with pytest.raises(AccessDenied, match=r"alt.*s3:GetObject.*b/closed"):
        store.check(ALT, Action.GET, "closed").version(closed)
    with pytest.raises(AccessDenied, match="does not sign"):
        store.check(ANONYMOUS, Action.GET, "open").version(open_one)
    store.check(MAIN, Action.GET, "closed").version(closed)


def test_what_is_missing_is_told_only_to_who_may_list(store: Store) -> None:
    """To all others it looks as if it were forbidden."""
    store.check(MAIN, Action.GET, "k").absent()
    with pytest.raises(AccessDenied):
        store.check(ALT, Action.GET, "k").absent()
    policy(store, {"Action": "s3:GetObject"})
    with pytest.raises(AccessDenied):
        store.check(ALT, Action.GET, "k").absent()
    policy(store, {"Action": "s3:ListBucket"})
    store.check(ALT, Action.GET, "k").absent()
    policy(store, {"Action": "s3:ListBucket"}, {"Effect": "Deny", "Action": "s3:GetObject"})
    with pytest.raises(AccessDenied):
        store.check(ALT, Action.GET, "k")


def test_who_may_list_some_names_is_told_of_those(store: Store) -> None:
    """The condition on the prefix is asked about the name itself."""
    condition = {"StringLike": {"s3:prefix": "public/*"}}
    policy(store, {"Action": "s3:ListBucket", "Condition": condition})
    store.check(ALT, Action.GET, "public/k").absent()
    with pytest.raises(AccessDenied):
        store.check(ALT, Action.GET, "private/k").absent()
    store.check(ALT, Action.LIST, request={"Prefix": "public/a"})
    with pytest.raises(AccessDenied):
        store.check(ALT, Action.LIST, request={"Prefix": "private/"})
    with pytest.raises(AccessDenied):
        store.check(ALT, Action.LIST)


@pytest.mark.parametrize("effect", ["Allow", "Deny"])
def test_the_tags_of_an_object_decide(store: Store, effect: str) -> None:
    """For and against; and without an object there are none."""
    condition = {"StringEquals": {"s3:ExistingObjectTag/Level": "secret"}}
    policy(
        store,
        *([{"Action": ["s3:GetObject", "s3:ListBucket"]}] if effect == "Deny" else []),
        {"Effect": effect, "Action": "s3:GetObject", "Condition": condition},
    )
    secret = store.put("secret", tags={"Level": "secret"}, owner="main")
    plain = store.put("plain", tags={"Level": "low"}, owner="main")
    forbidden, allowed = (secret, plain) if effect == "Deny" else (plain, secret)
    store.check(ALT, Action.GET, allowed.key).version(allowed)
    with pytest.raises(AccessDenied):
        store.check(ALT, Action.GET, forbidden.key).version(forbidden)
    if effect == "Deny":
        store.check(ALT, Action.GET, "none").absent()
        with pytest.raises(AccessDenied):
            store.check(MAIN, Action.GET, "secret").version(secret)


def test_tags_of_the_object_are_nothing_to_actions_that_have_none(store: Store) -> None:
    """Writing and deleting are decided without reading what is there, as in S3."""
    condition = {"Null": {"s3:ExistingObjectTag/Level": "true"}}
    policy(store, {"Action": ["s3:PutObject", "s3:DeleteObject"], "Condition": condition})
    store.put("k", tags={"Level": "secret"})
    for action in (Action.PUT, Action.DELETE):
        permit = store.check(ALT, action, "k")
        assert permit.settled  # type: ignore[attr-defined]


def test_what_a_body_says_is_asked_when_it_was_read(store: Store) -> None:
    """The tags that PutObjectTagging brings come after the first decision."""
    condition = {"StringEquals": {"s3:RequestObjectTag/Level": "low"}}
    policy(store, {"Action": "s3:PutObjectTagging", "Condition": condition})
    version = store.put("k", owner="main")
    for level, allowed in (("low", True), ("high", False)):
        request: dict[str, Any] = {}
        permit = store.check(ALT, Action.PUT_TAGGING, "k", request)
        request["Tagging"] = {"TagSet": [{"Key": "Level", "Value": level}]}
        if allowed:
            permit.version(version)
        else:
            with pytest.raises(AccessDenied):
                permit.version(version)


def test_a_deny_of_what_a_body_says_holds_for_the_owner(store: Store) -> None:
    """A retention that is too strict is refused, whoever asks."""
    condition = {"NumericGreaterThan": {"s3:object-lock-remaining-retention-days": "30"}}
    policy(store, {"Effect": "Deny", "Action": "s3:PutObjectRetention", "Condition": condition})
    version = store.put("k", owner="main")
    for days, allowed in ((10, True), (40, False)):
        request: dict[str, Any] = {}
        permit = store.check(MAIN, Action.PUT_RETENTION, "k", request)
        until = 1_700_000_000.0 + days * 86400
        request["Retention"] = {"Mode": "GOVERNANCE", "RetainUntilDate": until}
        if allowed:
            permit.version(version)
        else:
            with pytest.raises(AccessDenied):
                permit.version(version)


def test_who_makes_an_object_may_tag_it(store: Store) -> None:
    """It will be theirs; who does not sign needs a grant to write, or a policy."""
    request = {"Tagging": "Level=low"}
    store.check(MAIN, Action.PUT_TAGGING, "k", request).created()
    store.check(ALT, Action.PUT_TAGGING, "k", request).created()
    with pytest.raises(AccessDenied):
        store.check(ANONYMOUS, Action.PUT_TAGGING, "k", request).created()
    acl = canned("public-read-write", "main", "main").document()
    now(store.objects.set_setting("b", "acl", acl))
    store.check(ANONYMOUS, Action.PUT_TAGGING, "k", request).created()


def test_who_makes_an_object_may_say_who_reads_it(store: Store) -> None:
    """As they could afterwards; whom a policy lets only put objects may not publish them."""
    store.check(MAIN, Action.PUT_ACL, "k").created()
    store.check(ALT, Action.PUT_ACL, "k").created()
    statement = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    uploader = Principal("main", policy=document)
    policy(store, {"Action": "s3:PutObject"})
    for principal in (uploader, ANONYMOUS):
        store.check(principal, Action.PUT, "k")
        with pytest.raises(AccessDenied):
            store.check(principal, Action.PUT_ACL, "k").created()


def test_each_version_that_is_shown_is_decided_about(store: Store) -> None:
    """One that took the place of another while it was read is not let out with it."""
    listed = Acl((Grant(Permission.READ, user="alt"),)).document()
    shared = store.put("k", owner="main", acl=listed)
    permit = store.check(ALT, Action.GET, "k")
    permit.version(shared)
    replaced = store.put("k", owner="main")
    with pytest.raises(AccessDenied):
        permit.version(replaced)


@pytest.mark.parametrize("action", [Action.GET_POLICY, Action.PUT_POLICY, Action.DELETE_POLICY])
def test_a_policy_hands_itself_over_to_nobody(store: Store, action: Action) -> None:
    """Not even one that allows everybody everything; a user's own policy can."""
    policy(store, {"Action": "s3:*"})
    for principal in (ALT, ANONYMOUS):
        store.check(principal, Action.PUT, "k")
        with pytest.raises(AccessDenied):
            store.check(principal, action)
    store.check(MAIN, action)
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    store.check(Principal("alt", policy={"Statement": [statement]}), action)


def test_tags_of_a_new_object_can_be_denied(store: Store) -> None:
    """Whatever the maker may do otherwise."""
    condition = {"StringNotEquals": {"s3:RequestObjectTag/Level": "low"}}
    deny = {"Effect": "Deny", "Action": "s3:PutObjectTagging", "Condition": condition}
    policy(store, {"Action": "s3:PutObject"}, deny)
    for principal in (MAIN, ALT):
        low, high = {"Tagging": "Level=low"}, {"Tagging": "Level=high"}
        store.check(principal, Action.PUT_TAGGING, "k", low).created()
        with pytest.raises(AccessDenied):
            store.check(principal, Action.PUT_TAGGING, "k", high).created()


def test_where_the_bucket_owner_owns_all_others_tag_nothing(store: Store) -> None:
    """Unless a policy lets them."""
    document = ownership_document(Ownership.ENFORCED)
    now(store.objects.set_setting("b", "ownership-controls", document))
    policy(store, {"Action": "s3:PutObject"})
    with pytest.raises(AccessDenied):
        store.check(ALT, Action.PUT_TAGGING, "k").created()
    policy(store, {"Action": ["s3:PutObject", "s3:PutObjectTagging"]})
    store.check(ALT, Action.PUT_TAGGING, "k").created()


def test_a_lock_that_comes_with_an_upload_is_asked_about(store: Store) -> None:
    """Its headers say what a body says otherwise."""
    condition = {"StringEquals": {"s3:object-lock-mode": "COMPLIANCE"}}
    policy(store, {"Effect": "Deny", "Action": "s3:PutObjectRetention", "Condition": condition})
    store.check(MAIN, Action.PUT_RETENTION, "k", {"ObjectLockMode": "GOVERNANCE"}).created()
    with pytest.raises(AccessDenied):
        store.check(MAIN, Action.PUT_RETENTION, "k", {"ObjectLockMode": "COMPLIANCE"}).created()


def test_an_upload_belongs_to_who_began_it(store: Store) -> None:
    """Who may list its parts and give it up, even if they may write no more."""
    upload = MultipartUpload("u", "b", "k", 0.0, initiator="alt")
    for action in (Action.ABORT_UPLOAD, Action.LIST_PARTS):
        store.check(ALT, action, "k").upload(upload)
        store.check(MAIN, action, "k").upload(upload)
        with pytest.raises(AccessDenied):
            store.check(Principal("eve"), action, "k").upload(upload)
        with pytest.raises(AccessDenied):
            store.check(ANONYMOUS, action, "k")


def test_a_request_that_expects_another_owner_is_refused(store: Store) -> None:
    """Also of who may do everything."""
    name = "x-amz-expected-bucket-owner"
    for principal in (MAIN, ROOT):
        store.check(principal, Action.PUT, "k", headers={name: "main"})
        with pytest.raises(AccessDenied, match="alt"):
            store.check(principal, Action.PUT, "k", headers={name: "alt"})


def test_a_copy_expects_an_owner_of_each_bucket(store: Store) -> None:
    """The source's has a header of its own."""
    headers = {
        "x-amz-copy-source": "b/k",
        "x-amz-expected-bucket-owner": "alt",
        "x-amz-source-expected-bucket-owner": "main",
    }
    store.check(MAIN, Action.GET, "k", headers=headers)
    with pytest.raises(AccessDenied):
        store.check(MAIN, Action.PUT, "k", headers=headers)
    with pytest.raises(AccessDenied):
        wrong = headers | {"x-amz-source-expected-bucket-owner": "alt"}
        store.check(MAIN, Action.GET, "k", headers=wrong)


def test_a_permit_shows_nothing_of_its_caller(store: Store) -> None:
    """It may stand in a log."""
    permit = store.check(Principal("main", access_key="AKIA"), Action.GET, "k")
    assert "AKIA" not in repr(permit)


def test_a_change_of_policy_is_seen_by_the_next_request(store: Store) -> None:
    """What was read before is not kept beyond its document."""
    for effect in ("Allow", "Deny", "Allow"):
        policy(store, {"Effect": effect, "Action": "s3:PutObject"})
        if effect == "Allow":
            store.check(ALT, Action.PUT, "k")
        else:
            with pytest.raises(AccessDenied):
                store.check(ALT, Action.PUT, "k")
