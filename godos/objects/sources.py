"""
Where the bytes of a blob can be read: the layout first, then whoever says it holds them.

A "no" from a node only moves the search on; that nobody has the bytes is
`BytesNotFound`, never a missing object.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from godos.cluster.members import IMembers
from godos.deferreds import Background, deferred, within
from godos.model.blobs import Blob, FragmentHeader, Placed
from godos.model.catalog import ICatalog
from godos.model.errors import (
    BytesNotFound,
    FragmentDamaged,
    GodosError,
    NodeFailed,
    NodeUnreachable,
    NoSuchFragment,
    WrongNode,
)
from godos.model.locating import ILocator, Located
from godos.model.names import FragmentName
from godos.objects.blob_rows import BlobRows

PATIENCE = 10.0  # seconds for a node to give its next bytes before another is asked


class Sources:
    """What reading a blob needs; shared by all reads of a server."""

    def __init__(
        self,
        catalog: ICatalog,
        members: IMembers,
        locator: ILocator,
        clock: IReactorTime,
        background: Background,
    ) -> None:
        self.catalog = catalog
        self.rows = BlobRows(catalog, clock)
        self.members = members
        self.locator = locator
        self.clock = clock
        self.background = background

    def read(self, blob: Blob, start: int, stop: int) -> BlobRead:
        """Bytes [start, stop) of the stored bytes of a blob; closing is the caller's."""
        return BlobRead(self, blob, start, stop)


class BlobRead:
    """
    Bytes [start, stop) of a blob that is stored as whole copies.

    When a node fails, the next one goes on at the byte that the last one ended with.
    """

    _log = Logger()

    def __init__(self, sources: Sources, blob: Blob, start: int, stop: int) -> None:
        self._sources = sources
        self._blob = blob
        self._position = start
        self._stop = stop
        self._reader: Any = None
        self._placed: Placed | None = None  # what `_reader` reads
        self._opened = start  # where it began
        self._tried: set[Placed] = set()
        self._located = False
        self._elsewhere: list[Placed] = []  # what was found outside the layout
        self._lacking: set[Placed] = set()  # what its node said it does not have
        self._troubles: list[str] = []

    async def read(self) -> bytes:
        """
        The next verified bytes; b"" after the last.

        Fails:
            BytesNotFound: no node gives them; says what each answered.
        """
        while self._position < self._stop:
            if self._reader is None:
                await self._open_next()
            try:
                data: bytes = await within(PATIENCE, self._reader.read(), self._sources.clock)
                if not data:
                    raise FragmentDamaged("the fragment ended early")
            except CancelledError:
                raise
            except Exception as error:
                await self._give_up_reader(error)
            else:
                self._position += len(data)
                return data
        return b""

    async def close(self) -> None:
        """Let go of the reader.  Never fails."""
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()

    async def refuse(self, position: int, error: GodosError) -> None:
        """
        What was read from `position` on turned out to be wrong: read it again, elsewhere.

        The node that gave the last of it is not asked again.
        """
        placed, self._placed = self._placed, None
        await self.close()
        self._position = position
        if placed is not None:
            self._note(placed, error)

    # -- finding a reader -------------------------------------------------------------------
    async def _open_next(self) -> None:
        while True:
            for placed in self._candidates():
                if await self._try(placed):
                    if placed not in self._blob.layout:
                        self._sources.background.run("correcting a layout", self._correct(placed))
                    return
            if self._located:
                raise BytesNotFound(
                    "no node gives the object's bytes now: " + "; ".join(self._troubles)
                )
            self._located = True
            await self._locate()

    def _candidates(self) -> Iterable[Placed]:
        """The layout's order spreads the load; nodes that look dead come last."""
        if len(self._blob.layout) == 1 and not self._tried:
            return self._blob.layout
        live = {node.id for node in self._sources.members.live()}
        known = dict.fromkeys((*self._blob.layout, *self._elsewhere))
        untried = [placed for placed in known if placed not in self._tried]
        return sorted(untried, key=lambda placed: placed.node not in live)

    async def _try(self, placed: Placed) -> bool:
        """Open a reader on one node; tells whether it gives this very blob."""
        self._tried.add(placed)
        store = self._sources.members.fragments(placed.node)
        if store is None:
            self._trouble(placed, "the node is not registered")
            return False
        name = FragmentName(self._blob.incarnation, placed.index)
        opening = store.open(name, self._position, self._stop)
        try:
            reader = await within(PATIENCE, opening, self._sources.clock)
        except CancelledError:
            raise
        except Exception as error:
            self._note(placed, error)
            return False
        if not self._is_ours(reader.header):
            await reader.close()
            self._trouble(placed, "its fragment belongs to other bytes")
            return False
        self._reader, self._placed, self._opened = reader, placed, self._position
        return True

    def _is_ours(self, header: FragmentHeader) -> bool:
        blob = self._blob
        return (header.blob_size, header.blob_sha256) == (blob.size, blob.sha256)

    async def _give_up_reader(self, error: Exception) -> None:
        placed = self._placed
        assert placed is not None
        await self.close()
        if isinstance(error, NodeUnreachable) and self._position > self._opened:
            # It is gone, or met damage after its answer had begun: asked again it tells which.
            await self._try(placed)
        else:
            self._note(placed, error)

    # -- what troubles teach -----------------------------------------------------------------
    def _note(self, placed: Placed, error: Exception) -> None:
        """Remember why a node did not do, and let the cluster learn from it."""
        if not isinstance(error, GodosError | TimeoutError):  # a bug; the others may do without
            self._log.failure("node {node} failed", Failure(error), node=placed.node)
        self._trouble(placed, str(error) or type(error).__name__)
        if isinstance(error, NodeUnreachable | NodeFailed | WrongNode | TimeoutError):
            self._sources.members.suspect(placed.node)
        if placed in self._elsewhere:
            self._sources.locator.forget(self._blob.incarnation)
        if isinstance(error, NoSuchFragment):
            self._lacking.add(placed)
        if isinstance(error, FragmentDamaged | NoSuchFragment):
            reason = f"{type(error).__name__} on node {placed.node}"
            work = self._sources.catalog.want_repair(self._blob.incarnation, reason)
            self._sources.background.run("asking for a repair", work)

    def _trouble(self, placed: Placed, why: str) -> None:
        self._troubles.append(f"{placed.node}: {why}")
        self._log.warn(
            "fragment {incarnation}.{index} could not be read from node {node}: {why}",
            incarnation=self._blob.incarnation,
            index=placed.index,
            node=placed.node,
            why=why,
        )

    # -- beyond the layout --------------------------------------------------------------------
    async def _locate(self) -> None:
        """Look for a newer layout, then ask all nodes."""
        self._sources.rows.forget(self._blob.incarnation)
        newer = await self._sources.catalog.blob(self._blob.incarnation)
        if newer is not None and newer.layout != self._blob.layout:
            self._blob, self._located = newer, False
            return
        located, placed = await self._holders()
        if self._lacking.intersection(placed):  # it was remembered, and is true no more
            self._sources.locator.forget(self._blob.incarnation)
            located, placed = await self._holders()
        if located.silent:
            self._troubles.append("no answer from " + ", ".join(located.silent))
        self._elsewhere += placed

    async def _holders(self) -> tuple[Located, Sequence[Placed]]:
        """What locate answers, and where the fragments are by that."""
        found = await self._sources.locator.locate([self._blob.incarnation])
        located = found[self._blob.incarnation]
        return located, [
            Placed(index, holder.node) for holder in located.holders for index in holder.indexes
        ]

    @deferred
    async def _correct(self, placed: Placed) -> None:
        """The located fragment was opened and is of this blob: write down where it is."""
        name = FragmentName(self._blob.incarnation, placed.index)
        store = self._sources.members.fragments(placed.node)
        if store is None:
            return
        await store.verify(name)
        layout = await self._still_there(placed)
        await self._sources.catalog.correct_layout(self._blob, layout)
        self._sources.rows.forget(self._blob.incarnation)

    async def _still_there(self, found: Placed) -> tuple[Placed, ...]:
        """The layout with `found`, without its copies on nodes that said they lack it."""
        kept = []
        for placed in self._blob.layout:
            if placed.node != found.node and not await self._lacks(placed):
                kept.append(placed)
        return (*kept, found)

    async def _lacks(self, placed: Placed) -> bool:
        """Only a node's own definite "no" takes it off the layout; its files stay."""
        store = self._sources.members.fragments(placed.node)
        if store is None:
            return False
        try:
            held = await store.holds([self._blob.incarnation])
        except CancelledError:
            raise
        except GodosError:
            return False
        return placed.index not in held.get(self._blob.incarnation, ())
