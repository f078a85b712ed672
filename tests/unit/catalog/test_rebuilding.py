"""A catalog that is made of what fragments say, by whatever steps it is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import md5
from random import Random
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from godos.catalog.catalog import Catalog
from godos.catalog.rebuilding import Rebuilding, Recovered, StoredPart, fixed_id
from godos.model.blobs import Blob, Placed
from godos.model.errors import CannotStart, ClusterMismatch, NoSuchKey
from godos.model.multipart import Part
from godos.model.names import new_id
from godos.model.policy import Policy
from godos.model.versions import Bucket, ObjectVersion, Versioning
from tests.catalog_audit import audit
from tests.memory_items import MemoryItems
from tests.simulation.node import now

CLUSTER = "c" * 32
NOW = 1_800_000_000.0
NODES = ("1" * 32, "2" * 32, "3" * 32)
SIZE = 40_000


class World:
    """An empty catalog, and those who make it."""

    def __init__(self) -> None:
        self.items = MemoryItems()
        self.clock = Clock()
        self.clock.advance(NOW)
        self.rows = self.again()
        now(_of(self.rows.begin(CLUSTER, "auto")))
        self.bucket: Bucket = now(_of(self.rows.put_bucket(self._bucket())))
        self.catalog = Catalog(
            self.items, self.clock, monotonic=self.clock.seconds, random=Random(1)
        )

    def _bucket(self) -> Bucket:
        return Bucket("photos", "b" * 32, "me", NOW, Versioning.ENABLED)

    def again(self) -> Rebuilding:
        """Another run of the command."""
        return Rebuilding(self.items, self.clock, size_and_etag)

    def add(self, *found: Recovered, key: str = "k") -> Rebuilding:
        """What one run finds."""
        rows = self.again()
        now(_of(rows.begin(CLUSTER, "auto")))
        now(_of(rows.add(self.bucket, key, found)))
        now(_of(rows.flush()))
        return rows

    def check(self) -> None:
        """The rows agree with each other."""
        now(_of(audit(self.items)))

    def versions(self) -> list[ObjectVersion]:
        """Newest first."""
        return list(now(self.catalog.list_versions(self.bucket)).versions)

    def rest(self) -> list[tuple[Any, ...]]:
        """What it comes to, but for what each run draws anew."""
        told = [
            (v.reference, v.seq, v.size, v.etag, v.is_null, v.is_latest, v.parts)
            for v in self.versions()
        ]
        layouts = []
        for blob in now(self.catalog.blobs()).blobs:
            layouts.append((blob.incarnation, blob.layout, str(blob.policy)))
        return [*told, *sorted(layouts)]


def _of(coroutine: Any) -> Any:
    return Deferred.fromCoroutine(coroutine)


def size_and_etag(parts: Sequence[Part]) -> tuple[int, str]:
    digest = md5(b"".join(bytes.fromhex(part.etag) for part in parts)).hexdigest()
    return sum(part.size for part in parts), f"{digest}-{len(parts)}"


def blob(name: int, *nodes: int, policy: str = "copies=3", generation: int = 0) -> Blob:
    """Of which these nodes have the fragment of their number."""
    layout = tuple(Placed(generation + node, NODES[node]) for node in nodes)
    return Blob(f"{name:032x}", SIZE + name, f"{name:064x}", Policy.parse(policy), layout)


def found(name: int, modified: float, *nodes: int, null: bool = False, **how: Any) -> Recovered:
    """A whole object."""
    stored = blob(name, *nodes, **how)
    version = _version(fixed_id("object", stored.incarnation), modified, null)
    return Recovered(evolve(version, incarnation=stored.incarnation, size=stored.size), stored)


def _version(reference: str, modified: float, null: bool) -> ObjectVersion:
    return ObjectVersion("photos", "k", "", 0, "e", 0, modified, None, reference, "", is_null=null)


def upload(name: str, parts: Mapping[int, tuple[int, float]], *nodes: int) -> Recovered:
    """Parts: number -> (name of the blob, modified)."""
    stored = {}
    for number, (of, modified) in parts.items():
        each = blob(of, *nodes)
        etag, reference = f"{of:032x}", fixed_id("part", each.incarnation)
        part = Part(number, each.size, etag, each.incarnation, reference, modified)
        stored[number] = StoredPart(part, each)
    version = _version(fixed_id("upload", name), 0.0, False)
    manifest = fixed_id("manifest", name)
    return Recovered(evolve(version, manifest=manifest), upload=name, parts=stored)


@pytest.fixture
def world() -> World:
    return World()


# -- the cluster ------------------------------------------------------------------------
def test_cluster(world: World) -> None:
    """It keeps its id, has a secret of its own, and an epoch that nobody confirmed."""
    cluster = now(world.catalog.cluster())
    assert (cluster.id, cluster.epoch, cluster.confirmed) == (CLUSTER, 2, 1)
    assert len(cluster.secret) == 64
    assert now(_of(world.again().begin(CLUSTER, "copies=2"))) == cluster


def test_other_catalogs_are_refused(world: World) -> None:
    """One of another cluster, one that works, and one that was confirmed."""
    with pytest.raises(ClusterMismatch):
        now(_of(world.again().begin("d" * 32, "auto")))
    now(world.catalog.confirm_epoch(2))
    with pytest.raises(CannotStart, match="epoch 2 was confirmed"):
        now(_of(world.again().begin(CLUSTER, "auto")))
    items = MemoryItems()
    cluster = now(Catalog(items, world.clock).initialise("auto"))
    with pytest.raises(CannotStart, match="was not rebuilt"):
        now(_of(Rebuilding(items, world.clock, size_and_etag).begin(cluster.id, "auto")))


# -- whole objects -----------------------------------------------------------------------
def test_versions_in_order_of_time(world: World) -> None:
    """However they are found, the newest is the latest."""
    rows = world.add(found(2, 20.0, 0, 1, 2), found(1, 10.0, 0, 1, 2))
    assert (rows.tally.versions, rows.tally.bytes) == (2, 2 * SIZE + 3)
    world.add(found(4, 40.0, 0, 1, 2))
    world.add(found(3, 30.0, 0, 1, 2))
    names = [version.incarnation for version in world.versions()]
    assert names == [f"{name:032x}" for name in (4, 3, 2, 1)]
    assert len({version.version_id for version in world.versions()}) == 4
    for version in world.versions():
        assert now(world.catalog.version(world.bucket, "k", version.version_id)) == version
    world.check()


def test_found_again(world: World) -> None:
    """The same fragments found once more change nothing."""
    both = found(1, 10.0, 0, 1, 2), found(2, 10.0, 0, 1, 2)
    world.add(*both)
    before = world.rest()
    rows = world.add(*both)
    assert (rows.tally.versions, rows.tally.completed) == (0, 0)
    assert world.rest() == before
    world.check()


def test_more_fragments(world: World) -> None:
    """Another disk adds its fragments to the layout; what is still missing is to be repaired."""
    world.add(found(1, 10.0, 2))
    assert len(now(world.catalog.repairs())) == 1
    rows = world.add(found(1, 10.0, 0))
    assert (rows.tally.versions, rows.tally.completed) == (0, 1)
    (known,) = now(world.catalog.blobs()).blobs
    assert known.layout == (Placed(0, NODES[0]), Placed(2, NODES[2]))
    world.check()


def test_conversion_that_was_interrupted(world: World) -> None:
    """Of two generations the one of which less is missing counts, whichever is found first."""
    old, new = found(1, 10.0, 0), found(1, 10.0, 0, 1, 2, policy="ec=2+1", generation=100)
    for first, second in ((old, new), (new, old)):
        world = World()
        world.add(first)
        world.add(second)
        (known,) = now(world.catalog.blobs()).blobs
        assert (str(known.policy), known.generation) == ("ec=2+1", 100)
        world.check()


def test_overwritten(world: World) -> None:
    """Of null versions only the newest stays, and nothing of the others is written down."""
    rows = world.add(
        found(1, 10.0, 0, 1, 2, null=True),
        found(2, 20.0, 0, 1, 2),
        found(3, 30.0, 0, 1, 2, null=True),
    )
    assert rows.tally.overwritten == 1
    assert [v.is_null for v in world.versions()] == [True, False]
    assert now(world.catalog.blob(f"{1:032x}")) is None
    world.check()


@pytest.mark.parametrize("first", [1, 3])
def test_overwritten_by_what_comes_later(world: World, first: int) -> None:
    """A null version that another disk knows a newer one of makes room for it."""
    world.add(found(first, first * 10.0, 0, 1, 2, null=True), found(2, 20.0, 0))
    world.add(found(4 - first, (4 - first) * 10.0, 0, 1, 2, null=True))
    kept = [(version.incarnation, version.is_null) for version in world.versions()]
    assert kept == [(f"{3:032x}", True), (f"{2:032x}", False)]
    world.check()


def test_store_goes_on(world: World) -> None:
    """What is written to the rebuilt catalog is newer than all that was found."""
    world.add(found(1, 10.0, 0, 1, 2), found(2, NOW - 5, 0, 1, 2))
    now(world.catalog.delete(world.bucket, "k"))
    with pytest.raises(NoSuchKey):
        now(world.catalog.head(world.bucket, "k"))
    world.check()
    world.add(found(3, 15.0, 0, 1, 2))
    with pytest.raises(NoSuchKey):
        now(world.catalog.head(world.bucket, "k"))
    assert len(world.versions()) == 4
    world.check()
    for version in world.versions():
        now(world.catalog.delete(world.bucket, "k", version.version_id))
    assert world.versions() == []
    world.check()


# -- parts --------------------------------------------------------------------------------
def test_parts(world: World) -> None:
    """Parts with numbers from 1 on are an object; of equal numbers the latest counts."""
    world.add(upload("u", {1: (1, 10.0), 2: (2, 20.0)}, 0, 1, 2))
    (version,) = world.versions()
    assert (version.size, version.parts, version.modified) == (2 * SIZE + 3, 2, 20.0)
    assert version.etag.endswith("-2")
    assert version.manifest is not None
    world.add(upload("u", {2: (3, 30.0)}, 0, 1, 2))
    world.add(upload("u", {1: (4, 5.0)}, 0, 1, 2))
    (version,) = world.versions()
    listed = now(Catalog(world.items, world.clock).manifest(version.manifest or ""))
    assert [part.incarnation for part in listed] == [f"{1:032x}", f"{3:032x}"]
    assert version.size == 2 * SIZE + 4
    world.check()


def test_gap(world: World) -> None:
    """Parts with a gap wait for what another disk may add, and are no object before."""
    rows = world.add(upload("u", {1: (1, 10.0), 3: (3, 30.0)}, 0))
    assert rows.tally.unfinished == 1
    assert world.versions() == []
    world.check()
    world.add(upload("u", {3: (3, 30.0)}, 1))
    world.add(upload("u", {2: (2, 20.0)}, 0, 1, 2))
    (version,) = world.versions()
    assert version.parts == 3
    third = now(world.catalog.blob(f"{3:032x}"))
    assert third is not None
    assert [placed.index for placed in third.layout] == [0, 1]
    left = [item for item in now(world.items.scan()).items if item.p.startswith("W#")]
    assert left == []
    world.check()


def test_gap_that_is_seen_late(world: World) -> None:
    """An object that was made of too few parts is taken back until they are all there."""
    world.add(upload("u", {1: (1, 10.0)}, 0, 1, 2), found(9, 5.0, 0, 1, 2))
    assert [version.parts for version in world.versions()] == [1, 0]
    world.add(upload("u", {3: (3, 30.0)}, 0, 1, 2))
    assert [version.parts for version in world.versions()] == [0]
    world.check()
    world.add(upload("u", {2: (2, 20.0)}, 0, 1, 2))
    assert [version.parts for version in world.versions()] == [3, 0]
    world.check()


def test_many_parts(world: World) -> None:
    """The largest upload there can be."""
    parts = {number: (number, 10.0 + number) for number in range(1, 10_001)}
    world.add(upload("u", parts, 0, 1, 2))
    (version,) = world.versions()
    assert version.parts == 10_000
    assert len(now(world.catalog.manifest(version.manifest or ""))) == 10_000


# -- any order ----------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(40))
def test_any_order(seed: int) -> None:
    """However disks are gone through, it comes to the same as all at once."""
    random = Random(seed)
    bits: list[tuple[str, Any]] = []
    for name in range(1, 5):
        null = random.random() < 0.5
        for node in range(3):
            bits.append(("object", (name, name * 10.0, node, null)))
    for number in range(1, random.choice((2, 4))):
        for copy in range(random.choice((1, 2))):
            of = 100 + 10 * number + copy
            for node in range(3):
                bits.append(("part", (number, of, 25.0 + number + copy, node)))
    whole, steps = World(), World()
    whole.add(*_gathered(bits))
    random.shuffle(bits)
    while bits:
        some = [bits.pop() for _ in range(min(len(bits), random.randrange(1, 9)))]
        steps.add(*_gathered(some))
        steps.check()
    whole.check()
    # what was taken back may wait for its collection, and is no version's any more
    named = {entry[0] for entry in whole.rest()}
    assert [entry for entry in steps.rest() if entry[0] in named] == whole.rest()
    assert [v.seq for v in steps.versions()] == [v.seq for v in whole.versions()]


def _gathered(bits: Sequence[tuple[str, Any]]) -> list[Recovered]:
    """What one run finds, of single fragments."""
    objects: dict[int, tuple[float, bool, set[int]]] = {}
    parts: dict[int, dict[int, tuple[float, set[int]]]] = {}
    for kind, bit in bits:
        if kind == "object":
            name, modified, node, null = bit
            objects.setdefault(name, (modified, null, set()))[2].add(node)
        else:
            number, of, modified, node = bit
            parts.setdefault(number, {}).setdefault(of, (modified, set()))[1].add(node)
    recovered = [
        found(name, modified, *sorted(nodes), null=null)
        for name, (modified, null, nodes) in sorted(objects.items())
    ]
    stored: dict[int, StoredPart] = {}
    for number, copies in parts.items():
        of, (modified, nodes) = max(copies.items(), key=lambda item: item[1][0])
        single = upload("u", {number: (of, modified)}, *sorted(nodes))
        assert single.parts is not None
        stored.update(single.parts)
    if stored:
        recovered.append(evolve(upload("u", {}), parts=stored))
    return recovered


def test_ids_do_not_repeat() -> None:
    """An id follows from what it is for, and from nothing else."""
    one = new_id()
    assert fixed_id("part", one) == fixed_id("part", one)
    assert len({fixed_id("part", one), fixed_id("object", one), fixed_id("part", new_id())}) == 3
