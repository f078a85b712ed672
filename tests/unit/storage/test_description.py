"""A fragment's description on disk."""

from __future__ import annotations

from contextlib import suppress

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from godos.model.blobs import FragmentHeader
from godos.model.errors import FragmentDamaged, InvalidRequest
from godos.model.names import FragmentName
from godos.storage.description import MAX_DESCRIPTION, decode, encode

HEADER = FragmentHeader(FragmentName("ab" * 16, 7), 5, 12, "0f" * 32, "copies=3", "raw", b"{}")


def test_as_specified() -> None:
    """The bytes are those of docs/disk-format.rst."""
    assert (
        encode(HEADER)
        == bytes.fromhex("000000000000000c" + "0f" * 32 + "0008" + "0003" + "00000002")
        + b"copies=3"
        + b"raw"
        + b"{}"
    )


@given(
    st.integers(0, 2**64 - 1),
    st.binary(min_size=32, max_size=32),
    st.text(max_size=20),
    st.text(max_size=20),
    st.binary(max_size=200),
)
def test_round_trip(size: int, digest: bytes, policy: str, codec: str, origin: bytes) -> None:
    """What is written is read."""
    header = FragmentHeader(HEADER.name, 5, size, digest.hex(), policy, codec, origin)
    assert decode(header.name, 5, encode(header)) == header


@given(st.binary(max_size=100))
def test_nonsense(raw: bytes) -> None:
    """Bytes that make no description are damage, never another error."""
    with suppress(FragmentDamaged):
        assert encode(decode(HEADER.name, 5, raw)) == raw


@pytest.mark.parametrize("digest", ["", "0f" * 31, "zz" * 32])
def test_no_digest(digest: str) -> None:
    """A header without a SHA-256 is refused."""
    with pytest.raises(InvalidRequest):
        encode(evolve(HEADER, blob_sha256=digest))


def test_too_large() -> None:
    """An origin that would not fit into a record is refused."""
    with pytest.raises(InvalidRequest):
        encode(evolve(HEADER, origin=bytes(MAX_DESCRIPTION)))
