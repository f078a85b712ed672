"""
What belongs to a version beside its bytes, as rows keep it.

Whatever is as in most objects is left out, and what is not there is read so: rows of an
older godos, which knew less, are read as what they meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from godos.model.versions import Attributes, Lock, LockMode

_UNLOCKED = Lock()
_USUAL_CLASS = "STANDARD"
_NOTHING: Mapping[str, str] = {}  # shared by all, and never written to
_OF_ITS_OWN = frozenset(("m", "tags", "acl", "lock", "enc"))  # what tells objects apart
_ALIKE = 1024  # attributes that are remembered, because many objects have the same


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
    if _OF_ITS_OWN.isdisjoint(data):  # a listing reads a thousand of them
        headers = get("h")
        of_headers = tuple(headers.items()) if headers else ()
        return _plain(of_headers, get("own", ""), get("sc", _USUAL_CLASS))
    lock = get("lock")
    return Attributes(
        get("h", _NOTHING),
        get("m", _NOTHING),
        get("own", ""),
        get("tags", _NOTHING),
        get("acl"),
        get("sc", _USUAL_CLASS),
        _UNLOCKED if lock is None else _lock(lock),
        get("enc"),
    )


@lru_cache(_ALIKE)
def _plain(headers: tuple[tuple[str, str], ...], owner: str, storage_class: str) -> Attributes:
    """Attributes that have no more than this, made once: nobody changes them."""
    of_headers = dict(headers) if headers else _NOTHING
    return Attributes(of_headers, owner=owner, storage_class=storage_class)


def _lock(kept: Any) -> Lock:
    mode, until, legal_hold = kept
    return Lock(LockMode(mode), until, legal_hold)
