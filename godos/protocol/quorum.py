"""When a write is durable enough to be acknowledged."""

from __future__ import annotations

from godos.model.policy import Policy


def required(policy: Policy, live: int) -> int:
    """
    Fragments that must be durable before a write is acknowledged.

    A majority of the copies.  Of two copies that is both, so that one disk may die right
    after the answer; only while one of the two nodes is known dead does one suffice, and
    the blob is below target.

    Args:
        live: nodes that are not known dead, whether they take fragments or not.
    """
    if not policy.coded and policy.width == 2 and live == 1:
        return 1
    return policy.quorum
