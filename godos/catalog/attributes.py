"""
What belongs to a version beside its bytes, as rows keep it.

Whatever is as in most objects is left out, and what is not there is read so: rows of an
older godos, which knew less, are read as what they meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from godos.model.versions import Attributes, Lock, LockMode

_UNLOCKED = Lock()
_USUAL_CLASS = "STANDARD"


def to_fields(attributes: Attributes) -> dict[str, Any]:
    """The fields of a row, with None for what is left out."""
    lock, usual = attributes.lock, attributes.storage_class == _USUAL_CLASS
    return {
        "h": dict(attributes.headers),
        "m": dict(attributes.metadata),
        "own": attributes.owner,
        "tags": dict(attributes.tags),
        "acl": attributes.acl,
        "sc": None if usual else attributes.storage_class,
        "lock": None if lock == _UNLOCKED else [lock.mode.value, lock.until, lock.legal_hold],
        "enc": attributes.encryption,
    }


def of_fields(data: Mapping[str, Any]) -> Attributes:
    """The attributes that a row holds."""
    get = data.get
    lock = get("lock")
    return Attributes(  # by position: a listing makes a thousand of them
        get("h", {}),
        get("m", {}),
        get("own", ""),
        get("tags", {}),
        get("acl"),
        get("sc", _USUAL_CLASS),
        _UNLOCKED if lock is None else _lock(lock),
        get("enc"),
    )


def _lock(kept: Any) -> Lock:
    mode, until, legal_hold = kept
    return Lock(LockMode(mode), until, legal_hold)
