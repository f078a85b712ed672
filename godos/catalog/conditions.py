"""What must hold of a version before it is replaced or removed."""

from __future__ import annotations

from godos.catalog.records import Head
from godos.model.errors import NoSuchKey, ObjectLocked, PreconditionFailed
from godos.model.versions import LockMode, ObjectVersion, WriteCondition


def check_condition(condition: WriteCondition, key: str, head: Head | None) -> None:
    """
    What a write asks of the latest version; a delete marker on top counts as no object.

    Raises:
        NoSuchKey: it asks something of the object, and there is none.
        PreconditionFailed: the object is not as the condition wants it.
    """
    there = head is not None and not head.version.is_delete_marker
    if condition.if_none_match_any and there:
        raise PreconditionFailed(
            f"If-None-Match: * forbids this, for {key!r} exists", "If-None-Match"
        )
    if there and head is not None and condition.if_none_match == head.version.etag:
        raise PreconditionFailed(f"{key!r} has the ETag of If-None-Match", "If-None-Match")
    if condition.if_match is None and condition.modified is None and condition.size is None:
        return
    if head is None or not there:
        raise NoSuchKey(
            f"If-Match needs an object, and there is no {key!r}",
            head.version.version_id if head else None,
        )
    _check_version(condition, head.version)


def check_deletion(condition: WriteCondition, version: ObjectVersion) -> None:
    """
    What a deletion asks of the version that it hides or removes, if there is one.

    A delete marker is a version like others here: it has no ETag, and so only `*` matches.
    Source: Amazon S3 API Reference, DeleteObject: If-Match succeeds where no object exists.

    Raises:
        PreconditionFailed: the version is not as the condition wants it.
    """
    if condition.if_none_match_any:
        raise PreconditionFailed(f"If-None-Match: * forbids this, for {version.key!r} exists")
    _check_version(condition, version)
    if condition.is_latest not in (None, version.is_latest):
        raise PreconditionFailed(f"{version.key!r} has another latest version by now")


def _check_version(condition: WriteCondition, version: ObjectVersion) -> None:
    if condition.if_match not in (None, "*", version.etag) or (
        version.is_delete_marker and condition.if_match not in (None, "*")
    ):
        raise PreconditionFailed(f"{version.key!r} has another ETag than If-Match says", "If-Match")
    if condition.modified is not None and int(version.modified) != int(condition.modified):
        raise PreconditionFailed(f"{version.key!r} was modified at another time")
    if condition.size is not None and version.size != condition.size:
        raise PreconditionFailed(f"{version.key!r} has another size")


def check_unlocked(version: ObjectVersion, now: float, bypass_governance: bool = False) -> None:
    """
    Args:
        now: seconds since the epoch.

    Raises:
        ObjectLocked: a legal hold or a retention keeps the version from being removed.
    """
    lock = version.attributes.lock
    named = f"version {version.version_id} of {version.key!r}"
    if lock.legal_hold:
        raise ObjectLocked(f"{named} is under a legal hold")
    if lock.mode is LockMode.NONE or lock.until <= now:
        return
    if lock.mode is LockMode.COMPLIANCE or not bypass_governance:
        raise ObjectLocked(f"{named} is to be kept, by its {lock.mode.value.lower()} retention")
