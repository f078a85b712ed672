"""What `godos disk check` has to say."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from attrs import define, field, frozen

from godos.model.names import FragmentName


class Sort(StrEnum):
    """
    `damaged` bytes do not verify, `unreadable` ones the disk does not give, `index` is what
    the index has wrong; `leftover` is nothing bad.
    """

    DAMAGED = "damaged"
    UNREADABLE = "unreadable"
    INDEX = "index"
    LEFTOVER = "leftover"


@frozen
class Finding:
    """Something about the byte at `offset` of `file`, a path within the storage directory."""

    sort: Sort
    file: str
    offset: int
    what: str
    fragment: FragmentName | None = None

    def __str__(self) -> str:
        of = "" if self.fragment is None else f"fragment {self.fragment}: "
        return f"{self.sort}: {self.file} at {self.offset}: {of}{self.what}"

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return {
            "sort": str(self.sort),
            "fragment": None if self.fragment is None else str(self.fragment),
            "file": self.file,
            "offset": self.offset,
            "what": self.what,
        }


@define
class Findings:
    """Passes findings on to `tell` as they come, and counts them and what was looked at."""

    tell: Callable[[Finding], object]
    seen: dict[Sort, int] = field(factory=lambda: dict.fromkeys(Sort, 0))
    volumes: int = 0
    files: int = 0  # of large fragments
    fragments: int = 0  # of both kinds, good or damaged
    size: int = 0  # bytes

    def add(
        self,
        sort: Sort,
        file: str,
        offset: int,
        what: str,
        fragment: FragmentName | None = None,
    ) -> None:
        """Something was found."""
        self.pass_on(Finding(sort, file, offset, what, fragment))

    def pass_on(self, finding: Finding) -> None:
        """Something was found."""
        self.seen[finding.sort] += 1
        self.tell(finding)

    @property
    def readable(self) -> bool:
        """Whether the disk gave every byte."""
        return not self.seen[Sort.UNREADABLE]

    @property
    def clean(self) -> bool:
        """Whether all is as it was written."""
        return not any(self.seen[sort] for sort in Sort if sort is not Sort.LEFTOVER)
