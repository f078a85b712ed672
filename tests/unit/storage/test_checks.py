"""Checks of blocks."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.model.fragments import BLOCK
from godos.model.names import FragmentName
from godos.storage.checks import (
    BlockChecks,
    blocks_of,
    checks_of,
    first_bad_block,
    pack_checks,
    unpack_checks,
)

NAME = FragmentName("ab" * 16, 1)
PAYLOAD = Random(1).randbytes(3 * BLOCK + 100)
CHECKS = checks_of(NAME, [PAYLOAD])


@given(st.lists(st.integers(0, len(PAYLOAD)), max_size=8))
def test_pieces_do_not_matter(cuts: list[int]) -> None:
    """However a payload is cut into pieces, its checks are the same."""
    edges = sorted([0, *cuts, len(PAYLOAD)])
    checks = BlockChecks(NAME)
    for start, stop in pairwise(edges):
        checks.add([memoryview(PAYLOAD)[start:stop]])
    assert checks.end() == CHECKS


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1])
def test_number_of_checks(size: int) -> None:
    """There is a check for each block, and none for an empty payload."""
    assert len(checks_of(NAME, [bytes(size)])) == blocks_of(size) == -(-size // BLOCK)


def test_good_blocks() -> None:
    """What was stored passes, whole or from any block on."""
    for first in range(5):
        assert first_bad_block(NAME, first, PAYLOAD[first * BLOCK :], CHECKS) is None


@given(st.integers(0, len(PAYLOAD) - 1), st.integers(0, 7))
def test_flipped_bit(place: int, bit: int) -> None:
    """A flipped bit is found in its block."""
    damaged = bytearray(PAYLOAD)
    damaged[place] ^= 1 << bit
    assert first_bad_block(NAME, 0, damaged, CHECKS) == place // BLOCK


def test_block_of_another_place() -> None:
    """Equal bytes at another place, or of another fragment, fail."""
    payload = bytes(2 * BLOCK)
    checks = checks_of(NAME, [payload])
    assert checks[0] != checks[1]
    assert first_bad_block(FragmentName("ab" * 16, 2), 0, payload, checks) == 0
    assert first_bad_block(FragmentName("ac" * 16, 1), 0, payload, checks) == 0


def test_as_bytes() -> None:
    """Checks are written in order, four bytes each."""
    assert pack_checks([1, 0xFFFFFFFF]) == bytes.fromhex("00000001ffffffff")
    assert list(unpack_checks(pack_checks(CHECKS))) == CHECKS
