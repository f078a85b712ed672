"""The checksums of S3."""

from __future__ import annotations

import zlib
from base64 import b64encode
from hashlib import sha1, sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.model.errors import InvalidDigest
from godos.transfer.checksums import (
    ALGORITHMS,
    combined,
    composite,
    decoded,
    encoded,
    is_full_object,
    running,
)

CRCS = [algorithm for algorithm in ALGORITHMS if is_full_object(algorithm)]
BODIES = st.lists(st.binary(max_size=300), max_size=6)


def crc_by_bits(data: bytes, width: int, reflected: int) -> bytes:
    """A reflected CRC, all bits of the register inverted at both ends, bit by bit."""
    ones = (1 << width) - 1
    register = ones
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (reflected if register & 1 else 0)
    return (register ^ ones).to_bytes(width // 8, "big")


# The polynomials as they stand in the catalogue of parametrised CRC algorithms, reversed.
POLYNOMIALS = {
    "crc32": (32, 0xEDB88320),
    "crc32c": (32, 0x82F63B78),
    "crc64nvme": (64, 0x9A6C9329AC4BC9B5),
}


def checksum(algorithm: str, *pieces: bytes) -> str:
    one = running(algorithm)
    for piece in pieces:
        one.update(piece)
    return encoded(one.digest())


@pytest.mark.parametrize(
    ("algorithm", "told"),
    [("crc32", "cbf43926"), ("crc32c", "e3069283"), ("crc64nvme", "ae8b14860a799888")],
)
def test_check_values(algorithm: str, told: str) -> None:
    """The published check values of 123456789."""
    assert decoded(checksum(algorithm, b"123456789")).hex() == told


@given(algorithm=st.sampled_from(CRCS), pieces=BODIES)
def test_crcs_of_pieces(algorithm: str, pieces: list[bytes]) -> None:
    """However the bytes are cut, it is what the polynomial says of the whole."""
    by_bits = crc_by_bits(b"".join(pieces), *POLYNOMIALS[algorithm])
    assert checksum(algorithm, *pieces) == encoded(by_bits)


@given(pieces=BODIES)
def test_hashes_of_pieces(pieces: list[bytes]) -> None:
    """SHA-1 and SHA-256 are those of the whole."""
    whole = b"".join(pieces)
    assert decoded(checksum("sha1", *pieces)) == sha1(whole).digest()
    assert decoded(checksum("sha256", *pieces)) == sha256(whole).digest()


@given(algorithm=st.sampled_from(CRCS), pieces=BODIES)
def test_the_crc_of_a_whole_follows_from_its_parts(algorithm: str, pieces: list[bytes]) -> None:
    """Nothing has to be read again, also when parts are empty."""
    parts = [(checksum(algorithm, piece), len(piece)) for piece in pieces]
    assert combined(algorithm, parts) == checksum(algorithm, *pieces)


def test_parts_of_gigabytes() -> None:
    """The length of a part counts, not the time to read it: here zeros, by zlib in one go."""
    block, parts = bytes(1 << 20), 300
    one = encoded(zlib.crc32(block).to_bytes(4, "big"))
    whole = 0
    for _ in range(parts):
        whole = zlib.crc32(block, whole)
    assert combined("crc32", [(one, 1 << 20)] * parts) == encoded(whole.to_bytes(4, "big"))


@given(pieces=st.lists(st.binary(max_size=50), min_size=1, max_size=5))
def test_the_checksum_of_checksums(pieces: list[bytes]) -> None:
    """S3's composite: the hash of the raw hashes, and their number."""
    digests = [b64encode(sha256(piece).digest()).decode() for piece in pieces]
    whole = sha256(b"".join(sha256(piece).digest() for piece in pieces)).digest()
    assert composite("sha256", digests) == f"{b64encode(whole).decode()}-{len(pieces)}"


def test_what_is_no_checksum() -> None:
    """Each mistake is named."""
    with pytest.raises(InvalidDigest, match="crc16"):
        running("crc16")
    with pytest.raises(InvalidDigest, match="base64"):
        composite("sha256", ["?"])
    with pytest.raises(InvalidDigest, match="4 bytes"):
        combined("crc32", [("AAAAAAA=", 5)])
    with pytest.raises(InvalidDigest, match="sha1"):
        combined("sha1", [])
