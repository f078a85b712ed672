"""Which parts an object is made of, and what it is called."""

from __future__ import annotations

import zlib
from base64 import b64encode
from hashlib import md5

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from godos.model.errors import InvalidPart, InvalidPartOrder, InvalidRequest
from godos.model.multipart import MultipartUpload, Part
from godos.model.objects import ChosenPart, CompleteRequest
from godos.model.versions import ChecksumType
from godos.objects.completion import (
    check_order,
    check_whole,
    checksums_of,
    chosen_parts,
    etag_of,
)

FULL = ChecksumType.FULL_OBJECT
UPLOAD = MultipartUpload("id", "bucket", "key", 0.0)


def crc32(data: bytes) -> str:
    return b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def part(number: int, data: bytes) -> Part:
    etag = md5(data).hexdigest()
    return Part(number, len(data), etag, "i", "r", 0.0, {"crc32": crc32(data)})


@given(st.lists(st.integers(1, 20), min_size=1))
def test_order(numbers: list[int]) -> None:
    """Numbers ascend, with gaps as the client likes, and none comes twice."""
    chosen = [ChosenPart(number, "") for number in numbers]
    if numbers == sorted(set(numbers)):
        check_order(chosen)
    else:
        with pytest.raises(InvalidPartOrder):
            check_order(chosen)


def test_no_part() -> None:
    """Nothing is made of nothing."""
    with pytest.raises(InvalidRequest):
        check_order([])


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=20))
def test_full_checksums(pieces: list[bytes]) -> None:
    """The CRC is that of the bytes, however they were cut."""
    parts = [part(number, piece) for number, piece in enumerate(pieces, 1)]
    upload = evolve(UPLOAD, checksum="crc32", checksum_type=FULL)
    assert checksums_of(upload, parts) == ({"crc32": crc32(b"".join(pieces))}, FULL)


def test_a_part_without_the_checksum() -> None:
    """The object cannot have one then."""
    upload = evolve(UPLOAD, checksum="crc32c", checksum_type=FULL)
    with pytest.raises(InvalidPart):
        checksums_of(upload, [part(1, b"x")])


def test_parts_with_different_checksums() -> None:
    """An upload that was begun without one has none, unless all parts have the default."""
    assert checksums_of(UPLOAD, [part(1, b"x")]) == ({}, FULL)


def test_a_checksum_that_was_not_announced() -> None:
    """It is compared all the same when the parts tell it, and refused when they do not."""
    parts = [part(1, b"one"), part(2, b"two")]
    request = CompleteRequest((), checksums={"crc32": crc32(b"onetwo")})
    check_whole(request, UPLOAD, parts, {})
    with pytest.raises(InvalidRequest):
        check_whole(evolve(request, checksums={"sha1": "x"}), UPLOAD, parts, {})


def test_a_composite_checksum_with_or_without_its_count() -> None:
    """Clients send both."""
    upload = evolve(UPLOAD, checksum="crc32")
    parts = [part(1, b"one"), part(2, b"two")]
    found, kind = checksums_of(upload, parts)
    assert kind is ChecksumType.COMPOSITE and found["crc32"].endswith("-2")
    for told in (found["crc32"], found["crc32"].removesuffix("-2")):
        check_whole(CompleteRequest((), checksums={"crc32": told}), upload, parts, found)


def test_etag() -> None:
    """As S3 makes it of the parts' own."""
    parts = [part(1, b"one"), part(7, b"two")]
    digests = md5(b"one").digest() + md5(b"two").digest()
    assert etag_of(parts) == md5(digests).hexdigest() + "-2"


def test_chosen_parts_are_the_stored_ones() -> None:
    """By number, and what the client says of them must be so."""
    stored = {1: part(1, b"one"), 2: part(2, b"two")}
    etags = {number: each.etag for number, each in stored.items()}
    assert chosen_parts([ChosenPart(2, etags[2])], stored) == (stored[2],)
    for wrong in (
        ChosenPart(3, etags[1]),
        ChosenPart(1, etags[2]),
        ChosenPart(1, etags[1], {"crc32": crc32(b"x")}),
        ChosenPart(1, etags[1], {"sha1": "x"}),
    ):
        with pytest.raises(InvalidPart):
            chosen_parts([wrong], stored)
