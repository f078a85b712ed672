"""The file of a large fragment: docs/disk-format.rst, "A large fragment".  No I/O here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct

from attrs import frozen
from crc32c import crc32c

from godos.model.blobs import FragmentHeader
from godos.model.errors import FragmentDamaged
from godos.model.fragments import BLOCK
from godos.model.names import FragmentName
from godos.storage import description
from godos.storage.checks import CHECK, blocks_of, pack_checks, unpack_checks

FORMAT = 1
MAGIC = b"GODOSOBJ"

_FIXED = Struct(">8sHHI16sIIQI20xI")
_CRC = Struct(">I")
FOOTER = _FIXED.size + _CRC.size


@frozen
class Trailer:
    """All that follows the payload of a large fragment.  `format` is the file's."""

    header: FragmentHeader
    checks: tuple[int, ...]
    format: int = FORMAT


def encode(header: FragmentHeader, checks: Sequence[int]) -> bytes:
    """What is written behind the payload."""
    table, described = pack_checks(checks), description.encode(header)
    fixed = _FIXED.pack(
        MAGIC,
        FORMAT,
        0,
        BLOCK,
        bytes.fromhex(header.name.incarnation),
        header.name.index,
        len(described),
        header.length,
        crc32c(table),
        crc32c(described),
    )
    return b"".join((table, described, fixed, _CRC.pack(crc32c(fixed))))


def read_trailer(read: Callable[[int, int], bytes], size: int, what: str) -> Trailer:
    """
    Read the trailer of a file of `size` bytes, of which `read(size, offset)` answers some.

    `what` names the file in errors.

    Raises:
        FragmentDamaged: it does not verify.
    """
    tail = min(size, 16 << 10)  # most trailers are within it
    held = read(tail, size - tail)
    fixed, check = held[-FOOTER : -_CRC.size], held[-_CRC.size :]
    if len(held) < FOOTER or fixed[:8] != MAGIC or _CRC.unpack(check)[0] != crc32c(fixed):
        raise FragmentDamaged(f"{what} does not end with a footer that verifies")
    _, form, _, block, incarnation, index, described, length, table_check, text_check = (
        _FIXED.unpack(fixed)
    )
    if form > FORMAT:
        raise FragmentDamaged(f"{what} was written by a newer godos (format {form})")
    table_size = CHECK * blocks_of(length)
    if block != BLOCK or length + table_size + described + FOOTER != size:
        raise FragmentDamaged(f"{what} is not as long as its footer says")
    trailer_size = size - length
    if trailer_size > len(held):
        held = read(trailer_size, length)
    rest = held[len(held) - trailer_size :]
    table, text = rest[:table_size], rest[table_size : table_size + described]
    if crc32c(table) != table_check or crc32c(text) != text_check:
        raise FragmentDamaged(f"{what} has a damaged trailer")
    header = description.decode(FragmentName(incarnation.hex(), index), length, text)
    return Trailer(header, unpack_checks(table), form)
