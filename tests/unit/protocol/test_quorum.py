"""When a write is durable enough."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from godos.model.policy import Policy
from godos.protocol.quorum import required


@pytest.mark.parametrize(
    ("copies", "live", "needed"),
    [
        (1, 1, 1),
        (2, 2, 2),
        (2, 3, 2),
        (2, 1, 1),
        (2, 0, 2),
        (3, 3, 2),
        (3, 2, 2),
        (3, 1, 2),
        (5, 5, 3),
    ],
)
def test_majority_and_the_exception_of_two(copies: int, live: int, needed: int) -> None:
    """A majority; of two both, unless one of the two is known dead."""
    assert required(Policy.copies(copies), live) == needed


@pytest.mark.parametrize("text", ["", "copies=0", "copies=100", "copies=-1", "ec=0+1", "3"])
def test_what_is_no_policy_is_refused(text: str) -> None:
    """The message says what a policy looks like."""
    with pytest.raises(ValueError, match="copies=N"):
        Policy.parse(text)


def test_auto_settles_at_three() -> None:
    """As many copies as nodes, at least one and at most three."""
    assert [Policy.auto(n).width for n in range(6)] == [1, 1, 2, 3, 3, 3]


copies = st.integers(1, 99).map(Policy.copies)
codes = (
    st.tuples(st.integers(2, 31), st.integers(1, 30))
    .filter(lambda code: sum(code) <= 32)
    .map(lambda code: Policy(*code))
)


@given(codes, st.integers(0, 100))
def test_a_code_always_has_one_to_lose(policy: Policy, live: int) -> None:
    """However few nodes live: right after the answer one disk may die."""
    assert required(policy, live) == policy.data + 1 <= policy.width


@given(copies, st.integers(0, 100))
def test_never_more_than_there_are_to_be(policy: Policy, live: int) -> None:
    """What is required can be had, and is more than half; 1 of 2 only with one node alive."""
    needed = required(policy, live)
    assert 1 <= needed <= policy.width
    assert 2 * needed > policy.width or (policy.width, needed, live) == (2, 1, 1)


@given(st.one_of(copies, codes), st.integers(1, 1 << 40))
def test_size_never_costs_safety(policy: Policy, size: int) -> None:
    """A small blob under a code survives as many losses, and as many right after the answer."""
    actual = policy.for_size(size)
    assert actual.parity == policy.as_copies().parity == policy.parity
    if policy.coded:
        assert actual.quorum - actual.data >= policy.quorum - policy.data == 1


@given(st.one_of(copies, codes))
def test_policies_are_read_as_they_are_written(policy: Policy) -> None:
    """In the catalog, on disks and on command lines."""
    assert Policy.parse(str(policy)) == policy


@pytest.mark.parametrize("text", ["ec=1+1", "ec=4+0", "ec=30+3", "ec=4", "ec=a+b", "ec=4+2 "])
def test_codes_that_are_none(text: str) -> None:
    """One data fragment is a copy, no parity protects nothing, and 32 are the most there are."""
    with pytest.raises(ValueError, match="ec=K"):
        Policy.parse(text)
