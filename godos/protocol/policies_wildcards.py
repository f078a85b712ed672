"""
Text in which `*` stands for any characters and `?` for one.

Matching takes time proportional to the text's length for each star, whatever the
pattern: a regular expression made of it could be sent to work for hours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum


class Wild(Enum):
    """The two wildcards."""

    ONE = "?"
    ANY = "*"


Token = str | Wild


def tokens(text: str) -> Iterator[Token]:
    """Take a text apart at its wildcards."""
    for piece in re.split(r"([*?])", text):
        if piece in ("*", "?"):
            yield Wild(piece)
        elif piece:
            yield piece


def plain(parts: Iterable[Token]) -> str:
    """The text that tokens were read from."""
    return "".join(part if isinstance(part, str) else part.value for part in parts)


class _Segment:
    """What stands between two stars: characters, each given or any one."""

    __slots__ = ("_literal", "_pattern", "length")

    def __init__(self, parts: Sequence[Token]) -> None:
        self.length = sum(len(part) if isinstance(part, str) else 1 for part in parts)
        self._literal: str | None = None
        if Wild.ONE in parts:
            source = "".join(re.escape(p) if isinstance(p, str) else "." for p in parts)
            self._pattern = re.compile(source, re.DOTALL)
        else:
            self._literal = plain(parts)

    def at(self, text: str, place: int) -> bool:
        """Whether it stands at that place of `text`."""
        if self._literal is not None:
            return text.startswith(self._literal, place)
        return self._pattern.match(text, place) is not None

    def find(self, text: str, start: int, stop: int) -> int:
        """The first place within text[start:stop] where it stands, or -1."""
        if self._literal is not None:
            return text.find(self._literal, start, stop)
        found = self._pattern.search(text, start, stop)
        return -1 if found is None else found.start()


class Wildcards:
    """
    A pattern.

    Args:
        parts: its tokens; what came in as a literal string stays literal.
    """

    __slots__ = ("_first", "_last", "_middle")

    def __init__(self, parts: Iterable[Token]) -> None:
        groups: list[list[Token]] = [[]]
        for part in parts:
            if part is Wild.ANY:
                groups.append([])
            else:
                groups[-1].append(part)
        first, *middle = (_Segment(group) for group in groups)
        self._first = first
        self._last = middle.pop() if middle else None
        self._middle = [segment for segment in middle if segment.length]

    def matches(self, text: str) -> bool:
        """Whether the whole of `text` is of this pattern."""
        first, last = self._first, self._last
        if last is None:
            return len(text) == first.length and first.at(text, 0)
        stop = len(text) - last.length
        if stop < first.length or not first.at(text, 0) or not last.at(text, stop):
            return False
        place = first.length
        for segment in self._middle:
            place = segment.find(text, place, stop)
            if place < 0:
                return False
            place += segment.length
        return True


def wildcards(text: str) -> Wildcards:
    """Read a pattern."""
    return Wildcards(tokens(text))
