"""A store in memory whose nodes can be harmed in every way, and a mender for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, maybeDeferred

from godos.model.blobs import Blob, FragmentHeader, Placed
from godos.model.members import Node, NodeState
from godos.model.names import FragmentName
from godos.model.objects import DeleteRequest, GetRequest, PutRequest
from godos.objects.sources import Sources
from godos.objects.upkeep.mending import Mender
from godos.objects.upkeep.pace import Pace
from tests.memory_fragments import MemoryFragments
from tests.unit.objects.stores import Body, Cluster, Store, now, whole

REPAIR_AFTER = 600.0
SMALL, LARGE = 200_000, 3_300_000  # bytes: under a code of 4, put in one piece, and streamed


def content(size: int, seed: int = 1) -> bytes:
    """Bytes that do not repeat."""
    return Random(seed).randbytes(size)


class PatientCluster(Cluster):
    """`quiet`: node -> seconds of silence; such are not alive.  Nobody else is ever dead."""

    def __init__(self, stores: Sequence[Any]) -> None:
        super().__init__(stores)
        self.quiet: dict[str, float] = {}

    def live(self) -> Sequence[Node]:
        return [row for row in self.registered() if row.id not in self.quiet]

    def alive(self, node_id: str) -> bool:
        return node_id in self.rows and node_id not in self.quiet

    def silence(self, node_id: str) -> float:
        return self.quiet.get(node_id, 0.0)

    def suspect(self, node_id: str) -> None:
        self.quiet.setdefault(node_id, 0.1)


class Ward(Store):
    """A store of `nodes` nodes with one blob after the other."""

    def __init__(self, nodes: int | Sequence[Any], policy: str) -> None:
        super().__init__(nodes, policy)
        cluster = PatientCluster(self.nodes)
        self.cluster = cluster
        self.locator._cluster = cluster
        sources = Sources(self.catalog, cluster, self.locator, self.clock, self.background)
        self._over = (
            self.catalog,
            type(self._over[1])(cluster, self.clock, lambda: policy),
            sources,
            *self._over[3:],
        )
        self.objects = self.another()
        for row in cluster.registered():
            now(self.catalog.claim_node(row))
        self.pace = Pace(0.0, self.clock)
        self.sources = sources
        self.mender = self.another_mender()

    def another_mender(self) -> Mender:
        """As another server has one."""
        return Mender(
            self.catalog,
            self.cluster,
            self.sources,
            self.clock,
            maybeDeferred,
            self.pace,
            self.background,
            REPAIR_AFTER,
        )

    # -- blobs ------------------------------------------------------------------------------
    def put(self, size: int = LARGE, key: str = "k", seed: int = 1) -> Blob:
        """Store an object; answers its blob."""
        now(self.objects.put("objects", key, Body(content(size, seed)), PutRequest()))
        return self.blob_of(key)

    def blob_of(self, key: str = "k") -> Blob:
        """The blob of an object as its row stands."""
        version = now(self.catalog.head(now(self.catalog.bucket("objects")), key))
        blob: Blob = now(self.catalog.blob(version.incarnation))
        return blob

    def read(self, key: str = "k") -> bytes:
        """What a reader gets who knows nothing of before."""
        incarnation = self.blob_of(key).incarnation
        self.sources.rows.forget(incarnation)
        return whole(now(self.objects.get("objects", key, GetRequest())))

    def delete(self, key: str = "k") -> None:
        """Remove an object."""
        now(self.objects.delete("objects", key, DeleteRequest()))

    # -- harm -------------------------------------------------------------------------------
    def store_of(self, placed: Placed) -> MemoryFragments:
        """The node of a fragment."""
        found: MemoryFragments = self.cluster.stores[placed.node]
        return found

    def damage(self, blob: Blob, placed: Placed, place: int = 7) -> None:
        """Flip a bit of a fragment."""
        self.store_of(placed).damage(FragmentName(blob.incarnation, placed.index), place)

    def lose(self, blob: Blob, placed: Placed) -> None:
        """Let a fragment be gone."""
        del self.store_of(placed).fragments[FragmentName(blob.incarnation, placed.index)]

    def silence(self, placed: Placed, seconds: float) -> None:
        """Let a fragment's node be silent since then."""
        self.cluster.quiet[placed.node] = seconds

    def unregister(self, placed: Placed) -> None:
        """Let a fragment's node leave the cluster."""
        row = now(self.catalog.node(placed.node))
        now(self.catalog.remove_node(row))
        del self.cluster.rows[placed.node]

    def fail(self, placed: Placed) -> None:
        """Let the disk of a fragment's node leave service."""
        row = self.cluster.rows[placed.node]
        self.cluster.rows[placed.node] = evolve(row, state=NodeState.FAILED, reason="EIO")

    def add_node(self) -> str:
        """A new and empty node; answers its id."""
        node = MemoryFragments(f"{len(self.nodes):032x}")
        self.nodes.append(node)
        self.cluster.stores[node.node_id] = node
        row = Node(node.node_id, "boot", "127.0.0.1:99", f"z{len(self.nodes)}", 1000, 1000)
        self.cluster.rows[node.node_id] = row
        now(self.catalog.claim_node(row))
        return node.node_id

    # -- what is ----------------------------------------------------------------------------
    def headers(self, blob: Blob) -> Mapping[Placed, FragmentHeader]:
        """Those of all fragments of the blob's layout, each of which verifies."""
        return {
            placed: now(self.store_of(placed).verify(FragmentName(blob.incarnation, placed.index)))
            for placed in blob.layout
        }

    def check_at_target(self, blob: Blob) -> None:
        """Every shard is good, on a node of its own; nothing is staged or left beside."""
        assert sorted(placed.shard for placed in blob.layout) == list(range(blob.policy.width))
        assert len({placed.node for placed in blob.layout}) == blob.policy.width
        for placed, header in self.headers(blob).items():
            assert header.name == FragmentName(blob.incarnation, placed.index)
            assert (header.blob_size, header.blob_sha256) == (blob.size, blob.sha256)
            assert header.policy == str(blob.policy)
            assert header.origin
        assert not self.staged

    @property
    def staged(self) -> int:
        """Uploads that were neither sealed nor dropped."""
        return sum(node.staged for node in self.nodes)

    def mend(self, blob: Blob, **more: Any) -> Any:
        """What mending it comes to."""
        mending: Deferred[Any] = self.mender.mend(blob, **more)
        return now(mending)
