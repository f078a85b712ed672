"""What long work is made of: batches of blobs to look at, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from attrs import frozen
from twisted.internet.defer import Deferred

from godos.model.blobs import Blob
from godos.model.policy import Policy
from godos.objects.upkeep.mending import Mended


@frozen
class Batch:
    """
    Some of what is to be looked at.

    `items` are for `ITask.settle`; `others` is how many more were looked at and need nothing.
    `next` is the cursor behind them, None when the round ends here.  `again`: all that failed
    so far in the round is looked at again behind it.
    """

    items: Sequence[Any]
    next: str | None
    others: int = 0
    again: bool = False


@frozen
class Settled:
    """
    What became of one item: so many fragments, of so many bytes, moved.

    `trouble` says why it is not where it belongs; empty when it is.
    """

    moved: int = 0
    moved_bytes: int = 0
    trouble: str = ""


NOTHING_TO_DO = Settled()


class ITask(Protocol):
    """
    One kind of long work.  A round goes through all batches, from where `begin` says to the last.

    `persists`: rounds go on until one finds everything settled, however long nothing moves;
    else a round that moves nothing is the last.
    """

    persists: bool

    async def begin(self) -> str:
        """The cursor at which a round begins; never empty."""

    async def total(self) -> int:
        """About how many blobs a round looks at; 0: not known."""

    async def batch(self, cursor: str) -> Batch:
        """
        What comes next.

        Raises:
            NotEnoughNodes: the work cannot be done as things stand; says why.
        """

    async def settle(self, item: Any) -> Settled:
        """Bring one blob where it belongs.  What it raises counts as trouble."""

    @property
    def complete(self) -> bool:
        """Whether a round without trouble that just ended leaves nothing to do."""

    async def close(self) -> None:
        """Let go of what the task holds."""


class IMender(Protocol):
    """Brings one blob where it belongs; `objects.upkeep.mending.Mender` is one."""

    def mend(
        self, blob: Blob, avoid: frozenset[str] = frozenset(), prefer: tuple[str, ...] = ()
    ) -> Deferred[Mended]:
        """Bring all fragments to nodes that are not in `avoid`, rather to those in `prefer`."""

    def convert(self, blob: Blob, policy: Policy) -> Deferred[Mended]:
        """Store a blob under `policy`."""
