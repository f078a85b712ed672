"""What a form that a browser posts may be."""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.model.errors import GodosError
from godos.protocol import post_policy
from godos.protocol.signatures import SignatureRefused

NOW = 1_700_000_000.0
LATER = "2033-01-01T00:00:00.000Z"
FIELDS = {"key": "photos/cat.jpg", "acl": "private", "content-type": "image/jpeg"}
CONDITIONS: list[Any] = [
    {"bucket": "holiday"},
    ["starts-with", "$key", "photos/"],
    {"acl": "private"},
    ["starts-with", "$Content-Type", "image/"],
    ["content-length-range", 1, 1024],
]


def encoded(document: Any) -> str:
    return b64encode(json.dumps(document).encode()).decode()


def allowed(conditions: list[Any], fields: dict[str, str], now: float = NOW) -> None:
    policy = post_policy.read(encoded({"expiration": LATER, "conditions": conditions}))
    post_policy.check(policy, fields, "holiday", now)


def code_of(conditions: list[Any], fields: dict[str, str], now: float = NOW) -> str:
    with pytest.raises(SignatureRefused) as refused:
        allowed(conditions, fields, now)
    return refused.value.code


def test_a_form_that_keeps_its_policy() -> None:
    """A form whose fields are all as the policy says is let in."""
    allowed(CONDITIONS, FIELDS)


def test_the_range_of_lengths() -> None:
    """The policy says how large the file may be; of several ranges all hold."""
    ranges = [["content-length-range", 1, 1024], ["Content-Length-Range", "10", "2000"]]
    policy = post_policy.read(encoded({"expiration": LATER, "conditions": ranges}))
    assert (policy.least, policy.most) == (10, 1024)
    policy = post_policy.read(encoded({"expiration": LATER, "conditions": []}))
    assert (policy.least, policy.most) == (0, None)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"key": "secrets/cat.jpg"}, "condition failed"),
        ({"acl": "public-read"}, "condition failed"),
        ({"acl": "PRIVATE"}, "condition failed"),
        ({"content-type": "text/html"}, "condition failed"),
        ({"content-type": "image/jpeg, text/html"}, "condition failed"),
        ({"acl": None}, "condition failed"),
        ({"x-amz-meta-a": "b"}, "extra input fields: x-amz-meta-a"),
        ({"tagging": "<Tagging/>"}, "extra input fields: tagging"),
        ({"x-amz-algorithm": "AWS4-HMAC-SHA256"}, "extra input fields"),
    ],
)
def test_a_form_that_breaks_its_policy(changed: dict[str, str | None], said: str) -> None:
    """A field that changed, is missing, or that no condition names, is refused."""
    fields = {name: value for name, value in (FIELDS | changed).items() if value is not None}
    with pytest.raises(SignatureRefused, match=said) as refused:
        allowed(CONDITIONS, fields)
    assert refused.value.code == "AccessDenied"


def test_fields_that_need_no_condition() -> None:
    """What carries the policy, and what is to be ignored, is not in the policy."""
    extra = dict.fromkeys(("policy", "file", "signature", "awsaccesskeyid", "x-amz-signature"), "x")
    allowed(CONDITIONS, {**FIELDS, **extra, "x-ignore-button": "x"})


def test_the_bucket_is_where_the_form_was_posted() -> None:
    """A form for one bucket is not good for another, whatever its field says."""
    assert code_of([{"bucket": "other"}, *CONDITIONS[1:]], {**FIELDS, "bucket": "other"})
    assert code_of(CONDITIONS[1:], FIELDS) == "AccessDenied"  # the policy names no bucket


def test_a_policy_expires() -> None:
    """After its expiration a policy allows nothing."""
    assert code_of(CONDITIONS, FIELDS, 1988150400 + 1) == "AccessDenied"
    allowed(CONDITIONS, FIELDS, 1988150400)


def test_names_of_fields_and_operators_have_no_case() -> None:
    """Fields, operators and the names in conditions may be written in any letters."""
    allowed(
        [{"bUcKeT": "holiday"}, ["StArTs-WiTh", "$KeY", "photos/"], ["EQ", "$AcL", "private"]],
        {"key": "photos/x", "acl": "private"},
    )


def test_an_empty_prefix_allows_anything() -> None:
    """A field whose prefix is empty may have any value, or be left out."""
    conditions = [{"bucket": "holiday"}, ["starts-with", "$key", ""], ["starts-with", "$acl", ""]]
    allowed(conditions, {"key": "anything"})


INVALID: dict[str, Any] = {
    "no expiration": {"conditions": []},
    "expiration in other letters": {"EXPIRATION": LATER, "conditions": []},
    "an expiration that is no time": {"expiration": "2033-13-01T00:00:00Z", "conditions": []},
    "an expiration in another form": {"expiration": "2033-01-01 00:00:00", "conditions": []},
    "an expiration without zone": {"expiration": "2033-01-01T00:00:00", "conditions": []},
    "no conditions": {"expiration": LATER},
    "conditions in other letters": {"expiration": LATER, "CONDITIONS": []},
    "conditions that are no list": {"expiration": LATER, "conditions": {}},
    "an empty condition": {"expiration": LATER, "conditions": [{}]},
    "two properties": {"expiration": LATER, "conditions": [{"a": "b", "c": "d"}]},
    "a number for a text": {"expiration": LATER, "conditions": [{"a": 1}]},
    "an unknown operator": {"expiration": LATER, "conditions": [["ends-with", "$a", "b"]]},
    "a field without $": {"expiration": LATER, "conditions": [["eq", "a", "b"]]},
    "two members": {"expiration": LATER, "conditions": [["eq", "$a"]]},
    "one bound": {"expiration": LATER, "conditions": [["content-length-range", 0]]},
    "a negative bound": {"expiration": LATER, "conditions": [["content-length-range", -1, 0]]},
    "a bound that is true": {
        "expiration": LATER,
        "conditions": [["content-length-range", 0, True]],
    },
    "something else": {"expiration": LATER, "conditions": [], "comment": "x"},
    "a list": [],
    "a text": "x",
}


@pytest.mark.parametrize("document", INVALID.values(), ids=INVALID)
def test_what_is_no_policy(document: Any) -> None:
    """A policy that cannot be understood is refused as one."""
    with pytest.raises(SignatureRefused) as refused:
        post_policy.read(encoded(document))
    assert refused.value.code == "InvalidPolicyDocument"


def test_nothing_in_a_policy_comes_twice() -> None:
    """Of two lists of conditions one would be lost, and with it what it forbids."""
    text = json.dumps({"expiration": LATER, "conditions": []})
    text = text[:-1] + ', "conditions": [{"acl": "private"}]}'
    with pytest.raises(SignatureRefused):
        post_policy.read(b64encode(text.encode()).decode())


@pytest.mark.parametrize(
    "text", ["", "x", "=", "é", b64encode(b"{").decode(), b64encode(b"\xff").decode(), "A" * 30_000]
)
def test_what_is_no_document(text: str) -> None:
    """What is not the base64 of JSON, or too long, is refused."""
    with pytest.raises(SignatureRefused) as refused:
        post_policy.read(text)
    assert refused.value.code == "InvalidPolicyDocument"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
CONDITION = (
    JSON
    | st.tuples(st.sampled_from(["eq", "starts-with"]), st.just("$key"), JSON).map(list)
    | st.tuples(st.just("content-length-range"), JSON, JSON).map(list)
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "expiration": st.just(LATER) | JSON,
            "conditions": st.lists(CONDITION, max_size=4) | JSON,
        },
    )
    | JSON
)
def test_nothing_but_errors_of_ours(document: Any) -> None:
    """Whatever a policy says, it is read or refused."""
    with suppress(GodosError):
        post_policy.check(post_policy.read(encoded(document)), FIELDS, "holiday", NOW)


@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda raw: b64encode(raw).decode()))
def test_no_text_is_a_fault(text: str) -> None:
    """Whatever is sent as a policy is refused as one."""
    with suppress(GodosError):
        post_policy.read(text)
