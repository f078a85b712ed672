"""A node reads back what it has, whether or not anybody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from godos.model.errors import CatalogUnavailable, FragmentDamaged, GodosError
from godos.model.fragments import CHUNK, SMALL
from godos.model.names import FragmentName
from godos.storage.files import CREATE, WRITE
from godos.storage.layout import Layout
from godos.storage.scrub import LOOK_AGAIN, MOST_DAMAGED, PAUSE, SAVE, Scrubber
from godos.storage.scrub_file import recall
from godos.storage.verified import Verified
from tests.contract.fragment_store import content
from tests.simulation.disk import Picture, SimulatedDisk
from tests.simulation.node import Node, now

DAY = 86400.0
START = 1_800_000_000.0
LARGE = content(3 * CHUNK + 5)


@pytest.fixture
def node() -> Iterator[Node]:
    """A node that does at once what it is asked."""
    node = Node(SimulatedDisk()).start()
    yield node
    node.stop()
    node.disk.unplug()


class World:
    """A node, time, and the reader of it all."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.clock = Clock()
        self.clock.advance(START)
        self.reported: list[FragmentName] = []
        self.deaf: Exception | None = None
        self.read: list[FragmentName] = []
        self.watch()

    def watch(self) -> None:
        """Note what is read back."""
        original = self.node.store.verify

        def verify(name: FragmentName, pace: Any = None) -> Deferred[Any]:
            self.read.append(name)
            return original(name, pace)

        self.node.store.verify = verify  # type: ignore[method-assign]

    def report(self, name: FragmentName, error: GodosError) -> Deferred[None]:
        assert isinstance(error, FragmentDamaged)
        if self.deaf is not None:
            return fail(self.deaf)
        self.reported.append(name)
        return succeed(None)

    def scrubber(self, within: float = 10 * DAY, rate: float = 0.0) -> Scrubber:
        """Started."""
        scrubber = Scrubber(self.node.store, self.clock, within, rate, self.report)
        scrubber.startService()
        return scrubber

    def until(
        self, condition: Callable[[], object], step: float = 200.0, most: int = 20_000
    ) -> None:
        """Let time go by."""
        for _ in range(most):
            if condition():
                return
            self.clock.advance(step)
        raise AssertionError("it does not happen")


@pytest.fixture
def world(node: Node) -> World:
    return World(node)


def names(number: int, seed: int = 1) -> list[FragmentName]:
    """Some names in their order."""
    random = Random(seed)
    return sorted(FragmentName(random.randbytes(16).hex(), 0) for _ in range(number))


def held(node: Node) -> dict[FragmentName, float]:
    """What the inventory says."""
    return {each.name: each.verified for each in now(node.store.inventory())}


def spoil(node: Node, name: FragmentName) -> None:
    """Turn a bit of a large fragment."""
    fd = node.disk.open(f"/node/objects/{name.incarnation[:2]}/{name}", WRITE)
    first = node.disk.read(fd, 1, 10)
    node.disk.write(fd, [bytes([first[0] ^ 1])], 10)
    node.disk.sync(fd)
    node.disk.close(fd)


def test_unknown_disk_is_read_at_once(node: Node, world: World) -> None:
    """Of a disk with content and without memory nothing is known until all was read."""
    listed = names(30)
    for number, name in enumerate(listed):
        node.upload(name, content(SMALL + 1)) if number % 5 == 0 else node.put((name, b"x" * 50))
    assert set(held(node).values()) == {0.0}
    scrubber = world.scrubber()
    assert world.read == listed
    assert set(held(node).values()) == {START}
    assert scrubber.verified.all_since == START
    assert (scrubber.progress.fragments, scrubber.progress.damaged) == (30, 0)
    now(scrubber.stopService())
    assert world.clock.getDelayedCalls() == []


def test_pass_is_spread(node: Node, world: World) -> None:
    """A disk that is known is read evenly over its time, and then again."""
    scrubber = world.scrubber()
    listed = names(40)
    for name in listed:
        node.put((name, b"abc"))
    world.until(lambda: len(world.read) >= 20)
    spent = world.clock.seconds() - START
    assert 2 * DAY < spent < 7 * DAY
    known = held(node)
    assert set(known.values()) == {START}, "they were written later than that"
    world.until(lambda: scrubber.verified.began > START)
    assert world.read == listed
    assert world.clock.seconds() - START <= 10 * DAY
    assert scrubber.verified.all_since == START
    second = scrubber.verified.began
    world.until(lambda: len(world.read) == 60)
    known = held(node)
    assert [known[name] for name in listed] == [second] * 20 + [START] * 20
    world.until(lambda: scrubber.verified.began > second)
    assert world.read == listed * 2
    assert scrubber.verified.all_since == second
    now(scrubber.stopService())


def test_fragment_that_comes_late(node: Node, world: World) -> None:
    """What is stored while a pass goes on is read in it when it comes behind, else in the next."""
    scrubber = world.scrubber()
    before, middle, after = (FragmentName(digit * 32, 0) for digit in "28d")
    node.put((middle, b"m"))
    world.until(lambda: world.read == [middle])
    node.put((before, b"b"), (after, b"a"))
    world.until(lambda: len(world.read) == 4)
    assert world.read == [middle, after, before, middle]
    assert world.clock.seconds() - START < 2 * 10 * DAY
    now(scrubber.stopService())


def test_restart(node: Node, world: World) -> None:
    """A pass goes on where it was when the process ended, and is remembered."""
    scrubber = world.scrubber()
    listed = names(20)
    for name in listed:
        node.put((name, b"abc"))
    world.until(lambda: len(world.read) == 8)
    now(scrubber.stopService())
    known, verified = held(node), scrubber.verified
    node.stop()
    node.start()
    assert set(held(node).values()) == {0.0}, "nobody looked yet"
    world.watch()
    again = world.scrubber()
    assert again.verified == verified
    assert held(node) == known
    world.until(lambda: len(world.read) == 20)
    assert world.read == listed
    now(again.stopService())


def test_new_disk_is_remembered(node: Node, world: World) -> None:
    """A disk that was new is known also when its process is killed at once."""
    scrubber = world.scrubber()
    assert now(node.store.recall()) == scrubber.verified == Verified(START, START)
    now(scrubber.stopService())


def test_killed(node: Node, world: World) -> None:
    """A process that is killed loses no more than a minute of reading."""
    scrubber = world.scrubber(within=DAY)
    for name in names(100):
        node.put((name, b"abc"))
    world.until(lambda: len(world.read) == 50, step=5.0)
    remembered = now(node.store.recall())
    assert remembered is not None and remembered.cursor is not None
    assert world.read.index(remembered.cursor) >= 45
    assert SAVE <= 60.0
    now(scrubber.stopService())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"format": 2}',
        b'{"format": 1, "node": "0", "began": 1, "before": 1, "cursor": null, "damaged": []}',
        b'{"format": 1, "node": "NODE", "began": 1, "before": 1, "cursor": "x", "damaged": []}',
        b'{"format": 1, "node": "NODE", "began": "x", "before": 1, "cursor": null, "damaged": []}',
        b'{"format": 1, "node": "NODE", "began": 9e99, "before": 1, "cursor": null, "damaged": []}',
        b'{"format": 1, "node": "NODE", "began": 1, "before": 1, "cursor": null, "damaged": [5]}',
    ],
)
def test_damaged_memory(node: Node, world: World, text: bytes) -> None:
    """A memory that cannot be understood, or is another node's, is begun anew."""
    now(node.store.remember(Verified(5.0, 4.0)))
    path = "/node/scrub.json"
    node.disk.unlink(path)
    fd = node.disk.open(path, CREATE)
    node.disk.write(fd, [text.replace(b"NODE", node.store.node_id.encode())], 0)
    node.disk.close(fd)
    node.put((names(1)[0], b"abc"))
    scrubber = world.scrubber()
    assert world.read == names(1), "as on a disk of which nothing is known"
    assert scrubber.verified.began == START
    now(scrubber.stopService())
    assert now(node.store.recall()) == scrubber.verified


def test_damage_is_reported(node: Node, world: World) -> None:
    """What fails its check is told, does not count as good, and does again when it was mended."""
    listed = names(3)
    for name in listed:
        node.upload(name, LARGE)
    spoil(node, listed[1])
    scrubber = world.scrubber()
    assert world.read == listed
    assert world.reported == [listed[1]]
    assert [held(node)[name] for name in listed] == [START, 0.0, START]
    assert scrubber.progress.damaged == 1
    world.clock.advance(LOOK_AGAIN)
    assert world.reported == [listed[1]], "it was heard"
    node.remove(listed[1])
    node.upload(listed[1], LARGE)
    assert held(node)[listed[1]] == 0.0
    world.until(lambda: held(node)[listed[1]] == START, most=20)
    now(scrubber.stopService())


def test_damage_that_nobody_heard(node: Node, world: World) -> None:
    """While the catalog is away damage is told again and again."""
    name = names(1)[0]
    node.upload(name, LARGE)
    spoil(node, name)
    world.deaf = CatalogUnavailable("away")
    scrubber = world.scrubber()
    assert world.reported == []
    now(scrubber.stopService())
    node.stop()
    node.start()
    scrubber = world.scrubber()
    world.deaf = None
    world.until(lambda: world.reported == [name], most=20)
    now(scrubber.stopService())


def test_removed_meanwhile(node: Node, world: World) -> None:
    """What was removed between listing and reading is left out, also when it was damaged."""
    listed = names(3)
    for name in listed:
        node.upload(name, LARGE)
    spoil(node, listed[0])
    original = node.store.verify

    def verify(name: FragmentName, pace: Any = None) -> Deferred[Any]:
        if name == listed[1]:
            node.remove(name)
        return original(name, pace)

    node.store.verify = verify  # type: ignore[method-assign]
    scrubber = world.scrubber()
    assert world.reported == [listed[0]]
    assert scrubber.progress.fragments == 1
    node.remove(listed[0])
    world.clock.advance(LOOK_AGAIN)
    assert scrubber.verified.damaged == frozenset()
    now(scrubber.stopService())


def test_rotten_disk(node: Node, world: World) -> None:
    """With more damage than can be remembered nothing on the disk counts as good."""
    name = names(1)[0]
    node.upload(name, LARGE)
    spoil(node, name)
    many = frozenset(FragmentName(f"{number:032x}", 0) for number in range(MOST_DAMAGED))
    now(node.store.remember(Verified(START - 10, START - 20, damaged=many)))
    node.store.verify = lambda *_: fail(FragmentDamaged("rotten"))  # type: ignore[method-assign]
    scrubber = world.scrubber(within=1.0)
    world.until(lambda: name in world.reported, step=0.5, most=20)
    assert held(node)[name] == 0.0
    now(scrubber.stopService())


def test_rate(node: Node, world: World) -> None:
    """No more bytes a second are read than was said, also of one large fragment."""
    name = names(1)[0]
    node.upload(name, content(5 * CHUNK))
    read: list[float] = []
    original = node.disk.read

    def watched(fd: int, size: int, offset: int) -> bytes:
        if size == CHUNK:
            read.append(world.clock.seconds() - START)
        return original(fd, size, offset)

    node.disk.read = watched  # type: ignore[method-assign]
    scrubber = world.scrubber(rate=CHUNK / 10)
    world.until(lambda: scrubber.progress.fragments == 1, step=1.0, most=100)
    assert len(read) == 5
    assert 38 <= read[-1] <= 60
    assert min(later - earlier for earlier, later in pairwise(read)) >= 9
    now(scrubber.stopService())


def test_stopped_in_the_middle(node: Node, world: World) -> None:
    """Stopping does not wait for a large fragment to be read, and leaves no file open."""
    listed = names(2)
    for name in listed:
        node.upload(name, content(5 * CHUNK))
    files = len(node.disk.open_files)
    scrubber = world.scrubber(rate=CHUNK / 10)
    world.clock.advance(15)
    assert len(node.disk.open_files) > files
    now(scrubber.stopService())
    assert len(node.disk.open_files) == files
    assert world.clock.getDelayedCalls() == []
    assert scrubber.verified.cursor is None


def test_disk_that_fails(node: Node, world: World) -> None:
    """A node that left service is not read any more, and stopping it does no harm."""
    node.put((names(1)[0], b"abc"))
    node.store._parts.health.fail("testing", OSError(5, "broken"))
    scrubber = world.scrubber()
    assert world.read == []
    world.clock.advance(PAUSE)
    assert world.clock.getDelayedCalls() == []
    now(scrubber.stopService())


def test_full_disk(node: Node, world: World) -> None:
    """A disk without room for the memory is read nevertheless."""
    node.put((names(1)[0], b"abc"))
    node.disk.capacity = 0
    scrubber = world.scrubber()
    assert world.read == names(1)
    now(scrubber.stopService())
    assert node.failures == []


def test_passing_trouble(node: Node, world: World) -> None:
    """An error that passes, or a bug, only makes it wait."""
    node.put((names(1)[0], b"abc"))
    original = node.store.inventory
    answers: list[Any] = [CatalogUnavailable("busy"), CatalogUnavailable("busy")]

    def inventory(*args: Any, **named: Any) -> Deferred[Any]:
        return fail(answers.pop()) if answers else original(*args, **named)

    node.store.inventory = inventory  # type: ignore[method-assign]
    scrubber = world.scrubber()
    world.clock.advance(PAUSE)
    assert world.read == []
    world.clock.advance(PAUSE)
    assert world.read == names(1)
    now(scrubber.stopService())


def test_half_written_memory(node: Node) -> None:
    """Whenever the power fails, what is remembered is whole: of now or of before, or nothing."""
    first, second = Verified(5.0, 4.0, names(1)[0]), Verified(6.0, 5.0)
    now(node.store.remember(first))
    node.disk.sync_directory("/node")
    pictures: list[Picture] = []
    node.disk.before = lambda *_: pictures.append(node.disk.picture())
    now(node.store.remember(second))
    pictures.append(node.disk.picture())
    node.disk.before = lambda *_: None
    found = set()
    for seed in range(20):
        for picture in pictures:
            disk = SimulatedDisk(picture.after_power_cut(Random(seed), None))
            found.add(recall(disk, Layout("/node"), node.store.node_id))
    assert found == {first, second}
    now(node.store.remember(first))  # over what was left
    assert now(node.store.recall()) == first
