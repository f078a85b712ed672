"""Who may do what: the names of the verbs, and the hook that is asked before each."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from attrs import frozen
from twisted.internet.defer import Deferred, succeed

from godos.web.exchange import IExchange


class Action(StrEnum):
    """
    What a request wants to do, in the words of S3's policies where S3 has one.

    Source: AWS Service Authorization Reference, "Actions ... for Amazon S3".
    """

    LIST_BUCKETS = "s3:ListAllMyBuckets"
    CREATE_BUCKET = "s3:CreateBucket"
    DELETE_BUCKET = "s3:DeleteBucket"
    LIST = "s3:ListBucket"
    LIST_VERSIONS = "s3:ListBucketVersions"
    GET_VERSIONING = "s3:GetBucketVersioning"
    PUT_VERSIONING = "s3:PutBucketVersioning"
    GET = "s3:GetObject"
    GET_VERSION = "s3:GetObjectVersion"
    PUT = "s3:PutObject"
    DELETE = "s3:DeleteObject"
    DELETE_VERSION = "s3:DeleteObjectVersion"
    LOCATE = "godos:Locate"
    METRICS = "godos:Metrics"


@frozen
class Principal:
    """Who asks.  `id` becomes the owner of a bucket that they make."""

    id: str
    anonymous: bool = False


ANONYMOUS = Principal("anonymous", anonymous=True)


class Authorise(Protocol):
    """
    Asked once for each request, before anything else happens and before its body is asked
    for.  `bucket` and `key` are empty where the action has none.

    Fails:
        AccessDenied: the caller may not do this.
    """

    def __call__(
        self, exchange: IExchange, action: Action, bucket: str, key: str, /
    ) -> Deferred[Principal]: ...


def allow_anyone(
    exchange: IExchange,  # noqa: ARG001
    action: Action,  # noqa: ARG001
    bucket: str,  # noqa: ARG001
    key: str,  # noqa: ARG001
) -> Deferred[Principal]:
    """The `Authorise` of a server without credentials."""
    return succeed(ANONYMOUS)
