"""
Which parts of a file an upload that broke off has already.

A part counts when number, size and MD5 are those of the file's.  Nothing rests on it: the
checksum of the whole is compared by the server before the object exists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import md5

from attrs import frozen

PART = 8 << 20  # bytes
MOST_PARTS = 10_000  # Source: Amazon S3 User Guide, "Amazon S3 multipart upload limits"
LARGEST = 5 << 40  # bytes of an object; the same


@frozen
class Piece:
    """One part of a file; numbers begin at 1."""

    number: int
    start: int
    size: int


@frozen
class Stored:
    """A part as ListParts tells it; `etag` without quotes."""

    number: int
    size: int
    etag: str


def pieces(size: int) -> Sequence[Piece]:
    """
    The parts of a file of this size: always the same, so that they match another time.

    Raises:
        ValueError: no object is that large.
    """
    if size > LARGEST:
        raise ValueError("an object has at most 5 TiB")
    step = PART
    while step * MOST_PARTS < size:
        step *= 2
    starts = enumerate(range(0, size, step), 1)
    return [Piece(number, start, min(step, size - start)) for number, start in starts]


def matching(
    wanted: Sequence[Piece], stored: Sequence[Stored], read: Callable[[Piece], bytes]
) -> Mapping[int, str]:
    """
    The ETags of the parts that need not be sent again, by their numbers.

    Args:
        read: the file's bytes of a piece; asked only where the size fits.
    """
    by_number = {part.number: part for part in stored}
    found: dict[int, str] = {}
    for piece in wanted:
        part = by_number.get(piece.number)
        if part is None or part.size != piece.size:
            continue
        if md5(read(piece), usedforsecurity=False).hexdigest() == part.etag:
            found[piece.number] = part.etag
    return found
