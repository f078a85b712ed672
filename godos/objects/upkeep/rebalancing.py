"""Moving fragments to where placement would put them now, as after a node was added."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, frozen

from godos.cluster.members import IMembers
from godos.model.blobs import Blob
from godos.model.catalog import BlobPage, ICatalog
from godos.model.members import Node
from godos.objects.upkeep.moving import ROWS, known_blobs
from godos.objects.upkeep.tasks import NOTHING_TO_DO, Batch, IMender, Settled
from godos.protocol import placement
from godos.protocol.coding import Coding


@frozen
class Move:
    """A fragment of a blob that had better be on `entered` than on `left`."""

    left: str
    entered: str


def moves(blob: Blob, live: Sequence[Node]) -> list[Move]:
    """
    What would bring a blob to its ideal nodes: the first of placement's candidates.

    Only fragments on live nodes move, and only to ideal nodes that have none: what is
    on a dead one, or missing, is for repair.  The least wanted node is left first.
    """
    ideal = [node.id for node in placement.candidates(blob.incarnation, live)][: blob.policy.width]
    holding = {placed.node for placed in blob.layout}
    entering = [node for node in ideal if node not in holding]
    ranked = [node.id for node in placement.rank(blob.incarnation, live)]
    leaving = [node for node in reversed(ranked) if node in holding and node not in ideal]
    return [Move(*pair) for pair in zip(leaving, entering, strict=False)]


def fragment_size(blob: Blob) -> int:
    """Bytes of one fragment's payload."""
    if not blob.policy.coded:
        return blob.size
    return Coding(blob.size, blob.policy.data).fragment_length


@define
class Imbalance:
    """What rebalancing would move."""

    blobs: int = 0
    misplaced: int = 0  # blobs of which a fragment would move
    fragments: int = 0
    bytes: int = 0

    def add(self, blob: Blob, live: Sequence[Node]) -> None:
        """Take one more blob into account."""
        planned = moves(blob, live)
        self.blobs += 1
        self.misplaced += bool(planned)
        self.fragments += len(planned)
        self.bytes += len(planned) * fragment_size(blob)


async def imbalance(catalog: ICatalog, live: Sequence[Node]) -> Imbalance:
    """Count, and move nothing."""
    found, cursor = Imbalance(), None
    while True:
        page: BlobPage = await catalog.blobs(cursor)
        for blob in page.blobs:
            found.add(blob, live)
        cursor = page.cursor
        if cursor is None:
            return found


class Rebalancing:
    """
    Looks at every blob once.

    One fragment after the other: the new one is durable, read back and in the layout before
    the old one goes, so that a blob is never below target on the way.
    """

    persists = False
    complete = True

    def __init__(self, catalog: ICatalog, members: IMembers, mender: IMender) -> None:
        self._catalog = catalog
        self._members = members
        self._mender = mender

    async def begin(self) -> str:
        return ROWS

    async def total(self) -> int:
        return await known_blobs(self._catalog)

    async def batch(self, cursor: str) -> Batch:
        page: BlobPage = await self._catalog.blobs(cursor.removeprefix(ROWS) or None)
        live = self._members.live()
        misplaced = [blob for blob in page.blobs if moves(blob, live)]
        behind = None if page.cursor is None else f"{ROWS}{page.cursor}"
        return Batch(misplaced, behind, len(page.blobs) - len(misplaced))

    async def settle(self, item: Blob) -> Settled:
        moved, moved_bytes = 0, 0
        standing: Blob | None = await self._catalog.blob(item.incarnation)
        while standing is not None:
            planned = moves(standing, self._members.live())
            if not planned:
                break
            move = planned[0]
            mended = await self._mender.mend(standing, frozenset({move.left}), (move.entered,))
            moved, moved_bytes = moved + mended.fragments, moved_bytes + mended.bytes
            standing = mended.blob
            if standing is not None and not _made(move, standing):
                why = mended.trouble or f"a fragment did not get to node {move.entered}"
                return Settled(moved, moved_bytes, why)
        return Settled(moved, moved_bytes) if moved else NOTHING_TO_DO

    async def close(self) -> None:
        """Nothing is held."""


def _made(move: Move, blob: Blob) -> bool:
    nodes = {placed.node for placed in blob.layout}
    return move.entered in nodes and move.left not in nodes
