"""How far a transfer is, on a terminal."""

from __future__ import annotations

import sys
from typing import Any

import click
from attrs import define, field


@define
class Progress:
    """A bar of `size` bytes on standard error, if somebody sees it."""

    label: str
    size: int
    _bar: Any = field(default=None, init=False)

    def __enter__(self) -> Progress:
        if self.size and sys.stderr.isatty():
            self._bar = click.progressbar(length=self.size, label=self.label, file=sys.stderr)
            self._bar.render_progress()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.render_finish()

    def add(self, size: int) -> None:
        """So many bytes more are there."""
        if self._bar is not None:
            self._bar.update(size)
