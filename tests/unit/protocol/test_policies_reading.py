"""Policies as people write them, and those that are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.protocol.policies import Shelf
from godos.protocol.policies_facts import NOBODY, NoFacts
from godos.protocol.policies_reading import (
    MAX_POLICY,
    MalformedPolicy,
    read_bucket_policy,
    read_user_policy,
    stored_bucket_policy,
)
from godos.protocol.policies_statements import arn

ALLOW: dict[str, Any] = {
    "Effect": "Allow",
    "Principal": "*",
    "Action": "s3:GetObject",
    "Resource": "arn:aws:s3:::photos/*",
}


def policy(*statements: Any, **members: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **members})


def changed(**members: Any) -> str:
    """A policy of one good statement, but for these members; None removes one."""
    statement = {**ALLOW, **members}
    return policy({name: value for name, value in statement.items() if value is not None})


@pytest.mark.parametrize(
    "text",
    [
        policy(ALLOW),
        policy(ALLOW, Id="anything"),
        json.dumps({"Statement": ALLOW}),
        changed(Sid="Allow everybody, with spaces"),
        changed(Action=["s3:*", "S3:getobject", "*"]),
        changed(Resource=["arn:aws:s3:::photos", "arn:aws:s3:::photos/*"]),
        changed(Resource=["arn:aws:s3:::*", "arn:aws:s3:::*/*", "*"]),
        changed(Resource="arn:aws:s3::123456789012:photos/*"),
        changed(Resource="arn:aws:s3:::photos/${aws:username}/*"),
        changed(Resource="arn:aws:s3:::phot?s*"),
        changed(Principal={"AWS": "*"}),
        changed(Principal={"AWS": ["eve", "arn:aws:iam:::user/bob"]}),
        changed(Principal={"AWS": "arn:aws:iam::tenant:root"}),
        changed(Principal={"CanonicalUser": "eve"}),
        changed(Principal={"Service": "logging.s3.amazonaws.com", "Federated": "x"}),
        changed(Condition={}),
        changed(Condition={"Bool": {"aws:SecureTransport": True}, "NumericLessThan": {"a:b": 3}}),
        changed(Effect="Deny", Principal=None, NotPrincipal={"AWS": "eve"}),
        changed(Action=None, NotAction="s3:DeleteObject"),
        changed(Resource=None, NotResource="arn:aws:s3:::photos/private/*"),
    ],
)
def test_a_policy_is_read(text: str) -> None:
    """What AWS documents is taken, and read again as it was stored."""
    statements = read_bucket_policy(text, "photos").statements
    again = Shelf().of_bucket({"text": text})
    assert again is not None
    assert [each.principals for each in again.statements] == [e.principals for e in statements]
    assert stored_bucket_policy(text).version == again.version


REFUSED = [
    ("", "JSON"),
    ("{", "JSON"),
    ("[]", "object"),
    ("null", "object"),
    ("{}", "Statement"),
    ('{"Statement": []}', "Statement"),
    ('{"Statement": "Allow"}', "Statement"),
    ('{"Statement": ["Allow"]}', "statement 1"),
    ('{"Statement": [NaN]}', "NaN"),
    ('{"Statement": [{"Effect": "Deny", "Effect": "Allow"}]}', "'Effect' comes twice"),
    (policy(ALLOW, Version="2020-01-01"), "Version"),
    (policy(ALLOW, Version=["2012-10-17"]), "Version"),
    (policy(ALLOW, Id=3), "Id"),
    (policy(ALLOW, Statements=[]), "'Statements'"),
    (policy(ALLOW, ALLOW | {"Effect": "allow"}), "statement 2.*Effect"),
    (changed(Effect=None), "Effect"),
    (changed(Effect=["Allow"]), "Effect"),
    (changed(Sid=3), "Sid"),
    (changed(Resources="*"), "'Resources'"),
    (changed(Action=None), "Action"),
    (changed(NotAction="s3:GetObject"), "NotAction"),
    (changed(Action=[]), "Action"),
    (changed(Action=["s3:GetObject", 3]), "Action"),
    (changed(Action="GetObject"), "'GetObject'"),
    (changed(Action="s3:"), "s3:"),
    (changed(Action="s3:Get Object"), "Get Object"),
    (changed(Resource=None), "Resource"),
    (changed(Resource="photos/*"), "photos"),
    (changed(Resource=""), "resource"),
    (changed(Resource="arn:aws:s3:::other/*"), "another bucket than photos"),
    (changed(Resource="arn:aws:s3:::photos2"), "another bucket"),
    (changed(Resource="arn:aws:s3:::photos-*"), "another bucket"),
    (changed(Resource=["arn:aws:s3:::photos", "arn:aws:s3:::other"]), "another bucket"),
    (changed(Resource=None, NotResource="arn:aws:s3:::other/*"), "another bucket"),
    (changed(Resource="arn:aws:s3:::photos/${aws"), "brace"),
    (changed(Resource="arn:aws:s3:::photos/${username}"), "variable"),
    (changed(Principal=None), "Principal"),
    (changed(Principal="eve"), "Principal"),
    (changed(Principal={}), "Principal"),
    (changed(Principal={"aws": "*"}), "'aws'"),
    (changed(Principal={"AWS": []}), "AWS"),
    (changed(Principal={"AWS": ""}), "principal"),
    (changed(Principal={"AWS": "arn:aws:iam:::user/*"}), "wildcard"),
    (changed(Principal={"CanonicalUser": "*"}), "wildcard"),
    (changed(Principal={"Service": "*"}), "wildcard"),
    (changed(Principal=None, NotPrincipal="*"), "NotPrincipal"),
    (changed(NotPrincipal="*", Effect="Deny"), "NotPrincipal"),
    (changed(Condition=[]), "Condition"),
    (changed(Condition={"StringEquals": []}), "StringEquals"),
    (changed(Condition={"StringEquals": {}}), "StringEquals"),
    (changed(Condition={"StringEquals": {"prefix": "a"}}), "'prefix'"),
    (changed(Condition={"StringEquals": {"s3:prefix": []}}), "nothing"),
    (changed(Condition={"StringEquals": {"s3:prefix": {}}}), "texts"),
    (changed(Condition={"StringEquals": {"s3:prefix": None}}), "texts"),
    (changed(Condition={"StringSame": {"s3:prefix": "a"}}), "StringSame"),
    (changed(Condition={"IpAddress": {"aws:SourceIp": "everywhere"}}), "aws:SourceIp"),
    (policy(*[ALLOW] * 300), str(MAX_POLICY)),
    ("[" * 10_000, "deep"),
    ('{"Statement": ' + "9" * 10_000 + "}", "JSON"),
]


@pytest.mark.parametrize(("text", "problem"), REFUSED)
def test_what_is_no_policy_is_refused_with_its_reason(text: str, problem: str) -> None:
    """The message says which statement, and what is wrong with it."""
    with pytest.raises(MalformedPolicy, match=f"(?s){problem}") as caught:
        read_bucket_policy(text, "photos")
    assert len(str(caught.value)) < 400


def test_a_policy_that_cannot_be_read_again_denies() -> None:
    """A stored policy that nobody understands lets nobody in, and the shelf says so."""
    shelf = Shelf()
    assert shelf.of_bucket({"text": "{"}) is None
    assert shelf.of_bucket({}) is None
    assert shelf.of_bucket({"text": None}) is None
    assert shelf.of_user({"Statement": "all"}) is None


def test_a_users_own_policy_names_no_principal() -> None:
    """It is about that user."""
    own = {name: value for name, value in ALLOW.items() if name != "Principal"}
    read = read_user_policy({"Version": "2012-10-17", "Statement": [own]})
    assert read.verdict(NOBODY, "s3:GetObject", arn("photos", "a"), NoFacts()).allowed
    with pytest.raises(MalformedPolicy, match="principal"):
        read_user_policy({"Statement": [ALLOW]})


def test_the_shelf_knows_a_document_that_changed() -> None:
    """A policy that was replaced is never judged by."""
    shelf = Shelf()
    for _ in range(2000):  # more than it keeps; objects are made where others have been
        own = {"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
        denies = shelf.of_user(own)
        other = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        allows = shelf.of_user(other)
        assert denies is not None
        assert allows is not None
        assert (denies.statements[0].allows, allows.statements[0].allows) == (False, True)
        del own, other


# -- whatever comes -----------------------------------------------------------------------
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
WORDS = st.sampled_from(
    ["*", "s3:*", "eve", "Allow", "Deny", "arn:aws:s3:::photos", "arn:aws:s3:::photos/${aws:x}"]
)
NEARLY = st.recursive(
    WORDS | JSON,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["AWS", "CanonicalUser", "StringLike", "Null", "aws:x", "s3:prefix"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
STATEMENTS = st.dictionaries(
    st.sampled_from(["Sid", "Effect", "Condition", *ALLOW, *(f"Not{name}" for name in ALLOW)]),
    NEARLY,
    max_size=7,
)


@given(
    st.one_of(
        JSON.map(json.dumps),
        st.text(),
        st.builds(lambda each: policy(*each), st.lists(STATEMENTS, min_size=1, max_size=2)),
        st.builds(
            lambda name, value: changed(**{name: value}), st.sampled_from(sorted(ALLOW)), NEARLY
        ),
        st.builds(lambda value: changed(Condition=value), NEARLY),
    )
)
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever is sent is a policy, which then answers, or is refused with a message."""
    try:
        read = read_bucket_policy(text, "photos")
    except MalformedPolicy:
        return
    verdict = read.verdict(NOBODY, "s3:GetObject", arn("photos", "a"), NoFacts())
    assert verdict.denied in (True, False, None)


@given(JSON | STATEMENTS | st.builds(lambda each: {"Statement": [each]}, STATEMENTS))
def test_no_document_breaks_the_reader_of_users_policies(document: Any) -> None:
    """Users' policies come from files that people write."""
    try:
        read_user_policy(document)
    except MalformedPolicy:
        return
