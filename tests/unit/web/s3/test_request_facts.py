"""The circumstances of a request, as policies name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from godos.model.errors import InvalidRequest
from godos.model.users import ANONYMOUS, Principal
from godos.protocol.policies_facts import LATER, Values
from godos.web.access import Action
from godos.web.s3.callers import Caller
from godos.web.s3.request_facts import RequestContext, RequestFacts
from tests.unit.web.fakes import FakeBody, FakeExchange

NOW = 1_700_000_000.0
EVE = Principal("eve", "Eve")
UNSIGNED = "UNSIGNED-PAYLOAD"


def facts(
    headers: Mapping[str, str] | None = None,
    request: Mapping[str, Any] | None = None,
    principal: Principal = EVE,
    action: Action = Action.PUT,
    peer: str = "127.0.0.1:4711",
    secure: bool = False,
    version_id: str | None = None,
    caller: Mapping[str, Any] | None = None,
    **more: Any,
) -> RequestFacts:
    exchange = FakeExchange("PUT", "/b/k", headers)
    exchange.peer, exchange.secure = peer, secure
    who = Caller(principal, FakeBody([], 0), **(caller or {}))
    context = RequestContext(exchange, who, request or {}, version_id)
    return RequestFacts(context, lambda: NOW, principal, action, "main", **more)


@pytest.mark.parametrize(
    ("key", "given", "values"),
    [
        ("aws:sourceip", {}, ("127.0.0.1",)),
        ("aws:sourceip", {"peer": "::1:4711"}, ("::1",)),
        ("aws:sourceip", {"peer": "[2001:db8::1]:4711"}, ("2001:db8::1",)),
        ("aws:securetransport", {}, ("false",)),
        ("aws:securetransport", {"secure": True}, ("true",)),
        ("aws:useragent", {"headers": {"User-Agent": "curl"}}, ("curl",)),
        ("aws:referer", {"headers": {"Referer": "http://a/"}}, ("http://a/",)),
        ("aws:referer", {}, ()),
        ("aws:currenttime", {}, ("2023-11-14T22:13:20+00:00",)),
        ("aws:epochtime", {}, ("1700000000",)),
        ("aws:userid", {}, ("eve",)),
        ("aws:username", {}, ("eve",)),
        ("aws:username", {"principal": ANONYMOUS}, ()),
        ("aws:principalarn", {}, ("arn:aws:iam:::user/eve",)),
        ("aws:principalarn", {"principal": ANONYMOUS}, ()),
        ("aws:principaltype", {"principal": ANONYMOUS}, ("Anonymous",)),
        ("aws:resourceaccount", {}, ("main",)),
        ("aws:unheardof", {}, ()),
        ("s3:prefix", {"request": {"Prefix": "a/"}}, ("a/",)),
        ("s3:prefix", {"request": {"Prefix": ""}}, ("",)),
        ("s3:prefix", {}, ()),
        ("s3:max-keys", {"request": {"MaxKeys": 10}}, ("10",)),
        ("s3:x-amz-acl", {"request": {"ACL": "public-read"}}, ("public-read",)),
        ("s3:x-amz-grant-read", {"request": {"GrantRead": "id=x"}}, ("id=x",)),
        ("s3:x-amz-storage-class", {"request": {"StorageClass": "GLACIER"}}, ("GLACIER",)),
        ("s3:x-amz-anything", {"headers": {"x-amz-anything": "x"}}, ("x",)),
        ("s3:x-amz-copy-source", {"request": {"CopySource": "b/a b"}}, ("b/a b",)),
        (
            "s3:x-amz-copy-source",
            {"request": {"CopySource": "/b/public%2Fa?versionId=x"}},
            ("b/public/a",),
        ),
        ("s3:x-amz-copy-source", {"request": {"CopySource": "b/a?b=c"}}, ("b/a?b=c",)),
        ("s3:x-amz-copy-source", {"request": {"CopySource": "b/a%3Fb"}}, ("b/a?b",)),
        ("s3:versionid", {"version_id": "v"}, ("v",)),
        ("s3:versionid", {"request": {"VersionId": "v"}}, ("v",)),
        ("s3:requestobjecttag/a", {"request": {"Tagging": "A=b%20c&d="}}, ("b c",)),
        ("s3:requestobjecttag/d", {"request": {"Tagging": "A=b%20c&d="}}, ("",)),
        ("s3:requestobjecttag/x", {"request": {"Tagging": "A=b"}}, ()),
        ("s3:requestobjecttagkeys", {"request": {"Tagging": "A=b&c=d"}}, ("A", "c")),
        ("s3:existingobjecttag/a", {"tags": {"a": "b"}}, ("b",)),
        ("s3:existingobjecttag/a", {"tags": None}, LATER),
        ("s3:authtype", {}, ()),
        ("s3:authtype", {"caller": {"signature_version": "AWS"}}, ("REST-HEADER",)),
        (
            "s3:authtype",
            {"caller": {"signature_version": "AWS", "by_query": True}},
            ("REST-QUERY-STRING",),
        ),
        ("s3:signatureversion", {"caller": {"signature_version": "AWS"}}, ("AWS",)),
        ("s3:signatureage", {"caller": {"signed_at": NOW - 1.5}}, ("1500",)),
        ("s3:signatureage", {}, ()),
        (
            "s3:x-amz-content-sha256",
            {"caller": {"payload": "UNSIGNED-PAYLOAD"}},
            ("UNSIGNED-PAYLOAD",),
        ),
        (
            "s3:object-lock-retain-until-date",
            {"request": {"ObjectLockRetainUntilDate": NOW}},
            ("1700000000.0",),
        ),
        (
            "s3:object-lock-remaining-retention-days",
            {"request": {"ObjectLockRetainUntilDate": NOW + 86400 * 3}},
            ("3",),
        ),
        (
            "s3:object-lock-mode",
            {"request": {"Retention": {"Mode": "COMPLIANCE"}}, "action": Action.PUT_RETENTION},
            ("COMPLIANCE",),
        ),
        (
            "s3:object-lock-mode",
            {"request": {}, "action": Action.PUT_RETENTION, "complete": False},
            LATER,
        ),
        (
            "s3:object-lock-legal-hold",
            {"request": {"LegalHold": {"Status": "ON"}}, "action": Action.PUT_LEGAL_HOLD},
            ("ON",),
        ),
        (
            "s3:locationconstraint",
            {"request": {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}},
            ("eu-west-1",),
        ),
    ],
)
def test_a_key_has_the_values_of_the_request(
    key: str, given: dict[str, Any], values: Values
) -> None:
    """The table above."""
    assert facts(**given).values(key) == values


def test_a_presigned_url_carries_headers() -> None:
    """What stands in it counts as if it were a header."""
    hoisted = {"hoisted": ((b"x-amz-anything", b"x"),)}
    assert facts(caller=hoisted).values("s3:x-amz-anything") == ("x",)


def test_given_values_come_before_all_others() -> None:
    """So that a question can be asked of the same request about something else."""
    known = facts(request={"Prefix": "a"}, overrides={"s3:prefix": ("b",)})
    assert known.values("s3:prefix") == ("b",)


def test_endless_headers_are_refused() -> None:
    """Comparing them with patterns takes long, and to call them unknown would let them pass."""
    with pytest.raises(InvalidRequest, match="user-agent"):
        facts({"User-Agent": "b" * 4097}).values("aws:useragent")
