"""Volumes and their records, as bytes."""

from __future__ import annotations

import pytest
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st

from godos.model.fragments import SMALL
from godos.model.names import FragmentName
from godos.storage.records import (
    FIRST_RECORD,
    FIXED,
    HEADER,
    SECOND_COPY,
    Kind,
    Parsed,
    Record,
    VolumeHeader,
    head_size,
    parse_head,
    salt_check,
)

VOLUME = VolumeHeader(3, b"salt" * 4, b"node" * 4, 77, 12, compacted=True)
SALTED = salt_check(VOLUME.salt)
NAME = FragmentName("0123456789abcdef" * 2, 999)


def fragment(offset: int = 8192) -> tuple[Record, bytes]:
    """A record of a fragment, and its head."""
    record = Record(Kind.FRAGMENT, NAME, 5, offset, 8192, described=11, length=300_000)
    return record, record.encode(SALTED, b"description" + b"checks-of-12")


def test_volume_header_as_specified() -> None:
    """The bytes are those of docs/disk-format.rst, twice."""
    raw = VOLUME.encode()
    start = (
        b"GODOSVOL"
        + bytes.fromhex("0001" + "0001" + "00000000" + "0000000000000003")
        + b"salt" * 4
        + b"node" * 4
        + bytes.fromhex("000000000000004d" + "000000000000000c" + "00000000")
    )
    assert len(raw) == FIRST_RECORD
    assert raw[:HEADER] == start + crc32c(start).to_bytes(4, "big")
    assert raw[SECOND_COPY:] == raw[:SECOND_COPY]
    assert VolumeHeader.decode(raw) == VOLUME


@pytest.mark.parametrize("place", range(0, HEADER, 3))
def test_one_copy_is_enough(place: int) -> None:
    """A volume whose header is damaged in one place is read by the other copy."""
    for base in (0, SECOND_COPY):
        raw = bytearray(VOLUME.encode())
        raw[base + place] ^= 1
        assert VolumeHeader.decode(raw) == VOLUME
    raw[place] ^= 1
    assert VolumeHeader.decode(raw) is None


@pytest.mark.parametrize("size", [0, 10, HEADER - 1])
def test_short_volume(size: int) -> None:
    """A file without a whole header is no volume."""
    assert VolumeHeader.decode(VOLUME.encode()[:size]) is None


def test_record_as_specified() -> None:
    """The bytes are those of docs/disk-format.rst."""
    record, head = fragment()
    fixed = b"gRec" + bytes.fromhex(
        "01" + "00" + "03e7" + "0123456789abcdef" * 2 + "0000000000000005" + "0000000000002000"
        "0000000000002000" + "0000000000000000" + "0000000b" + "000493e0" + "00000000"
    )
    rest = b"description" + b"checks-of-12"
    check = crc32c(fixed + rest, crc32c(VOLUME.salt))
    assert head == fixed + check.to_bytes(4, "big") + rest
    assert (record.head, head_size(head[:FIXED])) == (len(head), len(head))
    assert record.size % 8 == 0 and record.size - record.head - record.length in range(8)


@pytest.mark.parametrize(
    "record",
    [
        Record(Kind.TOMBSTONE, NAME, 9, 16384, 8192, killed=4),
        Record(Kind.MARK, None, 10, 8192, 8192),
        Record(Kind.END, None, 2**64 - 1, 2**40, 8192),
    ],
)
def test_other_records(record: Record) -> None:
    """What is written is read."""
    head = record.encode(SALTED)
    assert len(head) == record.size == FIXED
    assert parse_head(head, record.offset, SALTED) == Parsed(record, b"", b"")


def test_parts_of_a_head() -> None:
    """Description and checks are told apart."""
    record, head = fragment()
    assert parse_head(head, 8192, SALTED) == Parsed(record, b"description", b"checks-of-12")


@given(st.integers(0, 94), st.integers(0, 7))
def test_flipped_bit(place: int, bit: int) -> None:
    """A flipped bit anywhere in a head is noticed."""
    raw = bytearray(fragment()[1])
    raw[place] ^= 1 << bit
    size = head_size(bytes(raw[:FIXED]))
    assert size != len(raw) or parse_head(bytes(raw), 8192, SALTED) is None


def test_record_out_of_place() -> None:
    """A record counts only in its own volume, at its own offset."""
    _, head = fragment()
    assert parse_head(head, 8200, SALTED) is None
    assert parse_head(head, 8192, salt_check(b"SALT" * 4)) is None


def test_absurd_lengths() -> None:
    """What announces more than a small fragment is no record."""
    record = Record(Kind.FRAGMENT, NAME, 5, 8192, 8192, length=SMALL + 1)
    assert head_size(record.encode(SALTED)) is None
    assert head_size(b"gRec") is None
