"""Menders: the real one, and one of whole copies that does what tests want."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, maybeDeferred, succeed

from godos.deferreds import deferred
from godos.model.blobs import GENERATION, Blob, Placed
from godos.model.names import FragmentName
from godos.model.policy import Policy
from godos.objects.sources import Sources
from godos.objects.upkeep.mending import Mended, Mender
from godos.objects.upkeep.pace import Pace
from godos.protocol import placement
from tests.unit.objects.stores import Store


def mender_of(store: Store) -> Mender:
    """The mender of a store in memory."""
    members, clock = store.cluster, store.clock
    sources = Sources(store.catalog, members, store.locator, clock, store.background)
    pace = Pace(0, clock)
    return Mender(store.catalog, members, sources, clock, maybeDeferred, pace, store.background)


class CopyMender:
    """
    Works on copies in memory.

    `refusals`: incarnation -> the trouble that a blob makes, which then stays as it is.
    `gate`: what each call waits for first.  `most` is how many ran at once.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.refusals: dict[str, str] = {}
        self.errors: dict[str, Exception] = {}
        self.gate: Any = lambda: succeed(None)
        self.calls: list[str] = []
        self.running = 0
        self.most = 0

    @deferred
    async def mend(
        self, blob: Blob, avoid: frozenset[str] = frozenset(), prefer: tuple[str, ...] = ()
    ) -> Mended:
        """See `Mender.mend`."""
        await self._begun(blob)
        cluster = self._store.cluster
        keep = [placed for placed in blob.layout if placed.node not in avoid]
        free = [
            node.id
            for node in placement.candidates(blob.incarnation, cluster.live())
            if node.id not in {placed.node for placed in blob.layout} | avoid
        ]
        free.sort(key=lambda node: node not in prefer)
        missing = sorted(set(range(blob.policy.width)) - {placed.index for placed in keep})
        added = [Placed(*pair) for pair in zip(missing, free, strict=False)]
        filled = {placed.index for placed in added}
        stuck = [p for p in blob.layout if p.node in avoid and p.index not in filled]
        if self.refusals.get(blob.incarnation):
            return Mended(blob, trouble=self.refusals[blob.incarnation])
        for placed in added:
            await self._copy(blob, FragmentName(blob.incarnation, placed.index), placed.node)
        layout = tuple(sorted([*keep, *added, *stuck], key=lambda placed: placed.index))
        corrected = await self._store.catalog.correct_layout(blob, layout)
        assert corrected is not None
        for placed in set(blob.layout) - set(layout):
            await cluster.stores[placed.node].remove(FragmentName(blob.incarnation, placed.index))
        trouble = "no other node takes it" if stuck else ""
        return Mended(corrected, len(added), len(added) * blob.size, trouble)

    @deferred
    async def convert(self, blob: Blob, policy: Policy) -> Mended:
        """See `Mender.convert`; copies become as many copies as the policy has fragments."""
        await self._begun(blob)
        nodes = placement.candidates(blob.incarnation, self._store.cluster.live())
        generation = (blob.generation + GENERATION) % 1000
        layout = tuple(
            Placed(generation + shard, node.id)
            for shard, node in zip(range(policy.width), nodes, strict=False)
        )
        for placed in layout:
            await self._copy(blob, FragmentName(blob.incarnation, placed.index), placed.node)
        converted = await self._store.catalog.converted(blob, policy, layout)
        return Mended(converted, len(layout), len(layout) * blob.size)

    async def _begun(self, blob: Blob) -> None:
        self.calls.append(blob.incarnation)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            waiting: Deferred[None] = self.gate()
            await waiting
        finally:
            self.running -= 1
        if blob.incarnation in self.errors:
            raise self.errors[blob.incarnation]

    async def _copy(self, blob: Blob, name: FragmentName, node: str) -> None:
        stores = self._store.cluster.stores
        for placed in blob.layout:
            source = stores[placed.node]
            if placed.node not in self._store.cluster.dead:
                reader = await source.open(FragmentName(blob.incarnation, placed.index), 0, None)
                data = await reader.read() if blob.size else b""
                header = reader.header
                await stores[node].put(_renamed(header, name), [data])
                return
        raise AssertionError("nobody has it")


def _renamed(header: Any, name: FragmentName) -> Any:
    return evolve(header, name=name)
