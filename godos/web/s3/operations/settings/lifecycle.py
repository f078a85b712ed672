"""The rules by which a bucket's objects expire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from godos.model.names import new_id
from godos.model.objects import IBuckets
from godos.protocol.lifecycle import DAY
from godos.web.access import Action
from godos.web.errors import S3Error, UnsupportedFeature
from godos.web.s3.call import Call, Request, Result, Route, Table
from godos.web.s3.operations.settings.documents import (
    Document,
    Documents,
    absence,
    check_unique,
    malformed,
    one_of,
    payload,
    some,
    wrong_argument,
)
from godos.web.s3.operations.tag_sets import document_tags

MOST_RULES = 1000
LONGEST_ID = 255  # characters
MOST_TAGS = 50  # of a filter
MOST_NEWER = 100  # noncurrent versions kept by number
SMALLEST = "TransitionDefaultMinimumObjectSize"
SIZES = ("all_storage_classes_128K", "varies_by_storage_class")
CLASSES = (
    "GLACIER",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "DEEP_ARCHIVE",
    "GLACIER_IR",
)
_ACTIONS = ("Expiration", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload")
_TRANSITIONS = ("Transitions", "NoncurrentVersionTransitions")
_NO_RULES = absence("NoSuchLifecycleConfiguration", "lifecycle configuration")


class BucketLifecycle:
    """Get-, Put- and DeleteBucketLifecycleConfiguration."""

    def __init__(self, objects: IBuckets) -> None:
        self._documents = Documents(objects, "lifecycle")

    def table(self) -> Table:
        """The routes."""
        return {
            "GetBucketLifecycleConfiguration": Route(self.get, Action.GET_LIFECYCLE),
            "PutBucketLifecycleConfiguration": Route(self.put, Action.PUT_LIFECYCLE),
            "DeleteBucketLifecycle": Route(self.delete, Action.PUT_LIFECYCLE),
        }

    async def get(self, call: Call, _: Request) -> Result:
        """The rules."""
        return dict(await self._documents.get(call.target.bucket, _NO_RULES))

    async def put(self, call: Call, request: Request) -> Result:
        """Replace all rules."""
        smallest = request.get(SMALLEST, SIZES[0])
        if smallest not in SIZES:
            raise wrong_argument(f"{SMALLEST} is one of {', '.join(SIZES)}", SMALLEST, smallest)
        rules = rules_of(payload(request, "LifecycleConfiguration"))
        await self._documents.put(call.target.bucket, {"Rules": rules, SMALLEST: smallest})
        return {SMALLEST: smallest}

    async def delete(self, call: Call, _: Request) -> Result:
        """Remove all rules."""
        await self._documents.delete(call.target.bucket)
        return None


def rules_of(document: Document) -> Sequence[Mapping[str, Any]]:
    """
    The rules that are kept, each with an ID.

    Raises:
        S3Error: MalformedXML, InvalidArgument, InvalidRequest, InvalidTag.  Source: Amazon
            S3 API Reference, PutBucketLifecycleConfiguration.
        UnsupportedFeature: a rule moves objects to another class of storage.
    """
    rules = []
    for rule in some(document, "Rules", MOST_RULES):
        _check(rule)
        rules.append({**rule, "ID": rule.get("ID") or new_id()})
    check_unique([rule["ID"] for rule in rules], "Rule ID")
    return rules


def _check(rule: Document) -> None:
    if len(rule.get("ID", "")) > LONGEST_ID:
        raise wrong_argument(f"an ID has at most {LONGEST_ID} characters", "ID", rule["ID"])
    one_of(rule, "Status", ("Enabled", "Disabled"))
    if ("Prefix" in rule) == ("Filter" in rule):
        raise malformed("a Rule has a Filter, or the older Prefix in its place")
    _check_filter(rule.get("Filter") or {})
    if not any(action in rule for action in (*_ACTIONS, *_TRANSITIONS)):
        raise S3Error("InvalidRequest", "at least one action needs to be specified in a rule")
    _check_expiration(rule)
    _check_noncurrent(rule)
    _check_abort(rule)
    _check_transitions(rule)


# -- whom it is for ----------------------------------------------------------------------
def _check_filter(given: Document) -> None:
    inner = given.get("And") or {}
    if "And" in given and not inner:
        raise malformed("an And has what must hold together")
    document_tags(_tags(given), MOST_TAGS)
    for part in (given, inner):
        for member in ("ObjectSizeGreaterThan", "ObjectSizeLessThan"):
            if part.get(member, 1) < 0:
                raise wrong_argument(f"{member} is a number of bytes", member, part[member])
        if part.get("ObjectSizeLessThan", 1) < 1:
            raise wrong_argument("ObjectSizeLessThan is at least 1", "ObjectSizeLessThan", 0)
        larger, smaller = part.get("ObjectSizeGreaterThan"), part.get("ObjectSizeLessThan")
        if larger is not None and smaller is not None and larger >= smaller:
            raise S3Error("InvalidRequest", "ObjectSizeGreaterThan is less than ObjectSizeLessThan")


def _tags(given: Document) -> list[Mapping[str, str]]:
    """All tags that it asks for."""
    inner = given.get("And") or {}
    return [*([given["Tag"]] if "Tag" in given else ()), *inner.get("Tags", ())]


def _has_sizes(given: Document) -> bool:
    parts = (given, given.get("And") or {})
    return any(name.startswith("ObjectSize") for part in parts for name in part)


def _check_keys_alone(rule: Document, action: str) -> None:
    """What has neither tags nor a size cannot be chosen by them."""
    given = rule.get("Filter") or {}
    if _tags(given) or _has_sizes(given):
        raise S3Error("InvalidRequest", f"{action} cannot be specified with tags or sizes")


# -- what it does ------------------------------------------------------------------------
def _check_positive(document: Document, member: str) -> None:
    if document[member] < 1:
        raise wrong_argument(f"{member} must be a positive integer", member, document[member])


def _check_date(date: float) -> None:
    if date % DAY:
        raise wrong_argument("a Date must be at midnight GMT", "Date", date)


def _check_expiration(rule: Document) -> None:
    if "Expiration" not in rule:
        return
    expiration = rule["Expiration"] or {}
    if len(expiration) != 1:
        raise malformed("an Expiration has one of Days, Date and ExpiredObjectDeleteMarker")
    if "Days" in expiration:
        _check_positive(expiration, "Days")
    elif "Date" in expiration:
        _check_date(expiration["Date"])
    else:
        _check_keys_alone(rule, "ExpiredObjectDeleteMarker")


def _check_noncurrent(rule: Document) -> None:
    if "NoncurrentVersionExpiration" not in rule:
        return
    noncurrent = rule["NoncurrentVersionExpiration"] or {}
    if "NoncurrentDays" not in noncurrent:
        raise malformed("a NoncurrentVersionExpiration has NoncurrentDays")
    _check_positive(noncurrent, "NoncurrentDays")
    if not 1 <= noncurrent.get("NewerNoncurrentVersions", 1) <= MOST_NEWER:
        raise wrong_argument(
            f"NewerNoncurrentVersions are 1 to {MOST_NEWER}",
            "NewerNoncurrentVersions",
            noncurrent["NewerNoncurrentVersions"],
        )


def _check_abort(rule: Document) -> None:
    if "AbortIncompleteMultipartUpload" not in rule:
        return
    abort = rule["AbortIncompleteMultipartUpload"] or {}
    if "DaysAfterInitiation" not in abort:
        raise malformed("an AbortIncompleteMultipartUpload has DaysAfterInitiation")
    _check_positive(abort, "DaysAfterInitiation")
    _check_keys_alone(rule, "AbortIncompleteMultipartUpload")


def _check_transitions(rule: Document) -> None:
    """They are read, so that a client learns of the nearest mistake, and then refused."""
    for transition in rule.get("Transitions", ()):
        if ("Days" in transition) == ("Date" in transition):
            raise malformed("a Transition has either Days or Date")
        if transition.get("Days", 0) < 0:
            raise wrong_argument("Days are not negative", "Days", transition["Days"])
        _check_date(transition.get("Date", 0))
    for kind in _TRANSITIONS:
        for transition in rule.get(kind, ()):
            one_of(transition, "StorageClass", CLASSES)
            raise UnsupportedFeature(
                "objects cannot be moved to another class of storage: there is one here"
            )
