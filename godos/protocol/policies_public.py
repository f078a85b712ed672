"""
Whether a bucket's policy lets the public in.

Source: Amazon S3 User Guide, "Blocking public access to your Amazon S3 storage", "The
meaning of public".
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from godos.protocol.policies_conditions import Comparison, Condition, Quantifier
from godos.protocol.policies_operators import OPERATORS
from godos.protocol.policies_statements import Policy, Statement
from godos.protocol.policies_wildcards import Wild

# Keys that tell callers apart; all others the public can choose.
_NARROWING = frozenset(
    key.lower()
    for key in (
        "aws:PrincipalAccount",
        "aws:PrincipalArn",
        "aws:SourceAccount",
        "aws:SourceArn",
        "aws:SourceIp",
        "aws:userid",
        "aws:username",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    )
)
_OPERATORS = frozenset(
    id(OPERATORS[name])
    for name in (
        "StringEquals",
        "StringEqualsIgnoreCase",
        "StringLike",
        "ArnEquals",
        "ArnLike",
        "IpAddress",
    )
)
_BROADEST_4, _BROADEST_6 = 8, 32  # bits of a range of addresses that is not the whole world


def is_public(policy: Policy) -> bool:
    """Whether some statement allows something to everybody, or nearly."""
    return any(_is_public(statement) for statement in policy.statements)


def _is_public(statement: Statement) -> bool:
    return (
        statement.allows
        and statement.principals is not None
        and statement.principals.everyone
        and not any(_narrows(condition) for condition in statement.conditions)
    )


def _narrows(condition: Condition) -> bool:
    """Whether it lets through only callers that the policy fixes."""
    return (
        isinstance(condition, Comparison)
        and condition.key in _NARROWING
        and id(condition.operator) in _OPERATORS
        and not condition.if_exists
        and condition.quantifier is not Quantifier.ALL
        and all(
            each.template.fixed
            and Wild.ANY not in each.template.parts
            and Wild.ONE not in each.template.parts
            and _is_narrow(each.ready)
            for each in condition.wanted
        )
    )


def _is_narrow(value: Any) -> bool:
    prefix = getattr(value, "prefixlen", None)
    if prefix is None:
        return True  # no range of addresses
    return bool(prefix >= (_BROADEST_4 if isinstance(value, IPv4Network) else _BROADEST_6))
