"""A whole store in memory: the real use cases and the real catalog over honest fakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from godos.catalog.catalog import Catalog
from godos.cluster.members import IMembers
from godos.deferreds import Background
from godos.model.bodies import IBody
from godos.model.errors import EntityTooLarge
from godos.model.locating import Holder, ILocator, Located
from godos.model.members import ApiServer, Node, NodeState
from godos.objects.keys import KeyRing, Keys, NamedKeys
from godos.objects.objects import Objects
from godos.objects.placing import Placer
from godos.objects.redundancy import Redundancy
from godos.objects.sources import Sources
from tests.memory_fragments import MemoryFragments
from tests.memory_items import MemoryItems

NOW = 1_700_000_000.0
MASTER = KeyRing((b"m" * 32,))
NAMED = NamedKeys({"first": KeyRing((b"1" * 32,)), "second": KeyRing((b"2" * 32,))}, "first")


@implementer(IBody)
class Body:
    """A body that is at hand, and comes in pieces of `piece` bytes."""

    def __init__(self, data: bytes, piece: int = 64 << 10, announced: bool = True) -> None:
        self._data = data
        self._piece = piece
        self.length = len(data) if announced else None
        self.asked_for = False

    def deliver_to(self, consumer: Any) -> Deferred[None]:
        self.asked_for = True
        consumer.registerProducer(self, True)
        for start in range(0, len(self._data), self._piece):
            consumer.write(self._data[start : start + self._piece])
        consumer.unregisterProducer()
        return succeed(None)

    def collect(self, limit: int) -> Deferred[list[bytes]]:
        self.asked_for = True
        if len(self._data) > limit:
            raise EntityTooLarge("too large")
        return succeed([self._data] if self._data else [])

    def pauseProducing(self) -> None:
        """Everything was written already."""

    def resumeProducing(self) -> None:
        """Everything was written already."""

    def stopProducing(self) -> None:
        """The rest is dropped by the consumer."""


@implementer(IMembers)
class Cluster:
    """Nodes in memory, which a test can take away."""

    def __init__(self, stores: Sequence[Any]) -> None:
        self.stores = {store.node_id: store for store in stores}
        self.rows = {
            id_: Node(id_, "boot", f"127.0.0.1:{n}", f"z{n}", 1000, 1000)
            for n, id_ in enumerate(self.stores)
        }
        self.dead: set[str] = set()

    def registered(self) -> Sequence[Node]:
        return [row for _, row in sorted(self.rows.items())]

    def live(self) -> Sequence[Node]:
        return [row for row in self.registered() if row.id not in self.dead]

    def alive(self, node_id: str) -> bool:
        return node_id in self.rows and node_id not in self.dead

    def apis(self) -> Sequence[ApiServer]:
        return ()

    def fragments(self, node_id: str) -> Any:
        return self.stores.get(node_id) if node_id in self.rows else None

    def suspect(self, node_id: str) -> None:
        self.dead.add(node_id)

    def silence(self, node_id: str) -> float:
        return 1e9 if node_id in self.dead else 0.0

    def refresh(self) -> Deferred[None]:
        return succeed(None)

    def fill(self, node_id: str) -> None:
        """Let a node take nothing new."""
        self.rows[node_id] = evolve(self.rows[node_id], state=NodeState.DRAINING)


@implementer(ILocator)
class AskAll:
    """Asks the stores directly, unless the answer is in `known`; counts how often."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.asked = 0
        self.known: dict[str, Located] = {}
        self.forgotten: list[str] = []

    def locate(self, incarnations: Sequence[str]) -> Deferred[Mapping[str, Located]]:
        self.asked += 1
        found = {}
        for incarnation in incarnations:
            holders = []
            for node in self._cluster.registered():
                kept = getattr(self._cluster.stores[node.id], "fragments", {})
                indexes = tuple(sorted(n.index for n in kept if n.incarnation == incarnation))
                if indexes:
                    holders.append(Holder(node.id, node.address, indexes))
            located = Located(tuple(holders), complete=True)
            found[incarnation] = self.known.get(incarnation, located)
        return succeed(found)

    def forget(self, incarnation: str) -> None:
        self.forgotten.append(incarnation)
        self.known.pop(incarnation, None)


class Store:
    """All parts of a store over `nodes` nodes, with bucket `objects`; `objects` is `IObjects`."""

    def __init__(
        self,
        stores: Sequence[Any] | int = 3,
        policy: str = "auto",
        keys: Keys = Keys(MASTER, NAMED),  # noqa: B008 (it never changes)
    ) -> None:
        if isinstance(stores, int):
            stores = [MemoryFragments(f"{n:032x}") for n in range(stores)]
        self.clock = Clock()
        self.clock.advance(NOW)
        self.items = MemoryItems()
        self.catalog = Catalog(self.items, self.clock, monotonic=self.clock.seconds)
        self.cluster = Cluster(stores)
        self.nodes = list(self.cluster.stores.values())
        self.locator = AskAll(self.cluster)
        self.background = Background()
        sources = Sources(self.catalog, self.cluster, self.locator, self.clock, self.background)
        placer = Placer(self.cluster, self.clock, lambda: policy)
        self.keys = keys
        self._over = (
            self.catalog,
            placer,
            sources,
            self.keys,
            maybeDeferred,
            self.clock.seconds,
        )
        self.objects = self.another()
        now(self.catalog.initialise("auto"))
        now(self.catalog.create_bucket("objects", "me"))

    def another(self, redundancy: Redundancy | None = None) -> Objects:
        """The use cases as one more server has them, over the same catalog and nodes."""
        return Objects.over(*self._over, redundancy)

    @property
    def fragments(self) -> int:
        """How many fragments are kept on all nodes."""
        return sum(len(node.fragments) for node in self.nodes)


def now(work: Deferred[Any]) -> Any:
    """The result of what has fired; raises its error."""
    results: list[Any] = []
    work.addBoth(results.append)
    assert results, "it has not fired"
    if hasattr(results[0], "raiseException"):
        results[0].raiseException()
    return results[0]


def whole(read: Any) -> bytes:
    """All bytes of an `IObjectRead`."""
    pieces = []
    while piece := now(read.read()):
        pieces.append(piece)
    now(read.close())
    return b"".join(pieces)
