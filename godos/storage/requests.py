"""What the writer of the volume log is asked to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from godos.model.blobs import FragmentHeader
from godos.model.errors import Unavailable
from godos.model.fragments import Pieces
from godos.model.names import FragmentName


@define(eq=False)
class Request:
    """
    One thing to do.  The writer settles it, then `done` fires in the reactor's thread.

    A caller that cancels `done` learns nothing more; what it asked for is done even so.
    """

    done: Deferred[Any] = field(init=False, factory=Deferred)
    settled: bool = field(init=False, default=False)
    _outcome: Any = field(init=False, default=None)

    def succeed(self, result: Any = None) -> None:
        """It is done, and durable."""
        self.settled, self._outcome = True, result

    def fail(self, error: Exception) -> None:
        """It could not be done.  Nothing happens to what is settled already."""
        if not self.settled:
            self.settled, self._outcome = True, Failure(error)

    def answer(self) -> None:
        """Fire `done`; what nobody settled was not done.  In the reactor's thread."""
        if not self.settled:
            self.fail(Unavailable("the node did not come to it"))
        self.done.callback(self._outcome)  # with a Failure this is errback


@define(eq=False)
class Put(Request):
    """Store a small fragment."""

    header: FragmentHeader
    payload: Pieces


@define(eq=False)
class Remove(Request):
    """Remove a small fragment; the result tells whether it was there."""

    name: FragmentName


@define(eq=False)
class Job(Request):
    """Run `work` in the writer's thread, between two groups."""

    work: Callable[[], Any]
