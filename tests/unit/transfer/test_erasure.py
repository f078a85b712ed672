"""The code itself: stripes to shards and back."""

from __future__ import annotations

from hashlib import sha256
from itertools import combinations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from godos.model.errors import FragmentDamaged
from godos.model.fragments import STRIPE
from godos.transfer.erasure import code_of

CODES = [(2, 1), (2, 2), (3, 2), (4, 2), (5, 3), (6, 3), (8, 4), (10, 4)]
LENGTHS = [1, 2, 15, 16, 17, 1000, 4096, 65_537]


def some_bytes(length: int) -> bytes:
    return Random(length).randbytes(length)


@pytest.mark.parametrize(("data", "parity"), CODES)
@pytest.mark.parametrize("length", LENGTHS)
def test_every_choice_of_shards_gives_the_stripe(data: int, parity: int, length: int) -> None:
    """Any K of the K + M: none of them is worth more than another."""
    code, stripe = code_of(data, parity), some_bytes(length)
    shards = code.encode(stripe)
    assert len(shards) == data + parity
    assert {len(shard) for shard in shards} == {-(-length // data)}
    for chosen in combinations(range(data + parity), data):
        assert code.decode({index: shards[index] for index in chosen}, length) == stripe


@pytest.mark.parametrize(("data", "parity"), [(4, 2), (3, 1), (20, 12)])
def test_whole_stripes(data: int, parity: int) -> None:
    """Of the length that most have, also with the widest code, after losing all parity allows."""
    code, stripe = code_of(data, parity), some_bytes(STRIPE)
    shards = dict(enumerate(code.encode(stripe)))
    for lost in (range(parity), range(data, data + parity), range(1, parity + 1)):
        left = {index: shard for index, shard in shards.items() if index not in lost}
        assert code.decode(left, STRIPE) == stripe


@given(st.sampled_from(CODES), st.integers(1, 5000), st.data())
@settings(max_examples=100, deadline=None)
def test_the_same_range_of_all_shards_is_a_code_word(
    code_: tuple[int, int], length: int, draw: st.DataObject
) -> None:
    """A part of each shard is enough to rebuild that part of a lost one."""
    data, parity = code_
    code = code_of(data, parity)
    shards = code.encode(some_bytes(length))
    unit = len(shards[0])
    start = draw.draw(st.integers(0, unit - 1))
    stop = draw.draw(st.integers(start + 1, unit))
    chosen = draw.draw(st.permutations(range(data + parity)))[:data]
    parts = {index: shards[index][start:stop] for index in chosen}
    columns = code.decode(parts, (stop - start) * data)
    assert columns == b"".join(shard[start:stop] for shard in shards[:data])


def test_the_data_shards_are_the_bytes() -> None:
    """Whoever has the data shards needs no code: they are the stripe, padded with zeros."""
    shards = code_of(4, 2).encode(b"abcdefghij")
    assert b"".join(shards[:4]) == b"abcdefghij\0\0"


def test_shards_are_given_more_often_than_needed() -> None:
    """More than K are no trouble."""
    code, stripe = code_of(4, 2), some_bytes(999)
    assert code.decode(dict(enumerate(code.encode(stripe))), 999) == stripe
    without_first = dict(list(enumerate(code.encode(stripe)))[1:])
    assert code.decode(without_first, 999) == stripe


def test_too_few_shards_are_told() -> None:
    """And not guessed from."""
    shards = code_of(4, 2).encode(some_bytes(999))
    with pytest.raises(FragmentDamaged):
        code_of(4, 2).decode({0: shards[0], 1: shards[1], 5: shards[5]}, 999)


def test_shards_of_another_stripe_are_told() -> None:
    """By their length, at least; what they hold was checked when it was read."""
    shards = dict(enumerate(code_of(4, 2).encode(some_bytes(999))))
    with pytest.raises(FragmentDamaged):
        code_of(4, 2).decode(shards, 2000)


def test_what_is_on_disks_stays_readable() -> None:
    """Shards are what they were in the first version: these are on people's disks."""
    found = [sha256(shard).hexdigest()[:16] for shard in code_of(4, 2).encode(some_bytes(1000))]
    assert found == [
        "feee2093b4cccc91",
        "41f12af1ab421035",
        "279914006dcd3d65",
        "1169272e7eb57888",
        "77207f329dae9f98",
        "35d49495d282f4b5",
    ]


def times(a: int, b: int) -> int:
    """A product in GF(2^8), polynomial 0x11d."""
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a = (a << 1) ^ (0x11D if a & 0x80 else 0)
        b >>= 1
    return product


INVERSES = {a: b for a in range(1, 256) for b in range(1, 256) if times(a, b) == 1}


@pytest.mark.parametrize(("data", "parity"), [*CODES, (20, 12), (31, 1)])
def test_parity_is_what_the_format_says(data: int, parity: int) -> None:
    """Without this library, with docs/disk-format.rst alone, somebody else gets the same."""
    shards = code_of(data, parity).encode(some_bytes(10 * data))
    for row in range(data, data + parity):
        expected = [0] * 10
        for column in range(data):
            factor = INVERSES[row ^ column]
            expected = [
                sum_ ^ times(factor, byte)
                for sum_, byte in zip(expected, shards[column], strict=True)
            ]
        assert bytes(expected) == shards[row]
