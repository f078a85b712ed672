"""
What a retention or a legal hold allows, and what a bucket's default asks for.

Source: Amazon S3 User Guide, "Locking objects with Object Lock".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from godos.model.errors import ObjectLocked
from godos.model.versions import Lock, LockMode

DAY = 86_400.0  # seconds
YEAR = 365 * DAY


def with_default(lock: Lock, document: Mapping[str, Any] | None, now: float) -> Lock:
    """
    The lock of a version that is made `now` (seconds since the epoch).

    Args:
        lock: what the request asks for; a retention of its own is kept.
        document: the bucket's object-lock configuration, in S3's member names.
    """
    if lock.mode is not LockMode.NONE or not document:
        return lock
    default = (document.get("Rule") or {}).get("DefaultRetention") or {}
    period = default.get("Days", 0) * DAY + default.get("Years", 0) * YEAR
    if not period or "Mode" not in default:
        return lock
    return evolve(lock, mode=LockMode(default["Mode"]), until=now + period)


def keeps(lock: Lock, now: float, bypass_governance: bool) -> bool:
    """Whether a version under `lock` may not be removed at `now`."""
    return lock.legal_hold or _retains(lock, now, bypass_governance)


def check_change(old: Lock, new: Lock, now: float, bypass_governance: bool) -> None:
    """
    Let a retention be extended by anybody who may set one, and nothing else of it be
    changed while it lasts; a legal hold comes and goes freely.

    Raises:
        ObjectLocked: the change would weaken a retention that is in force.
    """
    if not _retains(old, now, bypass_governance):
        return
    if new.mode is old.mode and new.until >= old.until:
        return
    if old.mode is LockMode.COMPLIANCE:
        raise ObjectLocked(
            "the version is under COMPLIANCE retention: it can be extended, and neither be "
            "shortened nor lifted by anybody before it ends"
        )
    raise ObjectLocked(
        "the version is under GOVERNANCE retention: to weaken it needs the permission "
        "s3:BypassGovernanceRetention and the header x-amz-bypass-governance-retention: true"
    )


def _retains(lock: Lock, now: float, bypass_governance: bool) -> bool:
    if lock.mode is LockMode.NONE or lock.until <= now:
        return False
    return lock.mode is LockMode.COMPLIANCE or not bypass_governance
