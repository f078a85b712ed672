"""
The operators of conditions: how one value of a request is compared with one of a policy.

Source: AWS IAM User Guide, "IAM JSON policy elements: Condition operators".
"""

from __future__ import annotations

import math
import operator as compare
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from attrs import frozen

from godos.protocol.policies_logic import Truth
from godos.protocol.policies_wildcards import Token, Wild, Wildcards, plain

_ARN_PARTS = 6
_MAPPED = 96  # bits before an IPv4 address that is written as IPv6


@frozen
class Operator:
    """
    `read` makes of a policy's value what `test` compares a request's value with; it raises
    ValueError for what is no such value.  `test` answers None for a request's value that
    cannot be compared.  `negated`: the condition holds when the test does not.
    """

    read: Callable[[Sequence[Token]], Any]
    test: Callable[[str, Any], Truth]
    negated: bool = False

    @property
    def opposite(self) -> Operator:
        """The operator with `Not` in its name."""
        return Operator(self.read, self.test, not self.negated)


def _folded(parts: Sequence[Token]) -> str:
    return plain(parts).casefold()


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is no number")
    return number


def moment(text: str) -> float:
    """
    Seconds since the epoch of a date of ISO 8601, or of that number itself.

    Raises:
        ValueError: it is neither.
    """
    try:
        return _number(text)
    except ValueError:
        date = datetime.fromisoformat(text)
    try:
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except OverflowError as error:
        raise ValueError(f"{text!r} is out of range") from error


def _truth(text: str) -> bool:
    lowered = text.lower()
    if lowered not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return lowered == "true"


def address(text: str) -> IPv4Address | IPv6Address:
    """
    An IP address; one of IPv4 that is written as IPv6 is the one of IPv4.

    Raises:
        ValueError: it is none.
    """
    found = ip_address(text)
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def network(text: str) -> IPv4Network | IPv6Network:
    """
    A range of IP addresses, `10.0.0.0/8`, or a single address.

    Raises:
        ValueError: it is none.
    """
    found = ip_network(text, strict=False)
    if isinstance(found, IPv6Network) and found.prefixlen >= _MAPPED:
        first = found.network_address.ipv4_mapped
        if first is not None:
            return IPv4Network((first, found.prefixlen - _MAPPED))
    return found


def _arn(parts: Sequence[Token]) -> tuple[Wildcards, ...]:
    if tuple(parts) == (Wild.ANY,):
        parts = (Wild.ANY, *(":", Wild.ANY) * (_ARN_PARTS - 1))
    pieces: list[list[Token]] = [[]]
    for part in parts:
        first, *others = (
            [part] if isinstance(part, Wild) else part.split(":", _ARN_PARTS - len(pieces))
        )
        pieces[-1].append(first)
        pieces += [[other] for other in others]
    if len(pieces) != _ARN_PARTS:
        raise ValueError("an ARN has six parts: arn:aws:s3:::bucket/key")
    return tuple(Wildcards(piece) for piece in pieces)


def _is_arn(value: str, patterns: tuple[Wildcards, ...]) -> bool:
    pieces = value.split(":", _ARN_PARTS - 1)
    return len(pieces) == _ARN_PARTS and all(
        pattern.matches(piece) for pattern, piece in zip(patterns, pieces, strict=True)
    )


def _reading(read: Callable[[str], Any]) -> Callable[[Sequence[Token]], Any]:
    return lambda parts: read(plain(parts))


def _comparing(read: Callable[[str], Any], test: Callable[[Any, Any], bool]) -> Operator:
    """Both values are read alike, and then compared."""

    def holds(value: str, wanted: Any) -> Truth:
        try:
            return test(read(value), wanted)
        except ValueError:
            return None  # it says nothing that could be compared

    return Operator(_reading(read), holds)


_EQUALS = Operator(plain, lambda value, wanted: value == wanted)
_EQUALS_FOLDED = Operator(_folded, lambda value, wanted: value.casefold() == wanted)
_LIKE = Operator(Wildcards, lambda value, wanted: wanted.matches(value))
_ARN = Operator(_arn, _is_arn)
_IP = Operator(_reading(network), _comparing(address, lambda a, n: a in n).test)
_NUMBER_EQUALS = _comparing(_number, compare.eq)
_DATE_EQUALS = _comparing(moment, compare.eq)
_ORDERS = {
    "LessThan": compare.lt,
    "LessThanEquals": compare.le,
    "GreaterThan": compare.gt,
    "GreaterThanEquals": compare.ge,
}

OPERATORS: Mapping[str, Operator] = {
    "StringEquals": _EQUALS,
    "StringNotEquals": _EQUALS.opposite,
    "StringEqualsIgnoreCase": _EQUALS_FOLDED,
    "StringNotEqualsIgnoreCase": _EQUALS_FOLDED.opposite,
    "StringLike": _LIKE,
    "StringNotLike": _LIKE.opposite,
    "NumericEquals": _NUMBER_EQUALS,
    "NumericNotEquals": _NUMBER_EQUALS.opposite,
    "DateEquals": _DATE_EQUALS,
    "DateNotEquals": _DATE_EQUALS.opposite,
    "Bool": _comparing(_truth, compare.eq),
    "IpAddress": _IP,
    "NotIpAddress": _IP.opposite,
    "ArnEquals": _ARN,
    "ArnLike": _ARN,
    "ArnNotEquals": _ARN.opposite,
    "ArnNotLike": _ARN.opposite,
    **{f"Numeric{name}": _comparing(_number, order) for name, order in _ORDERS.items()},
    **{f"Date{name}": _comparing(moment, order) for name, order in _ORDERS.items()},
}
