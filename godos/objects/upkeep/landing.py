"""Fragments of one blob on their way to their nodes, until each was read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from attrs import define, evolve, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from godos.cluster.members import IMembers
from godos.cluster.patience import within
from godos.deferreds import Background, deferred
from godos.model.blobs import FragmentHeader, Placed
from godos.model.errors import FragmentDamaged, NodeUnreachable, WrongNode
from godos.model.fragments import SMALL, Pieces
from godos.transfer.fanout import FanOut

STEP = 60.0  # seconds for a node to open an upload, or to take the next bytes
SEAL = 600.0  # seconds for a node to make a fragment durable, or to read it back

T = TypeVar("T")


@define(eq=False)
class _Way:
    """One fragment on its way; small ones are held, others staged on their node."""

    placed: Placed
    header: FragmentHeader
    store: Any
    upload: Any = None
    held: list[bytes] = field(factory=list)
    sealed: bool = False

    @property
    def small(self) -> bool:
        return self.header.length <= SMALL


@frozen
class Landed:
    """
    What came of it: the fragments that are durable and were read back, their bytes in all,
    and for each node that has none, why.
    """

    headers: Mapping[Placed, FragmentHeader]
    failed: Mapping[str, str]

    @property
    def bytes(self) -> int:
        """Of the fragments' payloads."""
        return sum(header.length for header in self.headers.values())


class Landing:
    """
    Nothing becomes visible before `finish`, so that what was read can be checked as a whole.

    A node that fails is left out; the others go on.

    Args:
        fragments: where they go, at most one to each node, and their headers.
    """

    def __init__(
        self,
        members: IMembers,
        clock: IReactorTime,
        background: Background,
        fragments: Mapping[Placed, FragmentHeader],
    ) -> None:
        self._clock = clock
        self._members = members
        self._background = background
        ways = {
            placed.node: _Way(placed, header, members.fragments(placed.node))
            for placed, header in fragments.items()
        }
        self._ways = list(ways.values())
        # all count: each node has its own time, and none is left behind for being slower
        self._fan = FanOut(ways, len(ways), clock)

    @property
    def empty(self) -> bool:
        """Whether no node is left."""
        return not self._fan.targets

    @deferred
    async def begin(self) -> None:
        """Agree with the nodes on the uploads."""
        await self._fan.each("opening an upload", lambda _, way: self._open(way))

    @deferred
    async def _open(self, way: _Way) -> None:
        if way.store is None:
            raise NodeUnreachable("the node has left")
        if not way.small:
            opening = way.store.upload(way.header.name, way.header.length)
            way.upload = await self._timed(STEP, opening)

    @deferred
    async def write(self, shards: Sequence[Pieces]) -> None:
        """Send the next pieces: for each shard of the blob those of its fragment."""
        await self._fan.each("writing", lambda _, way: self._take(way, shards[way.placed.shard]))

    @deferred
    async def _take(self, way: _Way, pieces: Pieces) -> None:
        if way.small:
            way.held += [bytes(piece) for piece in pieces]
        elif pieces:
            await self._timed(STEP, way.upload.write(pieces))

    @deferred
    async def finish(self) -> Landed:
        """All bytes were written, and are right: make them durable, and read them back."""
        await self._fan.each("storing", lambda _, way: self._store(way))
        for node, failure in self._fan.dropped.items():
            if failure.check(NodeUnreachable, WrongNode):
                self._members.suspect(node)
        return Landed(
            {way.placed: way.header for way in self._fan.targets.values()},
            {node: str(why.value) for node, why in self._fan.dropped.items()},
        )

    @deferred
    async def _store(self, way: _Way) -> None:
        await self._seal(way)
        try:
            await self._read_back(way)
        except FragmentDamaged:
            # a damaged fragment of this name stands in the way: an equal one changes nothing
            await self._timed(STEP, way.store.remove(way.header.name))
            if not way.small:
                raise
            await self._seal(way)
            await self._read_back(way)

    async def _seal(self, way: _Way) -> None:
        if way.small:
            await self._timed(SEAL, way.store.put(way.header, way.held))
        else:
            await self._timed(SEAL, way.upload.seal(way.header))
            way.sealed = True

    async def _read_back(self, way: _Way) -> None:
        found = await self._timed(SEAL, way.store.verify(way.header.name))
        if evolve(found, origin=b"") != evolve(way.header, origin=b""):
            raise FragmentDamaged("another fragment stands under the name of the one written")

    def _timed(self, seconds: float, work: Deferred[T]) -> Deferred[T]:
        return within(seconds, self._clock, work, "the node did not answer")

    def abandon(self) -> None:
        """Let nothing stay staged.  At any time; what was sealed stays."""
        for way in self._ways:
            if way.upload is not None and not way.sealed:
                self._background.run("aborting an upload", way.upload.abort())
            way.upload, way.held = None, []
