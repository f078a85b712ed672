"""
The circumstances of a request, as conditions of policies name them.

Nothing is worked out before a policy asks for it: most requests meet none.

Source: AWS IAM User Guide, "AWS global condition context keys"; AWS Service
Authorization Reference, "Condition keys for Amazon S3".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from attrs import evolve, field, frozen

from godos.model.errors import InvalidRequest
from godos.model.users import Principal
from godos.protocol.policies_facts import LATER, Values
from godos.web.access import Action
from godos.web.exchange import IExchange

if TYPE_CHECKING:
    from godos.web.s3.authentication import Caller

# Keys, and the members of S3's requests that have their values.
MEMBERS: Mapping[str, str] = {
    "s3:delimiter": "Delimiter",
    "s3:if-match": "IfMatch",
    "s3:if-none-match": "IfNoneMatch",
    "s3:max-keys": "MaxKeys",
    "s3:object-lock-legal-hold": "ObjectLockLegalHoldStatus",
    "s3:object-lock-mode": "ObjectLockMode",
    "s3:object-lock-retain-until-date": "ObjectLockRetainUntilDate",
    "s3:prefix": "Prefix",
    "s3:versionid": "VersionId",
    "s3:x-amz-acl": "ACL",
    "s3:x-amz-grant-full-control": "GrantFullControl",
    "s3:x-amz-grant-read": "GrantRead",
    "s3:x-amz-grant-read-acp": "GrantReadACP",
    "s3:x-amz-grant-write": "GrantWrite",
    "s3:x-amz-grant-write-acp": "GrantWriteACP",
    "s3:x-amz-metadata-directive": "MetadataDirective",
    "s3:x-amz-object-ownership": "ObjectOwnership",
    "s3:x-amz-server-side-encryption": "ServerSideEncryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "s3:x-amz-server-side-encryption-customer-algorithm": "SSECustomerAlgorithm",
    "s3:x-amz-storage-class": "StorageClass",
    "s3:x-amz-website-redirect-location": "WebsiteRedirectLocation",
}
EXISTING_TAG = "s3:existingobjecttag/"
REQUEST_TAG = "s3:requestobjecttag/"
REQUEST_TAG_KEYS = "s3:requestobjecttagkeys"
LONGEST = 4096  # bytes of a header that conditions look at
_DAY = 86400.0  # seconds


@frozen
class RequestContext:
    """
    A request, for whoever decides whether it may be done.

    Args:
        request: its members in S3's names; those of its body may be added later.
    """

    exchange: IExchange
    caller: Caller
    request: Mapping[str, Any]
    version_id: str | None = None

    def of_version(self, version_id: str) -> RequestContext:
        """The same, about that version of an object."""
        return evolve(self, version_id=version_id)

    def header(self, name: bytes) -> str | None:
        """
        A header, or what a presigned URL has instead of it.

        Raises:
            InvalidRequest: it is so long that comparing it with patterns could take long;
                called unknown it would pass by what denies, or what allows.
        """
        raw = self.exchange.header(name)
        if raw is None:
            raw = next((value for given, value in self.caller.hoisted if given == name), None)
        if raw is not None and len(raw) > LONGEST:
            raise InvalidRequest(
                f"a policy asks about the header {name.decode()}, which has over {LONGEST} bytes"
            )
        return None if raw is None else raw.decode("utf-8", "replace")


# What belongs to a body that is read after the first decision, by action.
_LOCK = ("s3:object-lock-mode", "s3:object-lock-retain-until-date")
_IN_BODY: Mapping[str, tuple[str, ...]] = {
    Action.PUT_TAGGING: (REQUEST_TAG, REQUEST_TAG_KEYS),
    Action.PUT_VERSION_TAGGING: (REQUEST_TAG, REQUEST_TAG_KEYS),
    Action.PUT_RETENTION: (*_LOCK, "s3:object-lock-remaining-retention-days"),
    Action.PUT_LEGAL_HOLD: ("s3:object-lock-legal-hold",),
}


def comes_later(action: str) -> bool:
    """Whether conditions on this action may ask for what its body says."""
    return action in _IN_BODY


@frozen
class RequestFacts:
    """
    What is known of a request; implements `Facts`.

    Args:
        now: seconds since the epoch.
        action: what is asked about.
        bucket_owner: whose the bucket is, or empty.
        tags: those of the object; None while it is not known, and LATER is answered.
        complete: whether the body was read.
        overrides: keys whose values are these.
    """

    context: RequestContext
    now: Callable[[], float]
    principal: Principal
    action: str
    bucket_owner: str = ""
    tags: Mapping[str, str] | None = field(factory=dict)
    complete: bool = True
    overrides: Mapping[str, Values] = field(factory=dict)

    def values(self, key: str) -> Values:
        """See `Facts.values`."""
        if key in self.overrides:
            return self.overrides[key]
        if not self.complete and key.startswith(_IN_BODY.get(self.action, ())):
            return LATER
        if key.startswith(EXISTING_TAG):
            return LATER if self.tags is None else _tag(self.tags, key[len(EXISTING_TAG) :])
        if key.startswith(REQUEST_TAG):
            return _tag(self._request_tags(), key[len(REQUEST_TAG) :])
        member = MEMBERS.get(key)
        if member is not None:
            return _member(self._members(), member)
        work_out = _WORKED_OUT.get(key)
        if work_out is not None:
            return work_out(self)
        if key.startswith("s3:x-amz-"):
            return _one(self.context.header(key[3:].encode("utf-8", "replace")))
        return ()

    def _members(self) -> Mapping[str, Any]:
        """The request's members, with those of a body that is about a lock."""
        request = self.context.request
        if self.context.version_id is not None:
            request = {**request, "VersionId": self.context.version_id}
        if self.action == Action.PUT_RETENTION and "Retention" in request:
            retention = request["Retention"]
            return {
                **request,
                "ObjectLockMode": retention.get("Mode"),
                "ObjectLockRetainUntilDate": retention.get("RetainUntilDate"),
            }
        if self.action == Action.PUT_LEGAL_HOLD and "LegalHold" in request:
            held = request["LegalHold"].get("Status")
            return {**request, "ObjectLockLegalHoldStatus": held}
        return request

    def _request_tags(self) -> Mapping[str, str]:
        tagging = self.context.request.get("Tagging")
        if isinstance(tagging, str):
            return dict(parse_qsl(tagging, keep_blank_values=True))
        if isinstance(tagging, Mapping):
            return {tag.get("Key", ""): tag.get("Value", "") for tag in tagging.get("TagSet", ())}
        return {}

    def source_ip(self) -> Values:
        """The client's address; its port says nothing."""
        peer: str = self.context.exchange.peer
        return ((peer.rpartition(":")[0] or peer).strip("[]"),)

    def current_time(self) -> Values:
        """As ISO 8601."""
        return (datetime.fromtimestamp(self.now(), UTC).isoformat(),)

    def epoch_time(self) -> Values:
        """Whole seconds."""
        return (str(int(self.now())),)

    def user_id(self) -> Values:
        """Display names are not unique, so that they cannot tell users apart."""
        return () if self.principal.anonymous else (self.principal.id,)

    def arn(self) -> Values:
        """Of the caller."""
        return () if self.principal.anonymous else (self.principal.arn,)

    def principal_type(self) -> Values:
        """Of the caller."""
        return ("Anonymous" if self.principal.anonymous else "User",)

    def secure(self) -> Values:
        """Whether the request came over TLS."""
        return ("true" if self.context.exchange.secure else "false",)

    def referer(self) -> Values:
        """The page that led here, if its browser tells."""
        return _one(self.context.header(b"referer"))

    def user_agent(self) -> Values:
        """The client's program, as it says."""
        return _one(self.context.header(b"user-agent"))

    def owner(self) -> Values:
        """Of the bucket."""
        return (self.bucket_owner,) if self.bucket_owner else ()

    def copy_source(self) -> Values:
        """`bucket/key` that is copied, decoded and without the version."""
        source = self.context.request.get("CopySource")
        if source is None:
            source = self.context.header(b"x-amz-copy-source")
        if isinstance(source, Mapping):
            return (f"{source.get('Bucket', '')}/{source.get('Key', '')}",)
        # cut as the copy itself cuts it: a `?` can be part of a key
        path = source.partition("?versionId=")[0] if source is not None else ""
        return () if source is None else (unquote(path).removeprefix("/"),)

    def request_tag_keys(self) -> Values:
        """Of the tags that the request gives an object."""
        return tuple(self._request_tags())

    def signature_version(self) -> Values:
        """AWS4-HMAC-SHA256 or AWS."""
        return _one(self.context.caller.signature_version)

    def auth_type(self) -> Values:
        """How the signature came."""
        if not self.context.caller.signature_version:
            return ()
        return ("REST-QUERY-STRING" if self.context.caller.by_query else "REST-HEADER",)

    def signature_age(self) -> Values:
        """Milliseconds since the request was signed."""
        signed = self.context.caller.signed_at
        return () if signed is None else (str(max(0, int((self.now() - signed) * 1000))),)

    def payload_hash(self) -> Values:
        """What the client said of the payload."""
        return _one(self.context.caller.payload)

    def remaining_retention(self) -> Values:
        """Days until the retention that is asked for ends."""
        until = self._members().get("ObjectLockRetainUntilDate")
        if not isinstance(until, int | float):
            return ()
        return (str(int((until - self.now()) // _DAY)),)

    def location(self) -> Values:
        """Where a new bucket is wanted."""
        wanted = self.context.request.get("CreateBucketConfiguration", {})
        return _one(wanted.get("LocationConstraint"))


_WORKED_OUT: Mapping[str, Callable[[RequestFacts], Values]] = {
    "aws:currenttime": RequestFacts.current_time,
    "aws:epochtime": RequestFacts.epoch_time,
    "aws:principalaccount": RequestFacts.user_id,
    "aws:principalarn": RequestFacts.arn,
    "aws:principaltype": RequestFacts.principal_type,
    "aws:referer": RequestFacts.referer,
    "aws:resourceaccount": RequestFacts.owner,
    "aws:securetransport": RequestFacts.secure,
    "aws:sourceip": RequestFacts.source_ip,
    "aws:useragent": RequestFacts.user_agent,
    "aws:userid": RequestFacts.user_id,
    "aws:username": RequestFacts.user_id,
    "s3:authtype": RequestFacts.auth_type,
    "s3:locationconstraint": RequestFacts.location,
    "s3:object-lock-remaining-retention-days": RequestFacts.remaining_retention,
    "s3:resourceaccount": RequestFacts.owner,
    "s3:signatureage": RequestFacts.signature_age,
    "s3:signatureversion": RequestFacts.signature_version,
    "s3:x-amz-content-sha256": RequestFacts.payload_hash,
    "s3:x-amz-copy-source": RequestFacts.copy_source,
    REQUEST_TAG_KEYS: RequestFacts.request_tag_keys,
}


def _one(value: str | None) -> Values:
    return (value,) if value else ()


def _tag(tags: Mapping[str, str], name: str) -> Values:
    """Keys of conditions are without case, and so is the tag's name in them."""
    return tuple(value for key, value in tags.items() if key.lower() == name)


def _member(members: Mapping[str, Any], name: str) -> Values:
    """Dates are seconds since the epoch, which conditions take as well as ISO 8601."""
    value = members.get(name)
    return () if value is None else (str(value),)
