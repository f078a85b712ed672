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
    return Attributes(
        headers=data.get("h", {}),
        metadata=data.get("m", {}),
        owner=data.get("own", ""),
        tags=data.get("tags", {}),
        acl=data.get("acl"),
        storage_class=data.get("sc", _USUAL_CLASS),
        lock=_lock(data["lock"]) if "lock" in data else _UNLOCKED,
        encryption=data.get("enc"),
    )


def _lock(kept: Any) -> Lock:
    mode, until, legal_hold = kept
    return Lock(LockMode(mode), until, legal_hold)
