"""Ranges of bytes: of reads, and of the source of a part that is copied."""

from __future__ import annotations

import re

from godos.model.objects import ByteRange
from godos.web.errors import InvalidArgument

_FAR = 1 << 62  # bytes: beyond any object
_COPIED = re.compile(r"bytes=([0-9]{1,18})-([0-9]{1,18})")


def parse_range(text: str) -> ByteRange | None:
    """
    Read `bytes=1-5`, `bytes=7-` or `bytes=-9`.

    None means the whole object: for other units, for several ranges, and for what makes
    no sense, as S3 does it and RFC 9110 (section 14.2) allows.
    """
    unit, _, ranges = text.partition("=")
    first, dash, last = ranges.strip().partition("-")
    if unit.strip().lower() != "bytes" or not dash:
        return None
    if not (_is_number(first) or (not first and _is_number(last))):
        return None
    if not (_is_number(last) or not last):
        return None
    start, stop = _number(first), _number(last)
    if start is not None and stop is not None and stop < start:
        return None
    return ByteRange(start, stop)


def _is_number(digits: str) -> bool:
    return digits.isascii() and digits.isdigit()


def _number(digits: str) -> int | None:
    if not digits:
        return None
    return int(digits) if len(digits) <= 18 else _FAR


def parse_copied_range(text: str) -> ByteRange:
    """
    Read `bytes=1-5`, the only form for a part that is copied.

    Source: Amazon S3 API Reference, UploadPartCopy.

    Raises:
        InvalidArgument: it has another form.
    """
    match = _COPIED.fullmatch(text)
    if match is None or int(match[2]) < int(match[1]):
        raise InvalidArgument(
            "x-amz-copy-source-range is written bytes=<first>-<last>, both counted from 0"
        )
    return ByteRange(int(match[1]), int(match[2]))


def content_range(start: int, stop: int, size: int) -> str:
    """The Content-Range of bytes [start, stop) of an object of `size` bytes."""
    return f"bytes {start}-{stop - 1}/{size}"
