"""What is known beyond the layout that a read began with."""

from __future__ import annotations

from collections.abc import Set
from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred, TimeoutError

from godos.deferreds import within
from godos.model.blobs import GENERATION, Blob, Placed
from godos.model.errors import GodosError
from godos.model.locating import Located
from godos.objects.reach import PATIENCE, Reach
from godos.objects.troubles import Troubles

T = TypeVar("T")


class Beyond:
    """Asks the catalog, and all nodes.  Where that fails, a read has to do without."""

    def __init__(self, reach: Reach, troubles: Troubles) -> None:
        self._reach = reach
        self._troubles = troubles

    async def members(self) -> None:
        """Look who is registered, and at which address, as of now."""
        await self._tried("the members", self._reach.members.refresh())

    async def row(self, blob: Blob) -> Blob | None:
        """The blob's row as of now; None when it is gone, or cannot be read."""
        again = Deferred.fromCoroutine(self._reach.rows.again(blob.incarnation))
        return await self._tried("the blob's row", again)

    async def _tried(self, what: str, work: Deferred[T]) -> T | None:
        """The result; None when it fails."""
        try:
            return await within(PATIENCE, work, self._reach.clock)
        except CancelledError:
            raise
        except (GodosError, TimeoutError) as error:
            self._troubles.add(f"{what} cannot be read: {error}")
            return None

    async def holders(self, blob: Blob, lacking: Set[Placed]) -> list[Placed]:
        """
        Where nodes say they have fragments of the blob's generation.

        Args:
            lacking: places whose nodes said that they do not have it.
        """
        located, places = await self._located(blob)
        if lacking & set(places):  # it was remembered, and is true no more
            self._reach.locator.forget(blob.incarnation)
            located, places = await self._located(blob)
        if located.silent:
            self._troubles.add("no answer from " + ", ".join(located.silent))
        return places

    async def _located(self, blob: Blob) -> tuple[Located, list[Placed]]:
        found = await self._reach.locator.locate([blob.incarnation])
        located: Located = found[blob.incarnation]
        return located, [
            Placed(index, holder.node)
            for holder in located.holders
            for index in holder.indexes
            if index // GENERATION * GENERATION == blob.generation
        ]
