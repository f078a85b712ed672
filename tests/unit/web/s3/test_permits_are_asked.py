"""No operation forgets to show its object to the permit that waits for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from godos.model.errors import AccessDenied
from godos.model.objects import GetRequest, NewUpload, PutRequest
from godos.model.versions import Attributes
from godos.protocol.acl_rights import OF_OBJECTS, OF_UPLOADS
from godos.web.counters import Counters
from godos.web.s3.call import Table
from godos.web.s3.request_facts import comes_later
from godos.web.s3.routes import routes
from tests.unit.web.fakes import FakeBody
from tests.unit.web.s3.asking import ALT, MAIN, NOW, Store, Users, now


def table(store: Store) -> Table:
    return routes(store.objects, Users(), Counters(), lambda: NOW, "us-east-1")  # type: ignore


def waits(action: str | None) -> bool:
    """Whether a decision about this action may wait for the object."""
    return action is not None and (
        action in OF_OBJECTS or action in OF_UPLOADS or comes_later(action)
    )


TABLE = table(Store())
WAITING = sorted(name for name, route in TABLE.items() if waits(route.action))
NO_TAGS = json.dumps(
    {
        "Statement": {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObjectTagging",
            "Resource": "arn:aws:s3:::b/*",
            "Condition": {"StringEquals": {"s3:RequestObjectTag/a": "b"}},
        }
    }
)
REQUESTS: dict[str, dict[str, Any]] = {
    "PutObjectAcl": {"ACL": "public-read"},
    "PutObjectTagging": {"Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}},
    "PutObjectRetention": {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": NOW + 99}},
    "PutObjectLegalHold": {"LegalHold": {"Status": "ON"}},
    "GetObjectAttributes": {"ObjectAttributes": ["ETag"]},
}


def test_there_are_operations_that_wait() -> None:
    """Those on objects and on uploads in parts."""
    assert {"GetObject", "HeadObject", "GetObjectAcl", "ListParts"} <= set(WAITING)


@pytest.mark.parametrize("operation", WAITING)
def test_an_object_that_is_nobodys_business_is_refused(operation: str) -> None:
    """By every operation whose decision waits for the object, and nothing is changed."""
    store = Store()
    store.table = table(store)
    version = store.put("k", owner="main", tags={"x": "y"})
    request = dict(REQUESTS.get(operation, {}))
    if TABLE[operation].action in OF_UPLOADS:
        upload = now(store.objects.create_upload("b", "k", NewUpload(initiator="main")))
        request["UploadId"] = upload.id
    with pytest.raises(AccessDenied):
        store.do(ALT, operation, "k", **request)
    assert now(store.objects.head("b", "k", GetRequest())) == version


@pytest.mark.parametrize("operation", ["PutObject", "CopyObject", "CreateMultipartUpload"])
def test_tags_that_come_with_an_object_are_asked_about(operation: str) -> None:
    """With an upload, and with a copy; without those tags all may write here."""
    store = Store()
    store.table = table(store)
    store.do(MAIN, "PutBucketAcl", ACL="public-read-write")
    store.do(MAIN, "PutBucketPolicy", Policy=NO_TAGS)
    now(store.objects.create_bucket("source", "alt"))
    put = PutRequest(Attributes(owner="alt"))
    now(store.objects.put("source", "s", FakeBody([b""], 0), put))
    request: dict[str, Any] = {}
    if operation == "CopyObject":
        request = {"CopySource": "source/s", "TaggingDirective": "REPLACE"}
    with pytest.raises(AccessDenied, match="PutObjectTagging"):
        store.do(ALT, operation, "k", **request, Tagging="a=b")
    store.do(ALT, operation, "k", **request, Tagging="a=c")
    store.do(ALT, operation, "k", **request)
