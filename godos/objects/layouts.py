"""Layouts that turned out to be wrong, corrected."""

from __future__ import annotations

from collections.abc import Collection

from twisted.internet.defer import CancelledError

from godos.deferreds import deferred
from godos.model.blobs import Blob, Placed
from godos.model.errors import GodosError
from godos.model.names import FragmentName
from godos.objects.lanes import belongs
from godos.objects.reach import Reach


def joined(
    blob: Blob, found: Placed, lacking: Collection[Placed], holding: Collection[Placed]
) -> tuple[Placed, ...]:
    """
    The layout with `found`, a verified fragment.

    Copies: one for each node.  Shards: one of each, and the old place is preferred while
    its node says that it has the fragment; the other is surplus then.

    Args:
        lacking: places whose node said that it does not have the fragment.
        holding: places whose node said that it has it.
    """
    kept = [placed for placed in blob.layout if placed not in lacking and placed != found]
    if not blob.policy.coded:
        return (*(placed for placed in kept if placed.node != found.node), found)
    if any(placed.index == found.index and placed in holding for placed in kept):
        return tuple(kept)
    kept = [placed for placed in kept if placed.index != found.index]
    return tuple(sorted((*kept, found), key=lambda placed: placed.index))


class Correction:
    """Writes down where fragments of one blob were found, one after the other."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._found: list[tuple[Blob, Placed]] = []
        self._running = False

    def found(self, blob: Blob, placed: Placed) -> None:
        """The fragment was opened, and is of this blob."""
        self._found.append((blob, placed))
        if not self._running:
            self._running = True
            self._reach.background.run("correcting a layout", self._work())

    @deferred
    async def _work(self) -> None:
        try:
            while self._found:
                blob, placed = self._found.pop(0)
                latest = await self._correct(blob, placed)
                if latest is not None:
                    self._found = [(latest, other) for _, other in self._found]
        finally:
            self._running = False

    async def _correct(self, blob: Blob, placed: Placed) -> Blob | None:
        """Answers the row as it is then, if that is known."""
        store = self._reach.members.fragments(placed.node)
        if store is None:
            return None
        header = await store.verify(FragmentName(blob.incarnation, placed.index))
        if not belongs(header, blob, placed):
            return None
        lacking, holding = await self._asked(blob)
        layout = joined(blob, placed, lacking, holding)
        latest: Blob | None = blob
        if layout != blob.layout:
            latest = await self._reach.catalog.correct_layout(blob, layout)
        self._reach.rows.forget(blob.incarnation)
        return latest

    async def _asked(self, blob: Blob) -> tuple[set[Placed], set[Placed]]:
        """Which places lack their fragment, and which have it, by what their nodes say."""
        lacking, holding = set[Placed](), set[Placed]()
        for placed in blob.layout:
            holds = await self._holds(blob, placed)
            if holds is not None:
                (holding if holds else lacking).add(placed)
        return lacking, holding

    async def _holds(self, blob: Blob, placed: Placed) -> bool | None:
        """
        None: the node did not say.  Only its own definite "no" takes it off the layout, and
        its files stay.
        """
        store = self._reach.members.fragments(placed.node)
        if store is None:
            return None
        try:
            held = await store.holds([blob.incarnation])
        except CancelledError:
            raise
        except GodosError:
            return None
        return placed.index in held.get(blob.incarnation, ())
