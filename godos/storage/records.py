"""Records of a volume, as bytes: docs/disk-format.rst, "A volume".  Nothing here does I/O."""

from __future__ import annotations

from enum import IntEnum
from secrets import token_bytes
from struct import Struct

from attrs import define, frozen
from crc32c import crc32c

from godos.model.fragments import SMALL
from godos.model.names import FragmentName
from godos.storage.checks import CHECK, blocks_of, unpack_checks
from godos.storage.description import MAX_DESCRIPTION

FORMAT = 1
MAGIC = b"GODOSVOL"
RECORD_MAGIC = b"gRec"
ALIGN = 8
SECOND_COPY = 4096  # offset of the second copy of a volume's header
FIRST_RECORD = 8192
COMPACTED = 1  # flag

_HEADER = Struct(">8sHHIQ16s16sQQII")
_FIXED = Struct(">4sBBH16sQQQQIIII")
_UNSIGNED_FIXED = Struct(">4sBBH16sQQQQIII")
_LENGTHS = Struct(">II")
_CRC = Struct(">I")

FIXED = _FIXED.size
HEADER = _HEADER.size
TOMBSTONE = FIXED  # bytes of a tombstone

MAX_HEAD = FIXED + MAX_DESCRIPTION + CHECK * blocks_of(SMALL)

_NO_NAME = bytes(16)


class Kind(IntEnum):
    """What a record is."""

    FRAGMENT = 1
    TOMBSTONE = 2
    MARK = 3
    END = 4


@frozen
class VolumeHeader:
    """What a volume says of itself.  `salt` and `node` are 16 bytes."""

    number: int
    salt: bytes
    node: bytes
    first_sequence: int
    purged: int = 0
    compacted: bool = False
    format: int = FORMAT

    def encode(self) -> bytes:
        """The bytes before `FIRST_RECORD`: both copies, and padding."""
        flags = COMPACTED if self.compacted else 0
        raw = _HEADER.pack(
            MAGIC, self.format, flags, 0, self.number, self.salt, self.node,
            self.first_sequence, self.purged, 0, 0,
        )[:-4]  # fmt: skip
        copy = (raw + _CRC.pack(crc32c(raw))).ljust(SECOND_COPY, b"\0")
        return copy + copy

    @classmethod
    def decode(cls, raw: bytes) -> VolumeHeader | None:
        """Read the bytes before `FIRST_RECORD`; None when neither copy verifies."""
        for start in (0, SECOND_COPY):
            copy = raw[start : start + HEADER]
            if len(copy) < HEADER or crc32c(copy[:-4]) != _CRC.unpack(copy[-4:])[0]:
                continue
            magic, form, flags, _, number, salt, node, first, purged, _, _ = _HEADER.unpack(copy)
            if magic == MAGIC:
                return cls(number, salt, node, first, purged, bool(flags & COMPACTED), form)
        return None


@define
class Record:
    """
    The fixed part of one record.  All numbers are bytes, but for the sequence numbers.

    `name` is None for a mark and an end; `killed` is the sequence number that a tombstone
    removes.
    """

    kind: int
    name: FragmentName | None
    sequence: int = 0
    offset: int = 0
    synced: int = 0
    killed: int = 0
    described: int = 0  # length of the description
    length: int = 0  # of the payload

    @property
    def head(self) -> int:
        """Length of everything before the payload."""
        return FIXED + self.described + CHECK * blocks_of(self.length)

    @property
    def size(self) -> int:
        """Length of the whole record with its padding."""
        return aligned(self.head + self.length)

    @property
    def end(self) -> int:
        """Offset of what follows."""
        return self.offset + self.size

    def encode(self, salted: int, rest: bytes = b"") -> bytes:
        """Everything before the payload; `rest` is description and checks."""
        name = self.name
        fixed = _UNSIGNED_FIXED.pack(
            RECORD_MAGIC,
            self.kind,
            0,
            0 if name is None else name.index,
            _NO_NAME if name is None else bytes.fromhex(name.incarnation),
            self.sequence,
            self.offset,
            self.synced,
            self.killed,
            self.described,
            self.length,
            0,
        )
        check = crc32c(fixed, salted)
        return b"".join((fixed, _CRC.pack(crc32c(rest, check) if rest else check), rest))


@frozen
class Parsed:
    """A record whose head verifies.  Description and checks are as they stand on disk."""

    record: Record
    description: bytes
    checks: bytes

    @property
    def block_checks(self) -> tuple[int, ...]:
        """The check of each block of the payload."""
        return unpack_checks(self.checks)


def aligned(size: int) -> int:
    """`size` rounded up to where a record may begin."""
    return (size + ALIGN - 1) & -ALIGN


def new_salt() -> bytes:
    """For the header of a new volume."""
    return token_bytes(16)


def salt_check(salt: bytes) -> int:
    """What the check of each record of a volume begins with."""
    return crc32c(salt)


def head_size(fixed: bytes) -> int | None:
    """Length of the head that these first `FIXED` bytes announce; None when they cannot be one."""
    if len(fixed) < FIXED or fixed[:4] != RECORD_MAGIC:
        return None
    described, length = _LENGTHS.unpack_from(fixed, 56)
    if described > MAX_DESCRIPTION or length > SMALL:
        return None
    return int(FIXED + described + CHECK * blocks_of(length))


def parse_head(head: bytes, offset: int, salted: int) -> Parsed | None:
    """Read the head of a record that stands at `offset`; None when it does not verify."""
    magic, kind, _, index, incarnation, *numbers, _, check = _FIXED.unpack_from(head)
    sequence, at, synced, killed, described, length = numbers
    rest = head[FIXED:]
    expected = crc32c(head[: FIXED - 4], salted)
    if magic != RECORD_MAGIC or at != offset or crc32c(rest, expected) != check:
        return None
    named = kind in (Kind.FRAGMENT, Kind.TOMBSTONE)
    name = FragmentName(incarnation.hex(), index) if named else None
    record = Record(kind, name, sequence, at, synced, killed, described, length)
    return Parsed(record, rest[:described], rest[described:])
