"""Policies and requests: what is denied, what is allowed, and what nobody speaks of."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from godos.protocol.policies_facts import LATER, NOBODY, Values, Who, service, user
from godos.protocol.policies_public import is_public
from godos.protocol.policies_reading import read_bucket_policy
from godos.protocol.policies_statements import Policy, Verdict, arn

EVE, BOB = user("eve"), user("bob")
IN = "arn:aws:s3:::b/*"


@frozen
class Known:
    of: dict[str, Values] = field(factory=dict)

    def values(self, key: str) -> Values:
        return self.of.get(key, ())


def statement(effect: str = "Allow", **members: Any) -> dict[str, Any]:
    whole = {
        "Effect": effect,
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": IN,
        **members,
    }
    return {name: value for name, value in whole.items() if value is not None}


def read(*statements: dict[str, Any], version: str = "2012-10-17") -> Policy:
    return read_bucket_policy(json.dumps({"Version": version, "Statement": statements}), "b")


def judge(
    policy: Policy, who: Who = EVE, action: str = "s3:GetObject", key: str = "k", **facts: Values
) -> Verdict:
    named = {name.replace("_", ":", 1): values for name, values in facts.items()}
    return policy.verdict(who, action, arn("b", key), Known(named))


NO, YES, DENY = Verdict(False, False), Verdict(False, True), Verdict(True, False)

TABLE: list[tuple[str, list[dict[str, Any]], Who, str, str, Verdict]] = [
    ("nothing said", [statement()], EVE, "s3:PutObject", "k", NO),
    ("everybody", [statement()], NOBODY, "s3:GetObject", "k", YES),
    ("everybody of AWS", [statement(Principal={"AWS": "*"})], NOBODY, "s3:GetObject", "k", YES),
    ("deny wins", [statement(), statement("Deny")], EVE, "s3:GetObject", "k", DENY),
    ("deny wins first", [statement("Deny"), statement()], EVE, "s3:GetObject", "k", DENY),
    ("by id", [statement(Principal={"AWS": "eve"})], EVE, "s3:GetObject", "k", YES),
    ("not another", [statement(Principal={"AWS": "eve"})], BOB, "s3:GetObject", "k", NO),
    ("not nobody", [statement(Principal={"AWS": "eve"})], NOBODY, "s3:GetObject", "k", NO),
    (
        "by ARN",
        [statement(Principal={"AWS": ["arn:aws:iam:::user/eve"]})],
        EVE,
        "s3:GetObject",
        "k",
        YES,
    ),
    (
        "by account",
        [statement(Principal={"AWS": "arn:aws:iam::eve:root"})],
        EVE,
        "s3:GetObject",
        "k",
        YES,
    ),
    (
        "an ARN of another account",
        [statement(Principal={"AWS": "arn:aws:iam::bob:user/eve"})],
        EVE,
        "s3:GetObject",
        "k",
        NO,
    ),
    ("canonical", [statement(Principal={"CanonicalUser": "eve"})], EVE, "s3:GetObject", "k", YES),
    (
        "canonical is no ARN",
        [statement(Principal={"CanonicalUser": "arn:aws:iam:::user/eve"})],
        EVE,
        "s3:GetObject",
        "k",
        NO,
    ),
    (
        "a service",
        [statement(Principal={"Service": "logging.s3.amazonaws.com"})],
        service("logging.s3.amazonaws.com"),
        "s3:GetObject",
        "k",
        YES,
    ),
    (
        "a service is no user",
        [statement(Principal={"Service": "eve"})],
        EVE,
        "s3:GetObject",
        "k",
        NO,
    ),
    (
        "all others are denied",
        [statement("Deny", Principal=None, NotPrincipal={"AWS": "eve"})],
        BOB,
        "s3:GetObject",
        "k",
        DENY,
    ),
    (
        "the one is not",
        [statement("Deny", Principal=None, NotPrincipal={"AWS": "eve"})],
        EVE,
        "s3:GetObject",
        "k",
        NO,
    ),
    ("an action's case", [statement(Action="S3:getOBJECT")], EVE, "s3:GetObject", "k", YES),
    ("actions with a star", [statement(Action="s3:Get*")], EVE, "s3:GetObjectAcl", "k", YES),
    ("actions with a mark", [statement(Action="s3:?etObject")], EVE, "s3:GetObject", "k", YES),
    ("all actions", [statement(Action="*")], EVE, "s3:PutObject", "k", YES),
    ("of another service", [statement(Action="sqs:*")], EVE, "s3:GetObject", "k", NO),
    (
        "all other actions",
        [statement(Action=None, NotAction="s3:Delete*")],
        EVE,
        "s3:GetObject",
        "k",
        YES,
    ),
    (
        "not that action",
        [statement(Action=None, NotAction="s3:Delete*")],
        EVE,
        "s3:DeleteObject",
        "k",
        NO,
    ),
    ("a prefix", [statement(Resource="arn:aws:s3:::b/a/*")], EVE, "s3:GetObject", "a/k", YES),
    ("another prefix", [statement(Resource="arn:aws:s3:::b/a/*")], EVE, "s3:GetObject", "b/k", NO),
    ("a key's case", [statement(Resource="arn:aws:s3:::b/A")], EVE, "s3:GetObject", "a", NO),
    ("not the objects", [statement(Resource="arn:aws:s3:::b")], EVE, "s3:GetObject", "k", NO),
    (
        "not the bucket",
        [statement(Action="s3:ListBucket")],
        EVE,
        "s3:ListBucket",
        "",
        NO,
    ),
    (
        "the bucket",
        [statement(Action="s3:ListBucket", Resource="arn:aws:s3:::b")],
        EVE,
        "s3:ListBucket",
        "",
        YES,
    ),
    (
        "all other keys",
        [statement("Deny", Resource=None, NotResource="arn:aws:s3:::b/open/*")],
        EVE,
        "s3:GetObject",
        "k",
        DENY,
    ),
    (
        "of a user's own",
        [statement(Resource="arn:aws:s3:::b/${aws:username}/*")],
        EVE,
        "s3:GetObject",
        "eve/k",
        YES,
    ),
    (
        "not of another's own",
        [statement(Resource="arn:aws:s3:::b/${aws:username}/*")],
        EVE,
        "s3:GetObject",
        "bob/k",
        NO,
    ),
]


@pytest.mark.parametrize(
    ("policy", "who", "action", "key", "expected"),
    [row[1:] for row in TABLE],
    ids=[row[0] for row in TABLE],
)
def test_a_policy_is_judged_by(
    policy: list[dict[str, Any]], who: Who, action: str, key: str, expected: Verdict
) -> None:
    """The table above."""
    verdict = judge(read(*policy), who, action, key, aws_username=("eve",))
    assert verdict.denied is expected.denied
    assert expected.denied or verdict.allowed is expected.allowed


def test_a_variable_of_the_older_language_is_text() -> None:
    """`${aws:username}` means itself before 2012."""
    own = statement(Resource="arn:aws:s3:::b/${aws:username}/*")
    old = read(own, version="2008-10-17")
    assert judge(old, key="eve/k", aws_username=("eve",)) == NO
    assert judge(old, key="${aws:username}/k", aws_username=("eve",)) == YES


def test_a_variable_without_value_leaves_it_open() -> None:
    """Nobody gets in by having no name, nor around a Deny."""
    own = {"Resource": "arn:aws:s3:::b/${aws:username}/*"}
    assert judge(read(statement(**own)), NOBODY).allowed is None
    assert judge(read(statement("Deny", **own)), NOBODY).denied is None


def test_what_the_object_decides_is_left_open_until_it_is_read() -> None:
    """Unless something else decides already."""
    tagged = {"Condition": {"StringEquals": {"s3:ExistingObjectTag/a": "b"}}}
    later: Values = LATER
    facts = {"s3_existingobjecttag/a": later}
    assert judge(read(statement(**tagged)), **facts) == Verdict(False, None)
    assert judge(read(statement("Deny", **tagged), statement()), **facts) == Verdict(None, True)
    assert judge(read(statement("Deny", **tagged), statement("Deny")), **facts).denied is True
    assert judge(read(statement(**tagged), statement()), **facts) == YES
    other = statement(**tagged, Action="s3:PutObject")
    assert judge(read(other), **facts) == NO


# -- properties ---------------------------------------------------------------------------
NAMES = st.sampled_from(["*", {"AWS": "eve"}, {"AWS": ["bob", "eve"]}, {"CanonicalUser": "bob"}])
ACTIONS = st.sampled_from(["s3:GetObject", "s3:*", "s3:Put*", "*"])
RESOURCES = st.sampled_from([IN, "arn:aws:s3:::b", "arn:aws:s3:::b/a/*", "arn:aws:s3:::b/${aws:x}"])
CONDITIONS = st.sampled_from(
    [
        {},
        {"StringEquals": {"aws:x": "a/1"}},
        {"StringNotLike": {"aws:x": ["a*", "b*"]}},
        {"Null": {"aws:x": "true"}},
        {"ForAllValues:StringLike": {"aws:x": "a*"}},
        {"StringEqualsIfExists": {"aws:x": "${aws:y}"}},
    ]
)
STATEMENTS = st.builds(
    lambda effect, who, action, resource, condition: statement(
        effect, Principal=who, Action=action, Resource=resource, Condition=condition
    ),
    st.sampled_from(["Allow", "Deny"]),
    NAMES,
    ACTIONS,
    RESOURCES,
    CONDITIONS,
)
POLICIES = st.lists(STATEMENTS, min_size=1, max_size=5)
REQUESTS = st.tuples(
    st.sampled_from([EVE, BOB, NOBODY]),
    st.sampled_from(["s3:GetObject", "s3:PutObject", "s3:ListBucket"]),
    st.sampled_from(["", "a/1", "k"]),
    st.sampled_from([(), ("a/1",), ("k", "a/1"), LATER]),
)


def outcome(statements: list[dict[str, Any]], request: Any) -> Verdict:
    who, action, key, value = request
    return judge(read(*statements), who, action, key, aws_x=value, aws_y=("k",))


def allows(verdict: Verdict) -> bool:
    return verdict.denied is False and verdict.allowed is True


@given(POLICIES, STATEMENTS, REQUESTS)
def test_a_deny_more_never_allows_more(
    statements: list[dict[str, Any]], more: dict[str, Any], request: Any
) -> None:
    """Nor does a Deny ever count less for what stands beside it."""
    before = outcome(statements, request)
    after = outcome([*statements, {**more, "Effect": "Deny"}], request)
    assert allows(before) or not allows(after)
    assert after.denied or not before.denied


@given(POLICIES, REQUESTS, st.integers(0, 5))
def test_a_deny_that_applies_wins_wherever_it_stands(
    statements: list[dict[str, Any]], request: Any, place: int
) -> None:
    """No Allow stands against it."""
    _, action, key, _ = request
    resource = f"arn:aws:s3:::b/{key}" if key else "arn:aws:s3:::b"
    deny = statement("Deny", Action=action, Resource=resource)
    assert outcome([*statements[:place], deny, *statements[place:]], request).denied is True


@given(POLICIES, REQUESTS)
def test_an_allow_more_never_allows_less(statements: list[dict[str, Any]], request: Any) -> None:
    """Statements are independent of each other, and of their order."""
    after = outcome([*statements, statement(Action="*", Resource=[IN, "arn:aws:s3:::b"])], request)
    assert after.denied == outcome(statements, request).denied
    assert after.allowed is True or after.denied
    assert outcome(statements[::-1], request) == outcome(statements, request)


@given(POLICIES, st.sampled_from(["a/1", "k"]))
def test_what_was_certain_before_stays_so(statements: list[dict[str, Any]], value: str) -> None:
    """A decision that was made before the object was read is the one after."""
    for who in (EVE, BOB, NOBODY):
        early = outcome(statements, (who, "s3:GetObject", "a/1", LATER))
        late = outcome(statements, (who, "s3:GetObject", "a/1", (value,)))
        assert early.denied is None or early.denied is late.denied
        if not late.denied:
            assert early.allowed is None or early.allowed is late.allowed


# -- the public ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("members", "public"),
    [
        ({}, True),
        ({"Principal": {"AWS": ["eve", "*"]}}, True),
        ({"Principal": {"AWS": "eve"}}, False),
        ({"Principal": {"Service": "x"}}, False),
        ({"Effect": "Deny"}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/32"}}}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}}, True),
        ({"Condition": {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "0.0.0.0/1"]}}}, True),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "::/0"}}}, True),
        ({"Condition": {"IpAddressIfExists": {"aws:SourceIp": "10.0.0.0/8"}}}, True),
        ({"Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}, True),
        ({"Condition": {"StringEquals": {"aws:userid": "eve"}}}, False),
        ({"Condition": {"StringNotEquals": {"aws:userid": "eve"}}}, True),
        ({"Condition": {"StringLike": {"aws:userid": "e*"}}}, True),
        ({"Condition": {"StringEquals": {"aws:userid": "${aws:userid}"}}}, True),
        ({"Condition": {"ForAllValues:StringEquals": {"aws:userid": "eve"}}}, True),
        ({"Condition": {"StringEquals": {"s3:prefix": "a/"}}}, True),
        ({"Condition": {"StringEquals": {"aws:Referer": "https://me"}}}, True),
        ({"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::x"}}}, False),
        ({"Condition": {"Null": {"aws:userid": "false"}}}, True),
    ],
)
def test_a_policy_is_public_when_no_condition_fixes_who_may(
    members: dict[str, Any], public: bool
) -> None:
    """The meaning of public is AWS's."""
    assert is_public(read(statement(**members))) is public
