"""How many copies, or which code, a blob is stored with."""

from __future__ import annotations

import re

from attrs import frozen

_COPIES = re.compile(r"copies=([1-9][0-9]?)")
_CODED = re.compile(r"ec=([1-9][0-9]?)\+([0-9]{1,2})")
MAX_AUTO = 3  # copies that `auto` settles at
MOST_CODED = 32  # fragments of a coded blob.  Source: liberasurecode, EC_MAX_FRAGMENTS
SMALL_CODED = 128 << 10  # bytes: blobs up to here are stored as copies, also where others are coded


@frozen
class Policy:
    """
    `copies=N`: N whole copies on N nodes.  `ec=K+M`: K + M fragments, any K of which suffice.

    Written and parsed as that text.  N copies are one fragment that suffices and N - 1 more.

    Args:
        data: fragments that are needed to read a blob.
        parity: fragments beyond them, which may be lost.
    """

    data: int
    parity: int

    def __str__(self) -> str:
        return f"ec={self.data}+{self.parity}" if self.coded else f"copies={self.width}"

    @property
    def coded(self) -> bool:
        """Whether fragments are shards of a code, and not whole copies."""
        return self.data > 1

    @property
    def width(self) -> int:
        """Fragments of a blob that is at target."""
        return self.data + self.parity

    @property
    def quorum(self) -> int:
        """
        Fragments that must be durable before a write is acknowledged.

        A majority of the copies, of 2 both; of a code one more than reading needs, so that
        one disk may die right after the answer.
        """
        return self.data + 1 if self.coded else self.width // 2 + 1

    def for_size(self, size: int) -> Policy:
        """
        The policy of a blob of `size` bytes: where this one codes, small blobs are copies.

        Both survive the loss of the same number of fragments.
        """
        return self.as_copies() if self.coded and size <= SMALL_CODED else self

    def as_copies(self) -> Policy:
        """Whole copies that survive the loss of as many fragments."""
        return Policy.copies(self.parity + 1)

    @classmethod
    def copies(cls, number: int) -> Policy:
        """The policy `copies=<number>`, from 1 up."""
        return cls(1, number - 1)

    @classmethod
    def parse(cls, text: str) -> Policy:
        """
        Read `copies=N`, 1 <= N <= 99, or `ec=K+M`, K >= 2, M >= 1, K + M <= 32.

        Raises:
            ValueError: `text` is no policy; the message says what is.
        """
        copies, coded = _COPIES.fullmatch(text), _CODED.fullmatch(text)
        if copies is not None:
            return cls.copies(int(copies[1]))
        if coded is None:
            raise ValueError(
                f"{text!r} is no policy: auto, copies=N with N from 1 to 99, or ec=K+M"
            )
        policy = cls(int(coded[1]), int(coded[2]))
        if not policy.coded or not policy.parity or policy.width > MOST_CODED:
            raise ValueError(
                f"{text!r} is no policy: ec=K+M has K of at least 2, M of at least 1, and "
                f"together at most {MOST_CODED}"
            )
        return policy

    @classmethod
    def auto(cls, failure_domains: int) -> Policy:
        """As many copies as there are registered, undrained nodes or zones, up to 3."""
        return cls.copies(max(1, min(MAX_AUTO, failure_domains)))
