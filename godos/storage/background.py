"""Threads for work that nobody waits for."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Protocol


class InBackground(Protocol):
    """Run something beside the writer: in a thread, or at once in tests."""

    def __call__(self, work: Callable[[], None]) -> None:
        """Begin `work`."""

    def wait(self) -> None:
        """Until all that was begun has ended."""


class InThreads:
    """Runs each piece of work in a thread of its own."""

    def __init__(self, name: str = "godos-zeroing") -> None:
        self._name = name
        self._threads: list[Thread] = []

    def __call__(self, work: Callable[[], None]) -> None:
        """Begin `work`."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = Thread(target=work, name=self._name, daemon=False)
        self._threads.append(thread)
        thread.start()

    def wait(self) -> None:
        """Until all that was begun has ended."""
        for thread in self._threads:
            thread.join()


class AtOnce:
    """Does the work in the caller's thread: for tests."""

    def __call__(self, work: Callable[[], None]) -> None:
        """Do `work`."""
        work()

    def wait(self) -> None:
        """Nothing is ever left."""
