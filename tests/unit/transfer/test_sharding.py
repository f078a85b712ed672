"""A blob's bytes to the payloads of its fragments."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, maybeDeferred

from godos.model.fragments import STRIPE
from godos.model.policy import Policy
from godos.protocol.coding import Coding
from godos.transfer.erasure import code_of
from godos.transfer.sharding import Sharding

PATTERN = bytes(range(251)) * (3 * STRIPE // 251 + 1)


def fired(work: Deferred[Any]) -> Any:
    results: list[Any] = []
    work.addBoth(results.append)
    assert results, "it has not fired"
    return results[0]


def fragments(policy: Policy, pieces: list[bytes]) -> list[bytes]:
    """The payload of every fragment, of a body that comes piece by piece."""
    sharding = Sharding(policy, maybeDeferred)
    payloads = [b""] * policy.width
    for given_ in (*([piece] for piece in pieces), None):
        shards = fired(sharding.finish() if given_ is None else sharding.update(given_))
        assert len(shards) == policy.width
        payloads = [one + b"".join(more) for one, more in zip(payloads, shards, strict=True)]
    return payloads


def rebuilt(policy: Policy, payloads: dict[int, bytes], size: int) -> bytes:
    """The blob out of some of its fragments."""
    coding = Coding(size, policy.data)
    code = code_of(policy.data, policy.parity)
    blob = b""
    for cut in coding.cuts(0, size):
        shards = {
            index: payload[cut.offset : cut.offset + cut.length]
            for index, payload in payloads.items()
        }
        blob += code.decode(shards, coding.stripe_size(cut.stripe))
    return blob


@pytest.mark.parametrize("number", [1, 3])
def test_copies_are_the_bytes(number: int) -> None:
    """Each copy gets the very pieces that came: nothing is joined, cut or kept back."""
    pieces = [b"ab", b"c"]
    sharding = Sharding(Policy.copies(number), maybeDeferred)
    shards = fired(sharding.update(pieces))
    assert len(shards) == number
    assert all(shard is pieces for shard in shards)
    assert [list(rest) for rest in fired(sharding.finish())] == [[]] * number


@pytest.mark.parametrize("policy", ["ec=2+1", "ec=3+2", "ec=4+2"])
@pytest.mark.parametrize("size", [1, 7, STRIPE - 1, STRIPE, STRIPE + 1, 2 * STRIPE + 12_345])
def test_any_fragments_that_suffice_give_the_blob(policy: str, size: int) -> None:
    """Whichever K of the K + M fragments are left."""
    code, blob = Policy.parse(policy), PATTERN[:size]
    payloads = fragments(code, [blob])
    for chosen in combinations(range(code.width), code.data):
        assert rebuilt(code, {index: payloads[index] for index in chosen}, size) == blob


@given(
    st.lists(st.integers(0, 3 * STRIPE // 2), max_size=4).map(lambda cuts: sorted(cuts)),
    st.integers(1, 3 * STRIPE // 2),
)
@settings(max_examples=25, deadline=None)
def test_however_the_bytes_come(cuts: list[int], size: int) -> None:
    """Fragments depend on the bytes alone, and have the length that was announced for them."""
    policy, blob = Policy(3, 2), PATTERN[:size]
    edges = [0, *(min(cut, size) for cut in cuts), size]
    pieces = [blob[start:stop] for start, stop in pairwise(edges)]
    payloads = fragments(policy, pieces)
    assert payloads == fragments(policy, [blob])
    assert {len(payload) for payload in payloads} == {Coding(size, 3).fragment_length}


def test_data_shards_are_the_bytes_themselves() -> None:
    """The data fragments of a blob of one stripe, joined, begin with the blob."""
    blob = PATTERN[:1000]
    payloads = fragments(Policy(3, 1), [blob])
    assert b"".join(payloads[:3])[:1000] == blob


def test_no_more_than_a_stripe_is_held() -> None:
    """As soon as a stripe is whole its shards are given."""
    sharding = Sharding(Policy(2, 1), maybeDeferred)
    assert not any(fired(sharding.update([PATTERN[: STRIPE - 1]])))
    assert [sum(map(len, shard)) for shard in fired(sharding.update([b"xy"]))] == [STRIPE // 2] * 3
    assert [sum(map(len, shard)) for shard in fired(sharding.finish())] == [1] * 3


def test_an_empty_body_has_empty_fragments() -> None:
    """Nothing is coded of nothing."""
    assert [list(shard) for shard in fired(Sharding(Policy(2, 1), maybeDeferred).finish())] == [
        []
    ] * 3
