"""Moving everything off one node: what its disk holds first, then what the catalog says of it."""

from __future__ import annotations

from typing import Any

from godos.cluster.members import IMembers
from godos.model.blobs import Blob, BlobState
from godos.model.catalog import BlobPage, ICatalog
from godos.model.errors import NodeFailed, NodeUnreachable, NotEnoughNodes, WrongNode
from godos.model.names import FragmentName
from godos.objects.upkeep.tasks import NOTHING_TO_DO, Batch, IMender, Settled
from godos.protocol.placement import failure_domains, takes_new

PAGE = 200  # fragments of an inventory that one batch looks at
COUNTED = 1000  # fragments of an inventory that are counted at a time
DISK, ROWS = "disk:", "rows:"  # what a cursor goes through
_TO_ROWS = Batch((), ROWS, again=True)


class Leaving:
    """
    Brings all blobs off `node`, to `successor` where that is said.

    A round goes through the node's own inventory, which names all that is there and nothing
    else, and then through all blob rows: for the node may lack what layouts say of it, and
    what was being uploaded when it was drained is committed later.  A node that does not answer
    is looked for in the rows alone.  Nothing is left to do when a pass through all rows
    found none that names the node.
    """

    persists = True

    def __init__(
        self,
        catalog: ICatalog,
        members: IMembers,
        mender: IMender,
        node: str,
        successor: str = "",
        page: int = PAGE,
    ) -> None:
        self._catalog = catalog
        self._members = members
        self._mender = mender
        self._node = node
        self._successor = successor
        self._page = page
        self._clean = False  # a pass through the rows found nothing so far, from its beginning

    @property
    def complete(self) -> bool:
        return self._clean

    async def begin(self) -> str:
        return DISK

    async def total(self) -> int:
        store = self._store()
        if store is None:
            return await known_blobs(self._catalog)
        counted, after = 0, None
        try:
            while held := await store.inventory(after, COUNTED):
                counted += len(held)
                after = held[-1].name
        except (NodeUnreachable, NodeFailed, WrongNode):
            return await known_blobs(self._catalog)
        return counted

    async def batch(self, cursor: str) -> Batch:
        self._check_successor()
        if cursor.startswith(DISK):
            return await self._on_disk(cursor.removeprefix(DISK))
        return await self._in_rows(cursor.removeprefix(ROWS))

    def _check_successor(self) -> None:
        """Rather than scatter what was meant for it, wait for it."""
        if not self._successor:
            return
        live = {node.id: node for node in self._members.live()}
        node = live.get(self._successor)
        if node is None or not takes_new(node):
            why = "takes no new data" if node is not None else "is not alive"
            raise NotEnoughNodes(f"node {self._successor}, the successor, {why}")

    def _store(self) -> Any:
        """The node's fragments, if it answers."""
        alive = any(node.id == self._node for node in self._members.live())
        return self._members.fragments(self._node) if alive else None

    async def _on_disk(self, after: str) -> Batch:
        store = self._store()
        if store is None:
            return _TO_ROWS
        try:
            held = await store.inventory(FragmentName.parse(after) if after else None, self._page)
        except (NodeUnreachable, NodeFailed, WrongNode):
            return _TO_ROWS
        if not held:
            return _TO_ROWS
        names = [each.name for each in held]
        blobs = list(dict.fromkeys(name.incarnation for name in names))
        return Batch(blobs, f"{DISK}{names[-1]}", len(names) - len(blobs))

    async def _in_rows(self, cursor: str) -> Batch:
        if not cursor:
            self._clean = True
        page: BlobPage = await self._catalog.blobs(cursor or None)
        naming = [blob for blob in page.blobs if self._names(blob)]
        if naming:
            self._clean = False
        behind = None if page.cursor is None else f"{ROWS}{page.cursor}"
        return Batch([blob.incarnation for blob in naming], behind, len(page.blobs) - len(naming))

    def _names(self, blob: Blob) -> bool:
        """Whether a fragment is to be brought away; one that is being removed needs no other."""
        named = any(placed.node == self._node for placed in blob.layout)
        return named and blob.state is BlobState.LIVE

    async def settle(self, item: str) -> Settled:
        blob: Blob | None = await self._catalog.blob(item)
        if blob is None or not self._names(blob):
            return NOTHING_TO_DO  # removed meanwhile, or a stray: those are the census's
        prefer = (self._successor,) if self._successor else ()
        mended = await self._mender.mend(blob, frozenset({self._node}), prefer)
        trouble = ""
        if mended.blob is not None and self._names(mended.blob):
            trouble = self._lacking(blob) or mended.trouble or "a fragment found no other node"
        return Settled(mended.fragments, mended.bytes, trouble)

    def _lacking(self, blob: Blob) -> str:
        """That there are too few nodes, whatever they say; empty when there are enough."""
        nodes = failure_domains([n for n in self._members.registered() if n.id != self._node])
        if nodes >= blob.policy.width:
            return ""
        return (
            f"{blob.policy} needs {blob.policy.width} nodes, and {nodes} would be left: add one, "
            "or have less wanted and run `godos convert` (with the policy auto, just run it)"
        )

    async def close(self) -> None:
        """Nothing is held."""


async def known_blobs(catalog: ICatalog) -> int:
    """How many blobs the last census counted; 0: nobody did."""
    census = await catalog.census()
    return 0 if census is None else census.blobs
