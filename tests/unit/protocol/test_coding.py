"""Where the bytes of a coded blob are: stripes, columns, and slices of fragments."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from godos.model.fragments import STRIPE
from godos.model.policy import SMALL_CODED, Policy
from godos.protocol.coding import Coding, Cut, fragment_length

PATTERN = bytes(range(251)) * (4 * STRIPE // 251 + 1)


def data_fragments(coding: Coding) -> list[bytes]:
    """The payloads of the data fragments, as docs/disk-format.rst says in words."""
    payloads = [b""] * coding.data
    for start in range(0, coding.size, STRIPE):
        stripe = PATTERN[start : min(start + STRIPE, coding.size)]
        unit = -(-len(stripe) // coding.data)
        stripe = stripe.ljust(unit * coding.data, b"\0")
        for shard in range(coding.data):
            payloads[shard] += stripe[shard * unit : (shard + 1) * unit]
    return payloads


def read(coding: Coding, start: int, stop: int, cuts: list[Cut]) -> bytes:
    """Bytes [start, stop) out of what the cuts say is to be read of the data fragments."""
    payloads = data_fragments(coding)
    found = b""
    for cut in cuts:
        for shard in cut.shards:
            part = payloads[shard][cut.offset : cut.offset + cut.length]
            assert len(part) == cut.length, "it reads beyond the end of a fragment"
            at = coding.position(cut, shard)
            end = min(at + cut.length, stop, coding.size)
            # within a stripe, columns are shorter when padded: only what is of the blob
            end = min(end, cut.stripe * STRIPE + coding.stripe_size(cut.stripe))
            found += part[max(0, start - at) : max(0, end - at)]
    return found


sizes = st.one_of(
    st.integers(1, 64),
    st.integers(1, 3 * STRIPE),
    st.sampled_from([STRIPE - 1, STRIPE, STRIPE + 1, 2 * STRIPE, 2 * STRIPE + 1, 3 * STRIPE - 1]),
)


@given(sizes, st.integers(2, 20), st.data())
@settings(max_examples=150, deadline=None)
def test_the_cuts_of_a_range_give_exactly_the_range(
    size: int, data: int, draw: st.DataObject
) -> None:
    """Whichever bytes are asked for, of however many shards: those and in order."""
    coding = Coding(size, data)
    start = draw.draw(st.integers(0, size - 1))
    stop = draw.draw(st.integers(start + 1, size))
    assert read(coding, start, stop, coding.cuts(start, stop)) == PATTERN[start:stop]


@given(sizes, st.integers(2, 31), st.data())
@settings(max_examples=150, deadline=None)
def test_cuts_lie_within_fragments_and_follow_each_other(
    size: int, data: int, draw: st.DataObject
) -> None:
    """Each fragment is read in one go: without gaps, without going back, not past its end."""
    coding = Coding(size, data)
    start = draw.draw(st.integers(0, size - 1))
    stop = draw.draw(st.integers(start + 1, size))
    cuts = coding.cuts(start, stop)
    for before, after in itertools.pairwise(cuts):
        assert after.stripe == before.stripe + 1
        assert after.offset == before.offset + before.length
    assert all(0 < cut.length <= coding.unit(cut.stripe) for cut in cuts)
    assert cuts[0].offset >= 0
    assert cuts[-1].offset + cuts[-1].length <= coding.fragment_length


@given(sizes, st.integers(2, 31))
@settings(max_examples=100, deadline=None)
def test_a_blob_is_all_of_its_stripes(size: int, data: int) -> None:
    """Fragments are as long as their shards, and together little longer than the blob."""
    coding = Coding(size, data)
    stripes = range(coding.stripes)
    assert sum(map(coding.stripe_size, stripes)) == size
    assert sum(map(coding.unit, stripes)) == coding.fragment_length
    assert 0 <= coding.fragment_length * data - size < coding.stripes * data


def test_a_small_range_reads_a_small_part() -> None:
    """100 bytes out of one column cost 100 bytes of each fragment that takes part."""
    coding = Coding(STRIPE, 4)
    [cut] = coding.cuts(STRIPE // 4 + 50, STRIPE // 4 + 150)
    assert cut == Cut(0, 50, 100, range(1, 2))


def test_a_range_over_columns_reads_them_whole() -> None:
    """Bytes of two neighbours are at different places of their fragments."""
    coding = Coding(STRIPE, 4)
    [cut] = coding.cuts(STRIPE // 4 - 1, STRIPE // 4 + 1)
    assert cut == Cut(0, 0, STRIPE // 4, range(2))


@pytest.mark.parametrize(
    ("policy", "size", "length"),
    [
        ("copies=1", 7, 7),
        ("copies=3", 5 << 20, 5 << 20),
        ("ec=4+2", 1, 1),
        ("ec=4+2", STRIPE, STRIPE // 4),
        ("ec=4+2", STRIPE + 5, STRIPE // 4 + 2),
        ("ec=3+1", STRIPE, 349_526),
    ],
)
def test_lengths_of_fragments(policy: str, size: int, length: int) -> None:
    """Copies are whole; shards are a K-th, rounded up in each stripe."""
    assert fragment_length(Policy.parse(policy), size) == length


def test_small_blobs_are_copies_that_survive_as_much() -> None:
    """Up to 128 KiB coding saves little and costs a request to each of many nodes."""
    code = Policy.parse("ec=4+2")
    assert str(code.for_size(SMALL_CODED)) == "copies=3"
    assert code.for_size(SMALL_CODED + 1) is code
    copies = Policy.copies(2)
    assert copies.for_size(1) is copies
