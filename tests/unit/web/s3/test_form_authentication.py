"""Who posts forms, and forms that were changed."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config

from godos.model.errors import GodosError
from godos.model.users import ANONYMOUS
from godos.web.s3.callers import Poster
from tests.unit.web.fakes import FakeExchange
from tests.unit.web.s3.signing import KEY, SECRET, authentication, code_of, result_of

Fields = dict[str, str]
CONDITIONS: list[Any] = [{"acl": "private"}, ["content-length-range", 1, 100]]


def form(version: str, expires: int = 600) -> Fields:
    """What boto3 tells a page to post, names in lower case."""
    client = boto3.client(
        "s3",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        endpoint_url="http://localhost:8030",
        config=Config(signature_version=version),
    )
    fields = client.generate_presigned_post(
        "photos", "cat.jpg", {"acl": "private"}, CONDITIONS, expires
    )["fields"]
    return {name.lower(): value for name, value in fields.items()}


def poster(fields: Fields, bucket: str = "photos", ahead: float = 0.0) -> Poster:
    exchange = FakeExchange("POST", f"/{bucket}")
    answer: Poster = result_of(authentication(ahead).authenticate_form(exchange, fields, bucket))
    return answer


def refused(fields: Fields, bucket: str = "photos", ahead: float = 0.0) -> str:
    with pytest.raises(GodosError) as error:
        poster(fields, bucket, ahead)
    return code_of(error.value)


VERSIONS = {"s3v4": "AWS4-HMAC-SHA256", "s3": "AWS"}


@pytest.mark.parametrize("version", VERSIONS)
def test_forms_that_boto3_signs(version: str) -> None:
    """A form that boto3 signed is let in, and the range of its file is known."""
    who = poster(form(version))
    assert who.principal.id == "alice" and not who.principal.anonymous
    assert who.signature_version == VERSIONS[version]
    assert (who.least, who.most) == (1, 100)


def test_forms_without_policy_are_anonymous() -> None:
    """A form without policy and signature is posted by nobody."""
    assert poster({"key": "cat.jpg"}) == Poster(ANONYMOUS)


def policy(expires: timedelta, conditions: list[Any]) -> str:
    until = (datetime.now(UTC) + expires).strftime("%Y-%m-%dT%H:%M:%SZ")
    return b64encode(json.dumps({"expiration": until, "conditions": conditions}).encode()).decode()


def change(**changes: str | None) -> Callable[[Fields], Fields]:
    def changed(fields: Fields) -> Fields:
        names = {name.replace("_", "-"): value for name, value in changes.items()}
        return {n: v for n, v in (fields | names).items() if v is not None}  # type: ignore[operator]

    return changed


WIDER = policy(timedelta(days=1), [["starts-with", "$key", ""], {"bucket": "photos"}])
MISMATCH = "SignatureDoesNotMatch"

EVERYWHERE: dict[str, tuple[Callable[[Fields], Fields], str]] = {
    "another policy": (change(policy=WIDER), MISMATCH),
    "a policy that is none": (change(policy="x"), MISMATCH),
    "no policy": (change(policy=None), "InvalidArgument"),
    "another key": (change(key="dog.jpg"), "AccessDenied"),
    "another acl": (change(acl="public-read"), "AccessDenied"),
    "no acl": (change(acl=None), "AccessDenied"),
    "a field more": (change(x_amz_meta_a="b"), "AccessDenied"),
    "another bucket's field": (change(bucket="secrets", tagging="x"), "AccessDenied"),
    "a session token": (change(x_amz_security_token="x"), "InvalidToken"),
}

V4: dict[str, tuple[Callable[[Fields], Fields], str]] = {
    "another signature": (change(x_amz_signature="0" * 64), MISMATCH),
    "a signature that is none": (change(x_amz_signature="\xe9"), "InvalidArgument"),
    "no signature": (change(x_amz_signature=None), "InvalidArgument"),
    "no credential": (change(x_amz_credential=None), "InvalidArgument"),
    "no date": (change(x_amz_date=None), "InvalidArgument"),
    "a date that is none": (change(x_amz_date="today"), "InvalidArgument"),
    "another day": (change(x_amz_date="20200101T000000Z"), "AuthorizationQueryParametersError"),
    "another algorithm": (change(x_amz_algorithm="AWS4-HMAC-SHA1"), "InvalidArgument"),
    "an old signature beside": (change(signature="x", awsaccesskeyid="y"), "InvalidArgument"),
    "another region": (
        lambda fields: {
            **fields,
            "x-amz-credential": fields["x-amz-credential"].replace("us-east-1", "eu-west-1"),
        },
        "AuthorizationQueryParametersError",
    ),
    "an unknown key": (
        lambda fields: {
            **fields,
            "x-amz-credential": fields["x-amz-credential"].replace("ALICE", "MALLO"),
        },
        "InvalidAccessKeyId",
    ),
    "another user's key": (
        lambda fields: {
            **fields,
            "x-amz-credential": fields["x-amz-credential"].replace(KEY, "GODOSROOTKEY000001"),
        },
        MISMATCH,
    ),
}

V2: dict[str, tuple[Callable[[Fields], Fields], str]] = {
    "another signature": (change(signature="FWeDfwojDSdS2Ztmpfeubhd9isU="), MISMATCH),
    "a signature that is none": (change(signature="\xe9"), MISMATCH),
    "no signature": (change(signature=None), "InvalidArgument"),
    "no key": (change(awsaccesskeyid=None), "InvalidArgument"),
    "an unknown key": (change(awsaccesskeyid="foo"), "InvalidAccessKeyId"),
    "another user's key": (change(awsaccesskeyid="GODOSROOTKEY000001"), MISMATCH),
    "a new signature beside": (change(x_amz_signature="0" * 64), "InvalidArgument"),
}


@pytest.mark.parametrize(
    ("version", "forge", "code"),
    [
        pytest.param(version, forge, code, id=f"{version}-{name}")
        for version, table in (("s3v4", EVERYWHERE | V4), ("s3", EVERYWHERE | V2))
        for name, (forge, code) in table.items()
    ],
)
def test_forgeries(version: str, forge: Callable[[Fields], Fields], code: str) -> None:
    """A form that is not the one that was signed is refused, and the client is told why."""
    assert refused(forge(form(version))) == code


@pytest.mark.parametrize("version", VERSIONS)
def test_forms_at_another_time_or_place(version: str) -> None:
    """A form is good until its policy expires, and for its bucket only."""
    assert refused(form(version), ahead=700) == "AccessDenied"
    assert refused(form(version), bucket="secrets") == "AccessDenied"


def test_a_signed_policy_that_is_none() -> None:
    """What was signed must be a policy, too."""
    text = b64encode(b"{}").decode()
    signature = b64encode(hmac.digest(SECRET.encode(), text.encode(), "sha1")).decode()
    fields = {"key": "k", "policy": text, "awsaccesskeyid": KEY, "signature": signature}
    assert refused(fields) == "InvalidPolicyDocument"
