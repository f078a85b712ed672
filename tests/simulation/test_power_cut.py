"""
The power is cut at every moment of a node's life, and nothing that was promised is lost.

One run of a long story takes a picture of the disk before each operation that changes it.
From each picture, several disks that a power cut might have left are made, and the node is
started on each.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from attrs import evolve, frozen

from godos.model.fragments import SMALL
from godos.model.names import FragmentName
from tests.simulation.disk import Picture, SimulatedDisk
from tests.simulation.node import Node, Promises

DISKS = 4  # that are made of each picture


@frozen
class Moment:
    """The disk and the promises before operation number `number`."""

    number: int
    operation: str
    picture: Picture
    promised: Promises


class Names:
    """Fragments that are the same in each run."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def name(self) -> FragmentName:
        return FragmentName(self._random.randbytes(16).hex(), self._random.randrange(3))

    def small(self, size: int | None = None) -> tuple[FragmentName, bytes]:
        size = self._random.randrange(3000) if size is None else size
        return self.name(), self._random.randbytes(size)

    def large(self) -> tuple[FragmentName, bytes]:
        return self.name(), self._random.randbytes(SMALL + self._random.randrange(1, 5000))


def first_days(node: Node, names: Names) -> None:
    """A few fragments of each kind come and go."""
    first, second = names.small(), names.small()
    node.put(first)
    node.put(second)
    node.put(*(names.small() for _ in range(5)))
    node.remove(first[0])
    node.change([(*names.small(), True), (*second, False), (*names.small(), True)])
    node.upload(*names.large())
    large = names.large()
    node.upload(*large)
    node.upload(*names.large(), seal=False)
    node.upload(*large)  # its sender was not sure
    node.remove(large[0])
    node.writer.log.idle()


def overwriting(node: Node, names: Names) -> None:
    """New versions are stored and the old ones removed; volumes fill up and follow each other."""
    for _ in range(12):
        newer = [names.small() for _ in range(4)]
        node.put(*newer)
        node.remove(*list(node.kept)[:2])
    node.writer.log.idle()
    again = [(name, node.kept[name]) for name in list(node.kept)[-6:]]
    node.put(*again)  # their sender was not sure
    node.writer.log.flush()
    node.put(*again[:3])
    node.remove(*(name for name, _ in again[1:4]))


def compacting(node: Node, names: Names) -> None:
    """Most of what is old goes, and its room is won back; twice."""
    for _ in range(2):
        node.remove(*list(node.kept)[:-8])
        node.compact()
        node.put(*(names.small() for _ in range(12)))
        node.writer.log.idle()
    node.remove(*list(node.kept)[::2])
    node.compact()


def story(node: Node, names: Names) -> None:
    """All that a node does in its life."""
    node.start()
    first_days(node, names)
    overwriting(node, names)
    node.stop()
    node.start()
    compacting(node, names)
    node.stop()
    node.start()
    node.put(names.small())


@pytest.fixture(scope="module")
def moments() -> Iterator[list[Moment]]:
    """Every moment of the story."""
    taken: list[Moment] = []
    disk = SimulatedDisk()
    node = Node(disk)

    def take(operation: str, path: str) -> None:
        taken.append(Moment(len(taken), f"{operation} {path}", disk.picture(), node.promises()))

    disk.before = take
    story(node, Names(7))
    take("end", "")
    disk.unplug()
    yield taken


def disks_after(moment: Moment, moments: list[Moment], seed: int) -> Iterator[Picture]:
    """Disks that the power cut may have left; the index is lost, or as it was at some time."""
    random = Random(f"{moment.number} {seed}")
    for _ in range(DISKS):
        earlier = moments[random.randrange(moment.number + 1)]
        database = random.choice((None, moment.picture.database, earlier.picture.database))
        yield moment.picture.after_power_cut(random, database)


def restarted(picture: Picture, promised: Promises) -> Node:
    """A node that was started on that disk."""
    node = Node(SimulatedDisk(picture))
    node.kept = dict(promised.kept)
    return node.start()


def live_on(node: Node, promised: Promises, names: Names) -> None:
    """The node goes on as if nothing had happened, and so after another start."""
    node.audit(promised)
    sure = [name for name in promised.kept if name not in promised.unsure]
    new = [names.small() for _ in range(3)]
    node.put(*new)
    gone = sure[:2]
    node.remove(*gone)
    node.compact()
    kept = {name: payload for name, payload in promised.kept.items() if name not in gone}
    now_promised = Promises(kept | dict(new), promised.dropped | frozenset(gone), promised.unsure)
    node.audit(now_promised)
    node.stop()
    node.start()
    node.audit(now_promised)
    node.stop()
    assert node.disk.open_files == []
    node.disk.unplug()


def test_story_is_long_enough(moments: list[Moment]) -> None:
    """The story has each kind of operation, and volumes are begun, zeroed and compacted in it."""
    operations = {moment.operation.split()[0] for moment in moments}
    assert operations == {
        "make_directory",
        "create",
        "write",
        "sync",
        "rename",
        "sync_directory",
        "unlink",
        "truncate",
        "group",
        "end",
    }
    assert len(moments) > 200
    assert len(moments[-1].promised.kept) > 10 and len(moments[-1].promised.dropped) > 40


@pytest.mark.parametrize("part", range(4))
def test_power_cut_at_any_moment(moments: list[Moment], part: int) -> None:
    """
    Whenever the power fails, every acknowledged fragment is whole afterwards, every removed
    one is gone, nothing is half visible, no damage is reported, and the node goes on.
    """
    for moment in moments[part::4]:
        for number, picture in enumerate(disks_after(moment, moments, 1)):
            try:
                live_on(restarted(picture, moment.promised), moment.promised, Names(8))
            except Exception as error:
                error.add_note(f"disk {number} after moment {moment.number}, {moment.operation}")
                raise


def test_power_cut_during_restart(moments: list[Moment]) -> None:
    """Power may fail again while the node repairs what the first power cut left."""
    random = Random(3)
    for moment in moments[::3]:
        for picture in disks_after(moment, moments, 2):
            during: list[Picture] = []
            disk = SimulatedDisk(picture)
            disk.before = lambda operation, path, disk=disk, during=during: during.append(
                disk.picture()
            )
            node = Node(disk)
            node.start()
            node.audit(moment.promised)
            disk.unplug()
            again = random.choice([*during, picture])
            after = again.after_power_cut(random, again.database)
            live_on(restarted(after, moment.promised), moment.promised, Names(8))


def test_power_cut_after_kill(moments: list[Moment]) -> None:
    """
    What a killed process left visible and not durable is made durable before anything
    that is promised afterwards relies on it.
    """
    random = Random(4)
    for moment in moments:
        node = restarted(moment.picture, moment.promised)
        node.audit(moment.promised)
        names = Names(9)
        node.put(names.small())
        node.upload(*names.large())
        after = node.disk.picture().after_power_cut(random, None)
        promised = evolve(
            node.promises(), unsure=moment.promised.unsure, dropped=moment.promised.dropped
        )
        node.disk.unplug()
        live_on(restarted(after, promised), promised, Names(8))
