"""Parameters of commands, read as the daemons read the same texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

_UNITS: Mapping[str, int] = {
    "": 1,
    **{f"{letter}iB": 1 << 10 * power for power, letter in enumerate("KMGTP", 1)},
    **{f"{letter}B": int(1000**power) for power, letter in enumerate("kMGTP", 1)},
    "B": 1,
}


class Parsed(click.ParamType):  # type: ignore[type-arg]
    """A parameter of which `parse` makes a value, as the daemons do with the same text."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See click."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def count(text: str) -> int:
    """A whole number, zero or more."""
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"{text!r} is no number: 0, 1, 2, …")
    return int(text)


def size(text: str) -> int:
    """A number of bytes, such as `1000`, `20MB` or `10GiB`."""
    digits = text.rstrip("BKMGTPik ")
    unit = _UNITS.get(text[len(digits) :].strip())
    if unit is None or not digits.isascii() or not digits.isdigit():
        raise ValueError(f"{text!r} is no size: a number of bytes, or such as 20MB or 10GiB")
    return int(digits) * unit


def in_words(number: int) -> str:
    """A number of bytes, for people."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if number >= _UNITS[unit]:
            return f"{number / _UNITS[unit]:.1f} {unit}"
    return f"{number} bytes"


def on_one_line(text: str) -> str:
    """
    A text from outside, for a terminal: characters that would do something there, and not
    be seen, are escaped.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )
