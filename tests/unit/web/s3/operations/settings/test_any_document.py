"""Documents of S3's form but with any content: each is kept whole, or refused for what it is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from godos.protocol.cors import CorsRequest, cors_rules, grant
from godos.protocol.lifecycle import REAL_DAYS, expiration_of, is_abandoned, rules_of
from godos.protocol.lifecycle_review import Review
from godos.web.s3.description import service
from tests.unit.protocol.test_lifecycle import version
from tests.unit.web.s3.operations.client import Client, Refused, result
from tests.unit.web.s3.shapes import XML_TEXT, timestamps

TEXTS = st.one_of(
    st.sampled_from(
        """
        a photos index.html * a*b a*b*c GET AES256 aws:kms Enabled Suspended Disabled GOVERNANCE
        s3:ObjectCreated:* arn:aws:sqs:us-east-1:123456789012:events prefix suffix https 301 404
        BucketOwner GLACIER
        """.split()  # noqa: SIM905
    ),
    XML_TEXT,
)
NUMBERS = st.one_of(
    st.sampled_from([-1, 0, 1, 2, 100, 101, 36_500]), st.integers(-(2**31) + 1, 2**31 - 1)
)

# Operations that keep a document, and the setting under which it is.
KEPT = {
    "PutBucketTagging": "tagging",
    "PutBucketCors": "cors",
    "PutBucketLifecycleConfiguration": "lifecycle",
    "PutBucketEncryption": "encryption",
    "PutBucketWebsite": "website",
    "PutBucketNotificationConfiguration": "notification",
    "PutBucketLogging": "logging",
    "PutObjectLockConfiguration": "object-lock",
    "PutBucketRequestPayment": "request-payment",
    "PutBucketAccelerateConfiguration": "accelerate",
    "PutBucketVersioning": "versioning",
}


def loose(shape: Any) -> st.SearchStrategy[Any]:
    """Values of a shape, in which anything may be missing; enumerations mostly as they are."""
    match shape.type_name:
        case "structure":
            members = {name: loose(inner) for name, inner in shape.members.items()}
            return st.fixed_dictionaries({}, optional=members)
        case "list":
            return st.lists(loose(shape.member), max_size=2)
        case "boolean":
            return st.booleans()
        case "timestamp":
            return timestamps(shape)
        case "string":
            known = getattr(shape, "enum", None)
            return st.one_of(st.sampled_from(known), TEXTS) if known else TEXTS
    return NUMBERS


DOCUMENTS = {name: service().operation_model(name).input_shape for name in KEPT}
PAYLOADS = {
    name: next(
        member
        for member, inner in shape.members.items()
        if not inner.serialization.get("location") and inner.type_name == "structure"
    )
    for name, shape in DOCUMENTS.items()
}


@pytest.mark.parametrize("name", KEPT)
def test_any_document(name: str) -> None:
    """It is refused with a client's error, or kept; and what is kept can be used and read."""
    documents = loose(DOCUMENTS[name].members[PAYLOADS[name]])
    settings(max_examples=60, deadline=None)(given(documents)(lambda each: check(name, each)))()


def check(name: str, document: Any) -> None:
    """Put a document, and use what was kept of it."""
    member, client = PAYLOADS[name], Client()
    client.bucket("photos", ObjectLockEnabledForBucket=True)
    ask = getattr(client, f"put_{'_'.join(_words(name[3:]))}")
    try:
        ask(Bucket="photos", **{member: document})
    except Refused as refused:
        assert refused.code and (400 <= refused.status < 500 or refused.status == 501)
        assert set(result(client.objects.settings("photos"))) == set()
        return
    kept = result(client.objects.settings("photos"))
    if KEPT[name] in kept:
        getattr(client, f"get_{'_'.join(_words(name[3:]))}")(Bucket="photos")
    use(kept)


def _words(name: str) -> list[str]:
    """`BucketCors` as `bucket`, `cors`."""
    found = "".join(f" {letter}" if letter.isupper() else letter for letter in name)
    return found.lower().split()


def use(kept: dict[str, Any]) -> None:
    """What the server does with documents when it serves, and at night."""
    grant(cors_rules(kept.get("cors")), CorsRequest("https://a", "GET", ("range",)))
    rules = rules_of(kept.get("lifecycle"))
    expiration_of(rules, version(modified=1.0))
    is_abandoned(rules, "k", 0.0, REAL_DAYS, 0.0)
    review = Review(rules, REAL_DAYS, 4e9)
    for each in (version("a", 5.0, marker=True), version("a", 1.0), version("b")):
        review.next(each)
    review.end()
