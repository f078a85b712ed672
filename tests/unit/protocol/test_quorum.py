"""When a write is durable enough."""

from __future__ import annotations

import pytest

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
