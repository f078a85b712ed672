"""
Retention and legal hold, from a request's members and back.

Source: Amazon S3 API Reference, PutObject and PutObjectRetention.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from godos.model.versions import Lock, LockMode
from godos.web.errors import InvalidArgument, S3Error
from godos.web.s3.call import Request

UNLOCKED = Lock()
_MODES = {mode.value: mode for mode in LockMode if mode is not LockMode.NONE}
_HOLDS = {"ON": True, "OFF": False}


def header_lock(request: Request, now: float) -> Lock:
    """
    The lock that an upload asks for.

    Args:
        now: seconds since the epoch.

    Raises:
        InvalidArgument: mode without date or the other way round, another mode, a date
            that is over.
    """
    mode, until = request.get("ObjectLockMode"), request.get("ObjectLockRetainUntilDate")
    hold = request.get("ObjectLockLegalHoldStatus")
    if mode is until is hold is None:
        return UNLOCKED
    if (mode is None) != (until is None):
        raise InvalidArgument(
            "x-amz-object-lock-mode and x-amz-object-lock-retain-until-date come together"
        )
    lock = UNLOCKED
    if mode is not None and until is not None:
        if mode not in _MODES:
            raise InvalidArgument("x-amz-object-lock-mode is GOVERNANCE or COMPLIANCE")
        lock = Lock(_MODES[mode], _in_future(until, now))
    if hold is None:
        return lock
    if hold not in _HOLDS:
        raise InvalidArgument("x-amz-object-lock-legal-hold is ON or OFF")
    return evolve(lock, legal_hold=_HOLDS[hold])


def document_retention(retention: Request | None, now: float) -> tuple[LockMode, float]:
    """
    Mode and end of a `Retention` document; an empty one lifts the retention.

    Raises:
        S3Error: MalformedXML.
        InvalidArgument: the date is over.
    """
    if retention is None:
        raise S3Error("MalformedXML", "the body is a Retention document")
    mode, until = retention.get("Mode"), retention.get("RetainUntilDate")
    if mode is until is None:
        return LockMode.NONE, 0.0
    if mode not in _MODES or until is None:
        raise S3Error(
            "MalformedXML",
            "a Retention has a Mode, GOVERNANCE or COMPLIANCE, and a RetainUntilDate",
        )
    return _MODES[mode], _in_future(until, now)


def document_hold(legal_hold: Request | None) -> bool:
    """
    Whether a `LegalHold` document puts a hold on.

    Raises:
        S3Error: MalformedXML.
    """
    status = None if legal_hold is None else legal_hold.get("Status")
    if status not in _HOLDS:
        raise S3Error("MalformedXML", "a LegalHold has a Status, ON or OFF")
    return _HOLDS[status]


def _in_future(until: float, now: float) -> float:
    if until <= now:
        raise InvalidArgument("the date until which to retain must lie in the future")
    return until


def retention_members(lock: Lock) -> Mapping[str, Any]:
    """A lock's retention as the headers of an answer tell it."""
    if lock.mode is LockMode.NONE:
        return {}
    return {"ObjectLockMode": lock.mode.value, "ObjectLockRetainUntilDate": lock.until}


def hold_members(lock: Lock) -> Mapping[str, Any]:
    """A lock's legal hold as the headers of an answer tell it."""
    return {"ObjectLockLegalHoldStatus": "ON"} if lock.legal_hold else {}
