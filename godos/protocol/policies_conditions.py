"""
Conditions: when a statement of a policy applies.

Source: AWS IAM User Guide, "IAM JSON policy elements: Condition", and "Multivalued
context keys".
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from attrs import frozen

from godos.protocol.policies_facts import LATER, Facts
from godos.protocol.policies_logic import Truth, every, negate, some
from godos.protocol.policies_operators import OPERATORS, Operator
from godos.protocol.policies_templates import Template
from godos.protocol.policies_wildcards import plain

NULL = "Null"
IF_EXISTS = "IfExists"


class Quantifier(Enum):
    """What is asked of a key that can have several values."""

    NONE = ""
    ALL = "ForAllValues"
    ANY = "ForAnyValue"


@frozen
class Wanted:
    """One value of a policy: `ready` when it is the same for every request, else `template`."""

    template: Template
    ready: Any = None

    def read(self, operator: Operator, facts: Facts) -> Any:
        """
        What the operator compares with; None when it cannot be said.
        """
        if self.ready is not None:
            return self.ready
        parts = self.template.resolve(facts)
        try:
            return None if parts is None else operator.read(parts)
        except ValueError:
            return None


@frozen
class Comparison:
    """
    One key of a condition, compared with the values of a policy.

    Of several values of the policy one must hold; with a negated operator, none may.
    """

    key: str  # in lower case
    name: str  # of the operator, as it was written
    operator: Operator
    wanted: tuple[Wanted, ...]
    quantifier: Quantifier = Quantifier.NONE
    if_exists: bool = False

    def holds(self, facts: Facts) -> Truth:
        """Whether the request meets it; None when that cannot be said."""
        values = facts.values(self.key)
        if values is LATER:
            return None
        if not values:
            return self._without()
        wanted = [each.read(self.operator, facts) for each in self.wanted]
        held = (self._meets(value, wanted) for value in values)
        # "None of them may": without a quantifier a negated operator asks it of every value
        each = self.quantifier is Quantifier.ALL or (
            self.quantifier is Quantifier.NONE and self.operator.negated
        )
        return every(held) if each else some(held)

    def _without(self) -> bool:
        """What holds of a request that does not have the key."""
        if self.if_exists or self.quantifier is Quantifier.ALL:
            return True
        return self.operator.negated and self.quantifier is Quantifier.NONE

    def _meets(self, value: str, wanted: list[Any]) -> Truth:
        test = self.operator.test
        met = some(None if each is None else test(value, each) for each in wanted)
        return negate(met) if self.operator.negated else met


@frozen
class Presence:
    """`Null`: whether the request has a key at all."""

    key: str
    absent: tuple[bool, ...]

    def holds(self, facts: Facts) -> Truth:
        """See `Comparison.holds`."""
        values = facts.values(self.key)
        return None if values is LATER else (not values) in self.absent


Condition = Comparison | Presence


def condition(name: str, key: str, templates: list[Template]) -> Condition:
    """
    Read one key of a condition, such as `ForAnyValue:StringLikeIfExists`.

    Raises:
        ValueError: there is no such operator, or a value is none for it.
    """
    quantifier, base, if_exists = _name(name)
    key = key.lower()
    if base == NULL and quantifier is Quantifier.NONE and not if_exists:
        return Presence(key, tuple(_is_true(each) for each in templates))
    operator = OPERATORS.get(base)
    if operator is None:
        raise ValueError(f"there is no condition operator {name[:80]!r}")
    wanted = tuple(
        Wanted(each, operator.read(each.tokens) if each.fixed else None) for each in templates
    )
    return Comparison(key, name, operator, wanted, quantifier, if_exists)


def _name(name: str) -> tuple[Quantifier, str, bool]:
    first, colon, rest = name.partition(":")
    try:
        quantifier = Quantifier(first) if colon else Quantifier.NONE
    except ValueError:
        raise ValueError(f"{first[:80]!r} is neither ForAllValues nor ForAnyValue") from None
    base = rest if colon else first
    if_exists = base.endswith(IF_EXISTS)
    return quantifier, base.removesuffix(IF_EXISTS), if_exists


def _is_true(value: Template) -> bool:
    if not value.fixed:
        raise ValueError("Null takes true or false")
    text = plain(value.tokens).lower()
    if text not in ("true", "false"):
        raise ValueError(f"Null takes true or false, not {text[:80]!r}")
    return text == "true"
