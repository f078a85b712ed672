"""How many copies, or which code, a blob is stored with."""

from __future__ import annotations

import re

from attrs import frozen

_COPIES = re.compile(r"copies=([1-9][0-9]?)")
MAX_AUTO = 3  # copies that `auto` settles at


@frozen
class Policy:
    """`copies=N`: N whole copies on N nodes.  Written and parsed as that text."""

    copies: int

    def __str__(self) -> str:
        return f"copies={self.copies}"

    @property
    def width(self) -> int:
        """Fragments of a blob that is at target."""
        return self.copies

    @property
    def quorum(self) -> int:
        """Fragments that must be durable before a write is acknowledged: a majority, of 2 both."""
        return self.copies // 2 + 1

    @classmethod
    def parse(cls, text: str) -> Policy:
        """
        Read `copies=N`, 1 <= N <= 99.

        Raises:
            ValueError: `text` is no policy; the message says what is.
        """
        match = _COPIES.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no policy: auto, or copies=N with N from 1 to 99")
        return cls(int(match[1]))

    @classmethod
    def auto(cls, failure_domains: int) -> Policy:
        """As many copies as there are registered, undrained nodes or zones, up to 3."""
        return cls(max(1, min(MAX_AUTO, failure_domains)))
