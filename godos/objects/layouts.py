"""Layouts that turned out to be wrong, corrected."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from godos.deferreds import deferred
from godos.model.blobs import Blob, Placed
from godos.model.errors import FragmentDamaged, GodosError, NoSuchFragment, Unavailable
from godos.model.names import FragmentName
from godos.objects.lanes import belongs
from godos.objects.reach import Reach

_TRIES = 3  # when others change the row at the same time


def joined(
    blob: Blob, found: Iterable[Placed], lacking: Collection[Placed], holding: Collection[Placed]
) -> tuple[Placed, ...]:
    """
    The layout with the verified fragments `found`.

    Copies: one for each node.  Shards: one of each, and the old place is preferred while
    its node says that it has the fragment; the other is surplus then.

    Args:
        lacking: places whose node said that it does not have the fragment.
        holding: places whose node said that it has it.
    """
    kept = [placed for placed in blob.layout if placed not in lacking]
    for new in found:
        if new in kept:
            continue
        if not blob.policy.coded:
            kept = [placed for placed in kept if placed.node != new.node]
        elif any(placed.index == new.index and placed in holding for placed in kept):
            continue
        else:
            kept = [placed for placed in kept if placed.index != new.index]
        kept.append(new)
    return tuple(sorted(kept, key=lambda placed: placed.index) if blob.policy.coded else kept)


class Correction:
    """Writes down where fragments of one blob were found, some after the others."""

    _log = Logger()

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._found: list[tuple[Blob, Sequence[Placed]]] = []
        self._running = False

    def found(self, blob: Blob, places: Sequence[Placed]) -> None:
        """These were named by locate, and one of them gave the blob's bytes."""
        self._found.append((blob, places))
        if not self._running:
            self._running = True
            self._reach.background.run("correcting a layout", self._work())

    @deferred
    async def _work(self) -> None:
        try:
            while self._found:
                await self._correct(*self._found.pop(0))
        finally:
            self._running = False

    async def _correct(self, blob: Blob, places: Sequence[Placed]) -> None:
        good = [placed for placed in places if await self._verified(blob, placed)]
        if not good:
            return
        lacking, holding = await self._asked(blob)
        row: Blob | None = blob
        for _ in range(_TRIES):
            if row is None or (row.policy, row.generation) != (blob.policy, blob.generation):
                return
            layout = joined(row, good, lacking, holding)
            if layout == row.layout:
                return
            corrected = await self._reach.catalog.correct_layout(row, layout)
            row = await self._reach.rows.again(blob.incarnation)
            if corrected is not None:
                return

    async def _verified(self, blob: Blob, placed: Placed) -> bool:
        """Whether the whole fragment is there, and good."""
        store = self._reach.members.fragments(placed.node)
        if store is None:
            return False
        try:
            header = await store.verify(FragmentName(blob.incarnation, placed.index))
        except (Unavailable, NoSuchFragment, FragmentDamaged) as error:
            self._log.warn(
                "fragment {incarnation}.{index} was found on node {node}, and is not put into "
                "the layout: {error}",
                incarnation=blob.incarnation,
                index=placed.index,
                node=placed.node,
                error=str(error),
            )
            return False
        return belongs(header, blob, placed)

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
