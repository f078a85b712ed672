"""What follows the payload in the file of a large fragment."""

from __future__ import annotations

from random import Random

import pytest
from attrs import evolve
from crc32c import crc32c

from godos.model.errors import FragmentDamaged
from godos.model.fragments import BLOCK
from godos.model.names import FragmentName
from godos.storage import description
from godos.storage.checks import checks_of, pack_checks
from godos.storage.footer import FOOTER, Trailer, encode, read_trailer
from tests.contract.fragment_store import header_of

NAME = FragmentName("0123456789abcdef" * 2, 2)
PAYLOAD = Random(1).randbytes(2 * BLOCK + 5)
HEADER = header_of(PAYLOAD, NAME, origin=b"origin")
CHECKS = checks_of(NAME, [PAYLOAD])
FILE = PAYLOAD + encode(HEADER, CHECKS)


def trailer(file: bytes) -> Trailer:
    """Read out of bytes."""
    return read_trailer(lambda size, offset: file[offset : offset + size], len(file), "it")


def test_as_specified() -> None:
    """The bytes are those of docs/disk-format.rst, and the payload comes first."""
    described = description.encode(HEADER)
    table = pack_checks(CHECKS)
    fixed = (
        b"GODOSOBJ"
        + bytes.fromhex("0001" + "0000" + "00020000" + "0123456789abcdef" * 2 + "00000002")
        + len(described).to_bytes(4, "big")
        + len(PAYLOAD).to_bytes(8, "big")
        + crc32c(table).to_bytes(4, "big")
        + bytes(20)
        + crc32c(described).to_bytes(4, "big")
    )
    assert len(fixed) + 4 == FOOTER
    assert PAYLOAD + table + described + fixed + crc32c(fixed).to_bytes(4, "big") == FILE


def test_read() -> None:
    """Header and checks come back."""
    assert trailer(FILE) == Trailer(HEADER, tuple(CHECKS))


def test_long_trailer() -> None:
    """A trailer may be longer than what is read at first."""
    header = evolve(HEADER, origin=bytes(300_000))
    assert trailer(PAYLOAD + encode(header, CHECKS)).header == header


@pytest.mark.parametrize("place", range(1, len(FILE) - len(PAYLOAD) + 1))
def test_damage(place: int) -> None:
    """A flipped bit anywhere in the trailer is noticed."""
    damaged = bytearray(FILE)
    damaged[-place] ^= 4
    with pytest.raises(FragmentDamaged):
        trailer(bytes(damaged))


@pytest.mark.parametrize("size", [0, 1, FOOTER - 1, FOOTER, len(PAYLOAD), len(FILE) - 1])
def test_cut_short(size: int) -> None:
    """A file that is not whole is damaged."""
    with pytest.raises(FragmentDamaged):
        trailer(FILE[:size])
    with pytest.raises(FragmentDamaged):
        trailer(FILE[-size:] if size else b"")
