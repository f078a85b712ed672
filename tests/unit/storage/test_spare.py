"""Volumes that are zeroed before they are needed."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from random import Random

import pytest

from godos.model.errors import NodeFailed
from godos.model.names import FragmentName
from godos.storage.background import InThreads
from godos.storage.health import Health
from godos.storage.layout import Layout
from godos.storage.spare import Spare
from tests.contract.fragment_store import header_of
from tests.simulation.disk import SimulatedDisk
from tests.simulation.node import VOLUME, Node, now

RANDOM = Random(9)


def small(size: int = 2000) -> tuple[FragmentName, bytes]:
    return FragmentName(RANDOM.randbytes(16).hex(), 0), RANDOM.randbytes(size)


@pytest.fixture
def node() -> Iterator[Node]:
    """A new node."""
    node = Node(SimulatedDisk()).start()
    yield node
    node.stop()
    assert node.disk.open_files == []
    node.disk.unplug()


def sizes(node: Node) -> list[int]:
    """Of the volumes, in order."""
    found = []
    for name in sorted(node.disk.names("/node/volumes")):
        fd = node.disk.open(f"/node/volumes/{name}", 0)
        found.append(node.disk.size(fd))
        node.disk.close(fd)
    return found


def fill(node: Node, count: int) -> None:
    for _ in range(count):
        node.put(small())


def test_used_when_ready(node: Node) -> None:
    """Once a node is busy its volumes are zeroed before they are written to."""
    fill(node, 5)
    assert node.disk.names("/node/staging") == []
    fill(node, 8)
    assert len(sizes(node)) == 2, "the zeroed volume is used as soon as it is there"
    assert sizes(node)[-1] == VOLUME
    writes: list[str] = []
    node.disk.before = lambda operation, path: writes.append(operation)
    node.put(small())
    assert writes == ["write", "sync"]
    assert sizes(node)[-1] == VOLUME


def test_not_when_room_is_short(node: Node) -> None:
    """Zeros are not written where fragments will need the room."""
    room = node.disk.room("/")
    node.disk.capacity = room.capacity - room.free + 2 * VOLUME
    fill(node, 13)
    assert node.disk.names("/node/staging") == []
    assert len(sizes(node)) == 1


def restart(node: Node) -> None:
    """So that the newest volume is known by its own name, and not by that it had in staging."""
    node.stop()
    node.start()


def fails(code: int) -> Callable[[str, str], OSError | None]:
    """Writes into staging fail."""

    def fault(operation: str, path: str) -> OSError | None:
        return OSError(code, "broken") if operation == "write" and "staging" in path else None

    return fault


def test_full(node: Node) -> None:
    """When zeroing finds the disk full nothing is lost: the log appends."""
    fill(node, 4)
    restart(node)
    node.disk.fault = fails(errno.ENOSPC)
    fill(node, 10)
    node.disk.fault = lambda operation, path: None
    assert node.disk.names("/node/staging") == []
    assert node.failures == []
    node.audit(node.promises())


def test_broken() -> None:
    """When zeroing finds the disk broken the node leaves service."""
    node = Node(SimulatedDisk()).start()
    fill(node, 4)
    restart(node)
    node.disk.fault = fails(errno.EIO)
    with pytest.raises(NodeFailed):
        fill(node, 10)
    assert "zeroing a volume" in node.failures[0]
    with pytest.raises(NodeFailed):
        now(node.store.put(header_of(b"x"), [b"x"]))
    node.stop()
    node.disk.unplug()


def test_stop_in_the_middle() -> None:
    """Zeroing ends when the node stops, and leaves nothing."""
    disk = SimulatedDisk()
    disk.make_directory("/node")
    disk.make_directory("/node/staging")
    layout, background = Layout("/node"), InThreads()
    health = Health(disk, layout, lambda reason: None)
    spare = Spare(disk, layout, 5 << 20, background, health)
    stop: list[str] = []

    def before(operation: str, path: str) -> None:
        if operation == "write" and not stop:
            stop.append(path)
            spare._stopping = True

    disk.before = before
    spare.prepare()
    background.wait()
    assert len(stop) == 1
    assert (spare.begun, spare.ready, disk.names("/node/staging")) == (False, False, [])
    spare.prepare()
    assert not spare.begun
    spare.close()


def test_in_a_thread() -> None:
    """It is zeroed in a thread of its own, and dropped when nobody took it."""
    disk = SimulatedDisk()
    disk.make_directory("/node")
    disk.make_directory("/node/staging")
    layout, background = Layout("/node"), InThreads()
    spare = Spare(disk, layout, VOLUME, background, Health(disk, layout, lambda reason: None))
    spare.prepare()
    spare.prepare()
    background.wait()
    assert spare.ready and len(disk.names("/node/staging")) == 1
    fresh = spare.take()
    assert fresh is not None and disk.read(fresh.fd, VOLUME + 1, 0) == bytes(VOLUME)
    disk.close(fresh.fd)
    spare.prepare()
    background.wait()
    spare.close()
    assert len(disk.names("/node/staging")) == 1, "that which was taken"
    assert disk.open_files == []
