"""
Text with `${variables}`, which take their values from the request.

Source: AWS IAM User Guide, "IAM policy elements: Variables and tags".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from attrs import frozen

from godos.protocol.policies_facts import LATER, Facts
from godos.protocol.policies_wildcards import Token, tokens

_KEY = re.compile(r"[A-Za-z0-9-]+:[^,\s]+(?: [^,\s]+)*")
_LITERALS = ("*", "?", "$")  # ${*} is a star that stands for itself


@frozen
class Variable:
    """A place that the value of `key` is put into; `default` where it has none."""

    key: str
    default: str | None = None

    def value(self, facts: Facts) -> str | None:
        """None when it has no value, or several, or none that is known yet."""
        values = facts.values(self.key)
        if values is LATER:
            return None
        return values[0] if len(values) == 1 else self.default if not values else None


@frozen
class Template:
    """Literal text, wildcards and variables."""

    parts: tuple[Token | Variable, ...]

    @property
    def fixed(self) -> bool:
        """Whether it is the same for every request."""
        return not any(isinstance(part, Variable) for part in self.parts)

    @property
    def tokens(self) -> tuple[Token, ...]:
        """What it is made of when it is fixed."""
        return tuple(part for part in self.parts if not isinstance(part, Variable))

    def resolve(self, facts: Facts) -> tuple[Token, ...] | None:
        """
        The tokens with all values put in; None when one is missing.

        Wildcards in a value stand for themselves.
        """
        resolved: list[Token] = []
        for part in self.parts:
            if isinstance(part, Variable):
                value = part.value(facts)
                if value is None:
                    return None
                resolved.append(value)
            else:
                resolved.append(part)
        return tuple(resolved)


def template(text: str, variables: bool) -> Template:
    """
    Read a text of a policy.

    Args:
        variables: whether the policy's version has them; in the older one `${` is text.

    Raises:
        ValueError: a variable cannot be read.
    """
    return Template(tuple(_parts(text) if variables else tokens(text)))


def _parts(text: str) -> Iterator[Token | Variable]:
    place = 0
    while (start := text.find("${", place)) >= 0:
        yield from tokens(text[place:start])
        end = text.find("}", start)
        if end < 0:
            raise ValueError(f"{text[start:][:40]!r} lacks its closing brace")
        yield _part(text[start + 2 : end])
        place = end + 1
    yield from tokens(text[place:])


def _part(inside: str) -> str | Variable:
    """What stands between the braces: `*`, `key`, or `key, 'default'`."""
    if inside in _LITERALS:
        return inside
    name, comma, default = inside.partition(",")
    name, default = name.strip(), default.strip()
    if _KEY.fullmatch(name) is None:
        raise ValueError(f"{inside[:80]!r} names no variable; one is aws:username")
    if not comma:
        return Variable(name.lower())
    if len(default) < 2 or default[0] != "'" or default[-1] != "'":
        raise ValueError(f"the default of a variable is in single quotes, not {default[:40]!r}")
    return Variable(name.lower(), default[1:-1])
