"""
Preconditions and ranges of reads, decided over a version and no I/O.

Source: RFC 9110, sections 13.2.2 (order of evaluation) and 14.1 (ranges).
"""

from __future__ import annotations

from collections.abc import Iterable

from godos.model.errors import InvalidRange, NotModified, PreconditionFailed
from godos.model.objects import ByteRange, ReadCondition
from godos.model.versions import ObjectVersion


def _matches(etags: Iterable[str], version: ObjectVersion) -> bool:
    return any(etag in ("*", version.etag) for etag in etags)


def check_read(condition: ReadCondition, version: ObjectVersion) -> None:
    """
    Let a conditional read go on, or not.

    A date is only looked at when the tag of its kind is absent.

    Raises:
        PreconditionFailed: If-Match or If-Unmodified-Since does not hold.
        NotModified: the client has this version already; carries it.
    """
    seconds = int(version.modified)  # HTTP dates have no fractions
    if condition.if_match is not None:
        if not _matches(condition.if_match, version):
            raise PreconditionFailed("If-Match: the object has another ETag now")
    elif condition.if_unmodified_since is not None and seconds > condition.if_unmodified_since:
        raise PreconditionFailed("If-Unmodified-Since: the object was written later")
    if condition.if_none_match is not None:
        if _matches(condition.if_none_match, version):
            raise NotModified(version)
    elif condition.if_modified_since is not None and seconds <= condition.if_modified_since:
        raise NotModified(version)


def resolve(wanted: ByteRange | None, size: int) -> tuple[int, int]:
    """
    The bytes [start, stop) that a range means of `size` bytes.

    Raises:
        InvalidRange: none of them exists.
    """
    if wanted is None:
        return 0, size
    if wanted.first is None:
        length = min(wanted.last or 0, size)
        if length == 0:
            raise InvalidRange(size)
        return size - length, size
    stop = size if wanted.last is None else min(wanted.last + 1, size)
    if wanted.first >= size or wanted.first >= stop:
        raise InvalidRange(size)
    return wanted.first, stop
