"""How far long work on many rows is, on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from attrs import define, field

_EVERY = 0.2  # seconds between two lines


@define
class Counting:
    """One line on standard error that is written over, if somebody sees it."""

    _stream: TextIO = field(factory=lambda: sys.stderr)
    _clock: Callable[[], float] = time.monotonic
    _shown: float = field(default=-_EVERY, init=False)
    _what: str = field(default="", init=False)
    _width: int = field(default=0, init=False)

    def __enter__(self) -> Counting:
        return self

    def __exit__(self, *_: object) -> None:
        if self._width:
            self._stream.write("\n")
            self._stream.flush()

    def at(self, what: str, done: int, total: int) -> None:
        """So much is done; of `total`, or of nobody knows how much when that is 0."""
        now = self._clock()
        if not self._stream.isatty() or (what == self._what and now - self._shown < _EVERY):
            return
        self._what, self._shown = what, now
        line = f"{what}: {done} of {total}" if total else f"{what}: {done}"
        self._stream.write("\r" + line.ljust(self._width))
        self._stream.flush()
        self._width = len(line)
