"""A blob's fragments on their way to the nodes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred

from godos.deferreds import Background, InThread, deferred
from godos.model.blobs import FragmentHeader
from godos.model.errors import GodosError
from godos.model.fragments import SMALL, Pieces
from godos.objects.leftovers import Leftovers, uncertain
from godos.objects.placing import Placer, Plan, Target
from godos.protocol.coding import fragment_length
from godos.transfer.fanout import FanOut
from godos.transfer.sharding import Sharding

Targets = Mapping[str, Target]  # by node


@frozen
class Contents:
    """What all fragments of a blob say of it; see `FragmentHeader`."""

    size: int
    sha256: str
    codec: str
    origin: bytes

    def headers(self, plan: Plan) -> Callable[[Target], FragmentHeader]:
        """What makes the header of each target's fragment."""
        length, policy = fragment_length(plan.policy, self.size), str(plan.policy)
        return lambda target: FragmentHeader(
            plan.name(target.index),
            length,
            self.size,
            self.sha256,
            policy,
            self.codec,
            self.origin,
        )


class Spreading:
    """
    Makes the fragments of one blob and takes each to a node of its own.

    Blobs of at most `SMALL` bytes go to each node in one request, at their end; larger ones
    as they come.  Where fewer nodes take them than a code needs, they become copies, unless
    bytes of shards are on their way already.

    Args:
        in_thread: where stripes are coded.
        background: clears up what is left of fragments that nobody will refer to.

    Attributes:
        plan: what is done, in the end.
    """

    def __init__(
        self, placer: Placer, plan: Plan, background: Background, in_thread: InThread
    ) -> None:
        self.plan = plan
        self._placer = placer
        self._in_thread = in_thread
        self._leftovers = Leftovers(plan, background)
        self._held: list[Any] = []  # the first bytes, while they may be all
        self._size = 0  # of these
        self._fan: FanOut | None = None
        self._sharding: Sharding | None = None
        self._uploads: list[Any] = []  # every IFragmentUpload that was begun

    # -- as they come ---------------------------------------------------------------------
    async def open(self, size: int | None) -> None:
        """
        Begin with the nodes; a full disk is said here, before the bytes come.

        Args:
            size: bytes of the blob, when known; it is a large one.

        Fails: NodeFull, NotEnoughNodes.
        """
        fan = await self._open_each(size)
        if self.plan.policy.coded and len(fan.targets) < self.plan.required:
            self.abort()
            fan = await self._as_copies(fan, lambda: self._open_each(size))
        fan.require(self.plan.required)
        self._fan = fan
        self._sharding = Sharding(self.plan.policy, self._in_thread)

    def _open_each(self, size: int | None) -> Deferred[FanOut]:
        length = None if size is None else fragment_length(self.plan.policy, size)
        return self._placer.spread(self.plan, "open", lambda target: self._begin(target, length))

    async def _as_copies(self, refused: FanOut, again: Callable[[], Awaitable[FanOut]]) -> FanOut:
        """Try `again` with copies, on the nodes that did not refuse a shard."""
        self.plan = self.plan.as_copies(but=refused.dropped)
        fan = await again()
        fan.dropped = refused.dropped | fan.dropped  # what is told when these are too few as well
        return fan

    @deferred
    async def _begin(self, target: Target, length: int | None) -> None:
        target.upload = await target.store.upload(self.plan.name(target.index), length)
        self._uploads.append(target.upload)

    async def write(self, pieces: Pieces) -> None:
        """
        The blob's next bytes, at the pace of the slowest node that still counts.

        Fails: NodeFull, NotEnoughNodes: too few are left.
        """
        await self._pass(pieces)
        if self._fan is not None:
            self._fan.require(self.plan.required)

    async def _pass(self, pieces: Pieces) -> None:
        if self._fan is None:
            self._hold(pieces)
            if self._size <= SMALL:
                return
            await self.open(None)
            pieces, self._held = self._held, []
        assert self._sharding is not None
        await self._send(await self._sharding.update(pieces))

    def _hold(self, pieces: Pieces) -> None:
        self._held += pieces
        self._size += sum(map(len, pieces))

    async def _send(self, shards: Sequence[Pieces]) -> None:
        assert self._fan is not None
        if any(shards):
            await self._fan.each(
                "write", lambda _, target: target.upload.write(shards[target.shard])
            )

    # -- the end ----------------------------------------------------------------------------
    async def end(self, pieces: Pieces, contents: Contents) -> Targets:
        """
        The blob's last bytes; `contents` says what all of it is.

        Answers the fragments that are durable, at least as many as are required.

        Fails: NodeFull, NotEnoughNodes: too few are, and these are removed again.
        """
        if self._fan is None and self._size + sum(map(len, pieces)) <= SMALL:
            self._hold(pieces)
            fan = await self._put(contents)
        else:
            await self._pass(pieces)
            fan = await self._seal(contents)
        try:
            fan.require(self.plan.required)
        except GodosError:
            self._leftovers.remove(fan.targets.values())
            raise
        return fan.targets

    async def _seal(self, contents: Contents) -> FanOut:
        assert self._fan is not None and self._sharding is not None
        fan = self._fan
        begun = list(fan.targets.values())
        await self._send(await self._sharding.finish())
        header_of = contents.headers(self.plan)
        await fan.each("seal", lambda _, target: target.upload.seal(header_of(target)))
        self._placer.blame(fan)
        sealed = [target.upload for target in fan.targets.values()]
        self._leftovers.abort([upload for upload in self._uploads if upload not in sealed])
        self._leftovers.remove(uncertain(begun, fan))
        return fan

    async def _put(self, contents: Contents) -> FanOut:
        """All of a small blob, in one request for each node."""
        self.plan = self.plan.for_size(self._size)
        fan = await self._put_each(contents)
        if self.plan.policy.coded and len(fan.targets) < self.plan.required:
            self._leftovers.remove(fan.targets.values())
            fan = await self._as_copies(fan, lambda: self._put_each(contents))
        return fan

    async def _put_each(self, contents: Contents) -> FanOut:
        policy = self.plan.policy
        shards = await self._shards() if policy.coded else [self._held] * policy.width
        header_of = contents.headers(self.plan)
        begun: list[Target] = []

        def step(target: Target) -> Deferred[Any]:
            begun.append(target)
            storing: Deferred[Any] = target.store.put(header_of(target), shards[target.shard])
            return storing

        fan = await self._placer.spread(self.plan, "put", step)
        self._leftovers.remove(uncertain(begun, fan))
        return fan

    async def _shards(self) -> Sequence[Pieces]:
        """All of a coded blob."""
        sharding = Sharding(self.plan.policy, self._in_thread)
        most, rest = await sharding.update(self._held), await sharding.finish()
        return [[*some, *others] for some, others in zip(most, rest, strict=True)]

    # -- when it was for nothing ------------------------------------------------------------
    def abort(self) -> None:
        """Drop what was staged and not sealed, whatever step failed."""
        uploads, self._uploads = self._uploads, []
        self._leftovers.abort(uploads)

    def remove(self, targets: Targets) -> None:
        """Remove durable fragments that nobody will refer to."""
        self._leftovers.remove(targets.values())
