"""Making fragments: anew out of what can be read of their blob, or as copies of their like."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from attrs import evolve, frozen
from twisted.internet.interfaces import IReactorTime

from godos.cluster.members import IMembers
from godos.cluster.patience import within
from godos.deferreds import Background, InThread, deferred
from godos.model.blobs import GENERATION, Blob, FragmentHeader, Placed
from godos.model.errors import FragmentDamaged, NodeUnreachable
from godos.model.names import FragmentName
from godos.model.policy import Policy
from godos.objects.sources import Sources
from godos.objects.upkeep.genuine import fragment_length, is_fragment_of
from godos.objects.upkeep.landing import STEP, Landed, Landing
from godos.objects.upkeep.pace import Pace
from godos.transfer.digests import Digests
from godos.transfer.sharding import Sharding


@frozen
class Goal:
    """
    How a blob is to be stored: with its fragments' policy and generation.

    `origin` is the origin block that goes with each of them.  `confirm` is waited for when all
    has been read and before anything becomes visible; it may refuse.
    """

    blob: Blob
    policy: Policy
    generation: int
    origin: bytes = b""
    confirm: Callable[[], Awaitable[None]] | None = None

    @property
    def target(self) -> Blob:
        """The blob under the goal's policy, for choosing nodes."""
        return evolve(self.blob, policy=self.policy)

    def header(self, index: int) -> FragmentHeader:
        """What fragment `index` says of itself."""
        blob = self.blob
        return FragmentHeader(
            FragmentName(blob.incarnation, index),
            fragment_length(self.policy, blob.size),
            blob.size,
            blob.sha256,
            str(self.policy),
            blob.codec,
            self.origin,
        )

    def placed(self, shard: int, node: str) -> Placed:
        """A shard's fragment on a node."""
        return Placed(self.generation + shard, node)


class Rebuilder:
    """
    Args:
        in_thread: where bytes are hashed and coded.
        pace: bounds the bytes that are read.
        background: looks after uploads that are dropped.
    """

    def __init__(
        self,
        members: IMembers,
        sources: Sources,
        clock: IReactorTime,
        in_thread: InThread,
        pace: Pace,
        background: Background,
    ) -> None:
        self._members = members
        self._sources = sources
        self._clock = clock
        self._in_thread = in_thread
        self._pace = pace
        self._background = background

    @deferred
    async def rebuild(self, goal: Goal, seats: Mapping[int, str]) -> Landed:
        """
        Make the fragments of some shards out of the whole blob.

        Args:
            seats: shard -> node, each node once.

        Fails:
            BytesNotFound: the blob cannot be read now.
            Conflict: the goal was not confirmed.
            FragmentDamaged: it can, but however it is read, the bytes are not its own.
        """
        fragments = {goal.placed(shard, node): shard for shard, node in seats.items()}
        headers = {placed: goal.header(placed.index) for placed in fragments}
        read = self._sources.read(goal.blob, 0, goal.blob.size)
        try:
            for _ in range(goal.blob.policy.width):
                landing = self._landing(headers)
                try:
                    await landing.begin()
                    if await self._pass(goal, read, landing):
                        if goal.confirm is not None:
                            await goal.confirm()
                        return await landing.finish()
                finally:
                    landing.abandon()
                error = FragmentDamaged("what was read is not the blob: its SHA-256 is another")
                await read.refuse(0, error)
        finally:
            await read.close()
        raise error

    def _landing(self, headers: Mapping[Placed, FragmentHeader]) -> Landing:
        return Landing(self._members, self._clock, self._background, headers)

    async def _pass(self, goal: Goal, read: Any, landing: Landing) -> bool:
        """Let the whole blob pass; tells whether it was the right one, or does not matter."""
        digests = Digests(self._in_thread, ("sha256",))
        sharding = Sharding(goal.policy, self._in_thread)
        while data := await read.read():
            await self._pace.take(len(data))
            hashed = digests.update([data])
            await landing.write(await sharding.update([data]))
            await hashed
            if landing.empty:
                return True
        await landing.write(await sharding.finish())
        whole = (digests.size, digests.sha256.hex())
        return whole == (goal.blob.size, goal.blob.sha256)

    @deferred
    async def carry(self, blob: Blob, source: Placed, node: str) -> Landed:
        """
        Copy one fragment to another node; each byte is checked as it is read.

        Fails: as `IFragmentStore.open` and `IFragmentReader.read`.
        """
        store = self._members.fragments(source.node)
        if store is None:
            raise NodeUnreachable("the node has left")
        name = FragmentName(blob.incarnation, source.index)
        reader = await self._timed(store.open(name, 0, None))
        try:
            header: FragmentHeader = reader.header
            if not is_fragment_of(blob, name, header):
                raise FragmentDamaged("the fragment belongs to other bytes")
            landing = self._landing({evolve(source, node=node): header})
            try:
                await landing.begin()
                await self._copy(source.shard, reader, landing, header.length)
                return await landing.finish()
            finally:
                landing.abandon()
        finally:
            await reader.close()

    async def _copy(self, shard: int, reader: Any, landing: Landing, length: int) -> None:
        left = length
        while (data := await self._timed(reader.read())) and not landing.empty:
            await self._pace.take(len(data))
            await landing.write([()] * shard + [[data]])
            left -= len(data)
        if left and not landing.empty:
            raise FragmentDamaged("the fragment ended early")

    def _timed(self, work: Any) -> Any:
        return within(STEP, self._clock, work, "the node did not answer")


def next_generation(generation: int, policy: Policy) -> int:
    """
    That of a blob's fragments once it is converted to `policy`.

    No generation comes again before several others: what is still being removed of an older
    one never has the names of what is being written.  And it depends on the policy, so that two
    servers that convert a blob at once to different ones, the first with a lease that it has
    lost without knowing, mostly do not write over each other's fragments either.
    """
    steps = 1 + (5 * policy.data + policy.parity) % 3
    return (generation + steps * GENERATION) % (10 * GENERATION)
