"""
The end of an upload in parts: which parts the object is made of, and what it is called.

Decisions over what was read, without I/O.  Source: Amazon S3 API Reference,
"CompleteMultipartUpload"; Amazon S3 User Guide, "Checking object integrity".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import md5
from itertools import pairwise

from godos.model.errors import (
    BadDigest,
    EntityTooSmall,
    InvalidPart,
    InvalidPartOrder,
    InvalidRequest,
)
from godos.model.multipart import MIN_PART, MultipartUpload, Part
from godos.model.objects import ChosenPart, CompleteRequest
from godos.model.versions import ChecksumType
from godos.transfer.checksums import DEFAULT, combined, composite, is_full_object


def check_order(chosen: Sequence[ChosenPart]) -> None:
    """
    Raises:
        InvalidRequest: no part was chosen.
        InvalidPartOrder: their numbers do not ascend.
    """
    if not chosen:
        raise InvalidRequest("name at least one part to complete an upload with")
    numbers = [part.number for part in chosen]
    if any(late >= early for late, early in pairwise(numbers)):
        raise InvalidPartOrder("the parts are to be named in ascending order, each once")


def chosen_parts(chosen: Sequence[ChosenPart], stored: Mapping[int, Part]) -> tuple[Part, ...]:
    """
    The stored parts that were chosen, by number.

    Raises:
        InvalidPart: one is not there, or is another than the client thinks.
        EntityTooSmall: one that is not the last has less than 5 MiB.
    """
    parts = tuple(_stored(each, stored) for each in chosen)
    for part in parts[:-1]:
        if part.size < MIN_PART:
            raise EntityTooSmall(
                f"part {part.number} has {part.size} bytes; all parts but the last have at "
                f"least {MIN_PART}"
            )
    return parts


def _stored(chosen: ChosenPart, stored: Mapping[int, Part]) -> Part:
    part = stored.get(chosen.number)
    if part is None:
        raise InvalidPart(f"there is no part {chosen.number}: upload it before you complete")
    if part.etag != chosen.etag:
        raise InvalidPart(f"part {chosen.number} has the ETag {part.etag}, not {chosen.etag}")
    for algorithm, told in chosen.checksums.items():
        if part.checksums.get(algorithm) != told:
            raise InvalidPart(f"part {chosen.number} has another {algorithm} than was named")
    return part


def etag_of(parts: Sequence[Part]) -> str:
    """S3's ETag of an object made of parts: the MD5 of their MD5s, and how many they are."""
    digest = md5(usedforsecurity=False)
    for part in parts:
        digest.update(bytes.fromhex(part.etag))
    return f"{digest.hexdigest()}-{len(parts)}"


def checksums_of(
    upload: MultipartUpload, parts: Sequence[Part]
) -> tuple[dict[str, str], ChecksumType]:
    """
    The checksum of the object, from those of its parts, and of which kind it is.

    It is the one that the upload was begun with, or else the one that all its parts have
    because nobody asked for another.

    Raises:
        InvalidPart: a part lacks it.
    """
    algorithm = upload.checksum
    if not algorithm:
        whole = _full(DEFAULT, parts)
        return {} if whole is None else {DEFAULT: whole}, ChecksumType.FULL_OBJECT
    if any(algorithm not in part.checksums for part in parts):
        raise InvalidPart(f"not all parts have a {algorithm}, which the upload was begun with")
    if upload.checksum_type is ChecksumType.COMPOSITE:
        told = composite(algorithm, [part.checksums[algorithm] for part in parts])
    else:
        told = combined(algorithm, [(part.checksums[algorithm], part.size) for part in parts])
    return {algorithm: told}, upload.checksum_type


def _full(algorithm: str, parts: Sequence[Part]) -> str | None:
    """The checksum of all bytes, where those of the parts tell it."""
    if not is_full_object(algorithm) or any(algorithm not in part.checksums for part in parts):
        return None
    return combined(algorithm, [(part.checksums[algorithm], part.size) for part in parts])


def check_whole(
    request: CompleteRequest,
    upload: MultipartUpload,
    parts: Sequence[Part],
    checksums: Mapping[str, str],
) -> None:
    """
    Compare what the client says of the whole object with what it is.

    Raises:
        InvalidRequest: it says another size or kind of checksum.
        BadDigest: it says another checksum.
    """
    kind = request.checksum_type
    if kind is not None and upload.checksum and kind is not upload.checksum_type:
        raise InvalidRequest(
            f"the upload was begun with checksums of the type {upload.checksum_type}, not {kind}"
        )
    for algorithm, told in request.checksums.items():
        found = checksums.get(algorithm) or _full(algorithm, parts)
        if found is None:
            raise InvalidRequest(
                f"the upload was not begun with {algorithm}: it cannot be compared"
            )
        if told not in (found, found.partition("-")[0]):
            raise BadDigest(f"the object's {algorithm} is {found}, not {told}; it was not made")
    size = sum(part.size for part in parts)
    if request.size not in (None, size):
        raise InvalidRequest(f"the parts have {size} bytes together, not {request.size}")
