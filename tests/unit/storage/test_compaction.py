"""Winning back what is dead."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred, maybeDeferred

from godos.model.errors import FragmentDamaged
from godos.model.names import FragmentName
from godos.storage import compaction
from godos.storage.compaction import REMNANTS, worth_compacting
from godos.storage.copying import still_needed
from godos.storage.files import WRITE
from godos.storage.index import key_of
from godos.storage.records import FIRST_RECORD, VolumeHeader
from godos.storage.volumes import Volume
from tests.simulation.disk import SimulatedDisk
from tests.simulation.node import Node, now

RANDOM = Random(8)
SIZE = 1 << 20


def volume(used: int, live: int, number: int = 1, **more: Any) -> Volume:
    """A closed volume with so many bytes of records, of which some are needed."""
    more = {"closed": True, "end": FIRST_RECORD + used, **more}
    header = VolumeHeader(number, bytes(16), bytes(16), 1, more.pop("purged", 0))
    return Volume(number, "/x", header, live=live, **more)


@pytest.mark.parametrize(
    ("candidate", "pays"),
    [
        (volume(900, 600), False),
        (volume(900, 599), True),
        (volume(900, 0), True),
        (volume(0, 0), True),
        (volume(900, 100, kept=500), False),
        (volume(900, 0, closed=False), False),
        (volume(900, 0, broken=True), False),
    ],
)
def test_what_pays(candidate: Volume, pays: bool) -> None:
    """A closed volume more than a third of which is dead is worth it, if it can be read."""
    full = volume(SIZE // 2, SIZE // 2, 2)
    assert worth_compacting([full, candidate], SIZE) == ([candidate] if pays else [])


def test_together() -> None:
    """As many as fit into one volume are compacted together, those with least in them first."""
    volumes = [volume(SIZE, SIZE // 2 - number * 5000, number) for number in range(1, 5)]
    assert [each.number for each in worth_compacting(volumes, SIZE)] == [4, 3]


def test_remnants() -> None:
    """Many volumes with little in them become one; a few do not matter."""
    volumes = [volume(1000, 1000, number) for number in range(REMNANTS)]
    assert worth_compacting(volumes[:-1], SIZE) == []
    assert worth_compacting(volumes, SIZE) == volumes


def test_tombstones_needed() -> None:
    """A tombstone is needed while another volume may hold what it removes."""
    other = volume(100, 100, lowest=10, highest=20)
    assert still_needed(10, 30, [other]) and still_needed(20, 30, [other])
    assert not still_needed(9, 30, [other]) and not still_needed(21, 30, [other])
    purged = volume(100, 100, lowest=10, highest=20, purged=30)
    assert not still_needed(15, 30, [purged]) and still_needed(15, 31, [purged])
    assert not still_needed(15, 30, [])


# -- on a node --------------------------------------------------------------------------
def small(size: int = 2000) -> tuple[FragmentName, bytes]:
    return FragmentName(RANDOM.randbytes(16).hex(), 0), RANDOM.randbytes(size)


@pytest.fixture
def node() -> Iterator[Node]:
    """A node with several volumes, most of which is dead."""
    node = Node(SimulatedDisk()).start()
    for _ in range(80):
        node.put(small())
    node.remove(*[name for name in node.kept if RANDOM.random() < 0.7])
    yield node
    node.disk.unplug()


def used(node: Node) -> int:
    room = node.disk.room("/")
    return room.capacity - room.free


def volumes(node: Node) -> list[str]:
    return sorted(node.disk.names("/node/volumes"))


def check(node: Node) -> None:
    """All that was kept is there, now and from the log alone."""
    node.audit(node.promises())
    node.stop()
    node.disk.delete_database("")
    node.start()
    node.audit(node.promises())


def test_room_is_won_back(node: Node) -> None:
    """What is dead makes room, what lives stays."""
    before = used(node)
    node.compact()
    assert used(node) < before * 2 / 3
    assert node.store.counters.compacted_bytes > before / 3
    check(node)
    count = node.store.counters.compactions
    node.compact()
    assert node.store.counters.compactions == count, "once is enough"


def test_nothing_left(node: Node) -> None:
    """Volumes in which nothing counts are deleted."""
    node.remove(*node.kept)
    for _ in range(20):
        node.put(small())
    node.remove(*list(node.kept))
    node.compact()
    assert len(volumes(node)) <= 2
    check(node)


def test_readers_in_flight(node: Node) -> None:
    """A reader that found a fragment before compaction reads it whole after it."""
    parts: Any = node.store._parts
    places = {name: parts.holdings.ledger.find(key_of(name)) for name in node.kept}
    taken = [parts.compactor._tools.shelf.take(place.volume) for place in places.values()]
    node.compact()
    for (name, payload), (old, fd) in zip(node.kept.items(), taken, strict=True):
        place = places[name]
        assert node.disk.read(fd, place.length, place.offset + place.head) == payload
        parts.compactor._tools.shelf.give_back(old)
    check(node)


class Cranked:
    """Does the work of pool threads when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Deferred[Any], Any, Any]] = []

    def __call__(self, function: Any, *args: Any) -> Deferred[Any]:
        waiting: Deferred[Any] = Deferred()
        self.waiting.append((waiting, function, args))
        return waiting

    def step(self) -> bool:
        if not self.waiting:
            return False
        waiting, function, args = self.waiting.pop(0)
        maybeDeferred(function, *args).chainDeferred(waiting)
        return True


def cranked(node: Node, monkeypatch: pytest.MonkeyPatch) -> Cranked:
    """Have compaction on this node wait for its threads."""
    crank = Cranked()
    compactor = node.store._parts.compactor
    compactor._tools = evolve(compactor._tools, in_thread=crank)
    monkeypatch.setattr("godos.storage.copying._STEP_RECORDS", 5)
    monkeypatch.setattr(compaction, "_MOVES", 3)
    return crank


def test_life_goes_on_meanwhile(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fragments that come, go and are read between any two steps of compaction are right."""
    crank = cranked(node, monkeypatch)
    running = node.store.compact()
    steps = 0
    while crank.step():
        steps += 1
        if steps > 60:
            continue  # it has its work as long as something dies
        node.put(small(300), small(200))
        old = list(node.kept)
        node.remove(old[0], old[-1])
        node.put((old[len(old) // 2], node.kept[old[len(old) // 2]]))
        node.audit(node.promises())
    now(running)
    assert steps > 10
    check(node)


@pytest.mark.parametrize("steps", range(0, 30, 3))
def test_stop_at_any_step(node: Node, monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Compaction can be stopped between any two steps, and goes on after the next start."""
    crank = cranked(node, monkeypatch)
    node.store._parts.compactor.begin()
    for _ in range(steps):
        crank.step()
    stopping = node.store.close()
    while crank.step():
        pass
    now(stopping)
    assert node.disk.open_files == []
    node.start()
    assert node.disk.names("/node/staging") == []
    node.audit(node.promises())
    node.compact()
    check(node)


def test_damaged_payload_is_carried_along(node: Node) -> None:
    """A damaged fragment is as damaged in the copy: it is neither lost nor made good."""
    node.put(victim := small())
    parts: Any = node.store._parts
    place = parts.holdings.ledger.find(key_of(victim[0]))
    path = parts.compactor._tools.shelf.get(place.volume).path
    fd = node.disk.open(path, WRITE)
    node.disk.write(fd, [b"?"], place.offset + place.head + 50)
    node.disk.sync(fd)
    node.disk.close(fd)
    for _ in range(25):
        node.put(small())
    node.remove(*[name for name in node.kept if name != victim[0]])
    node.compact()
    moved = parts.holdings.ledger.find(key_of(victim[0]))
    assert moved.volume != place.volume
    with pytest.raises(FragmentDamaged):
        now(node.store.open(victim[0], 0, None))
    assert victim[0] in [held.name for held in now(node.store.inventory())]


def test_broken_volume_is_left_alone(node: Node) -> None:
    """A volume that cannot be read from end to end is kept as it is, for a person to look at."""
    path = "/node/volumes/" + volumes(node)[0]
    fd = node.disk.open(path, WRITE)
    node.disk.write(fd, [b"??"], FIRST_RECORD + 10)
    node.disk.sync(fd)
    before = node.disk.read(fd, 1 << 20, 0)
    node.compact()
    assert node.disk.read(fd, 1 << 20, 0) == before
    assert volumes(node)[0] == path.rsplit("/", 1)[1]
    node.disk.close(fd)
    count = node.store.counters.compactions
    assert count > 0
    node.compact()
    assert node.store.counters.compactions == count


def test_full_disk(node: Node) -> None:
    """Without room for the copy nothing is compacted, and nothing is lost."""
    node.disk.capacity = used(node) + 10
    before = volumes(node)
    node.compact()
    assert volumes(node) == before
    assert node.failures == []
    node.audit(node.promises())


def test_begins_by_itself() -> None:
    """A node compacts when enough is dead, without being asked."""
    node = Node(SimulatedDisk()).start()
    called: list[str] = []
    node.writer.log.on_rot = lambda: called.append("rot")
    for _ in range(60):
        node.put(small())
    node.writer.log.idle()
    assert called == ["rot"], "a volume was closed"
    node.writer.log.idle()
    assert called == ["rot"]
    node.remove(*node.kept)
    node.writer.log.idle()
    assert called == ["rot", "rot"]
    node.stop()
    node.disk.unplug()
