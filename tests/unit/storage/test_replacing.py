"""A damaged fragment makes room for a good one of the same name, as mending needs it."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from godos.model.errors import FragmentDamaged, NoSuchFragment
from godos.model.fragments import SMALL
from godos.model.names import FragmentName
from godos.storage.files import WRITE
from godos.storage.index import key_of
from tests.simulation.disk import SimulatedDisk
from tests.simulation.node import Node, now

RANDOM = Random(7)
DAMAGE = ["payload", "description", "head", "file", "file's footer", "file cut short"]


@pytest.fixture
def node() -> Iterator[Node]:
    """A node that was just made."""
    node = Node(SimulatedDisk()).start()
    yield node
    node.disk.unplug()


def fragment(size: int) -> tuple[FragmentName, bytes]:
    """A new one."""
    return FragmentName(RANDOM.randbytes(16).hex(), 0), RANDOM.randbytes(size)


def overwrite(node: Node, path: str, offset: int, cut: bool = False) -> None:
    """Turn some bits of a file."""
    fd = node.disk.open(path, WRITE)
    if cut:
        node.disk.truncate(fd, offset)
    else:
        old = node.disk.read(fd, 3, offset)
        node.disk.write(fd, [bytes(byte ^ 5 for byte in old)], offset)
    node.disk.sync(fd)
    node.disk.close(fd)


def damaged(node: Node, how: str) -> tuple[FragmentName, bytes]:
    """A fragment that is damaged now, between others that are not."""
    in_file = how.startswith("file")
    name, payload = fragment(SMALL + 999 if in_file else 700)
    node.put(fragment(300))
    if in_file:
        node.upload(name, payload)
        path = f"/node/objects/{name.incarnation[:2]}/{name}"
        fd = node.disk.open(path, WRITE)
        size = node.disk.size(fd)
        node.disk.close(fd)
        at = {"file": 5000, "file's footer": size - 40, "file cut short": size - 100}[how]
        overwrite(node, path, at, how == "file cut short")
    else:
        node.put((name, payload))
        place = node.store._parts.holdings.ledger.find(key_of(name))
        assert place is not None
        number = min(node.disk.names("/node/volumes"))
        at = {"payload": place.head + 50, "description": place.head - 10, "head": 30}[how]
        overwrite(node, f"/node/volumes/{number}", place.offset + at)
    node.put(fragment(300))
    with pytest.raises(FragmentDamaged):
        now(node.store.verify(name))
    return name, payload


def all_there(node: Node) -> None:
    """What was kept is listed and whole, and nothing else is."""
    assert {held.name for held in now(node.store.inventory())} == set(node.kept)
    for name, payload in node.kept.items():
        assert node.find(name) == payload


def restarted(node: Node, lose_index: bool) -> None:
    node.stop()
    if lose_index:
        node.disk.delete_database("")
    node.start()


@pytest.mark.parametrize("lose_index", [False, True], ids=["index kept", "index lost"])
@pytest.mark.parametrize("how", DAMAGE)
def test_removed_and_stored_again(node: Node, how: str, lose_index: bool) -> None:
    """Removing a damaged fragment works, the new one is read, also after a restart."""
    name, payload = damaged(node, how)
    node.remove(name)
    with pytest.raises(NoSuchFragment):
        now(node.store.verify(name))
    assert name not in [held.name for held in now(node.store.inventory())]
    restarted(node, lose_index)
    with pytest.raises(NoSuchFragment):
        now(node.store.verify(name))
    node.upload(name, payload)
    for _ in range(2):
        assert now(node.store.verify(name)).name == name
        assert node.find(name) == payload
        all_there(node)
        restarted(node, lose_index)
    node.remove(name)
    restarted(node, lose_index)
    assert node.find(name) is None


@pytest.mark.parametrize("lose_index", [False, True], ids=["index kept", "index lost"])
@pytest.mark.parametrize("how", DAMAGE)
def test_stored_over_it(node: Node, how: str, lose_index: bool) -> None:
    """A good fragment takes the place of a damaged one also when that was not removed."""
    name, payload = damaged(node, how)
    node.upload(name, payload)
    for _ in range(2):
        assert now(node.store.verify(name)).name == name
        assert node.find(name) == payload
        restarted(node, lose_index)
    node.remove(name)
    restarted(node, lose_index)
    assert node.find(name) is None
    all_there(node)


@pytest.mark.parametrize("removed", [False, True], ids=["stored over it", "removed before"])
@pytest.mark.parametrize("lose_index", [False, True], ids=["index kept", "index lost"])
@pytest.mark.parametrize("how", ["payload", "description", "head"])
def test_compaction(node: Node, how: str, lose_index: bool, removed: bool) -> None:
    """The new one is what counts also after the volumes were written anew."""
    name, payload = damaged(node, how)
    if removed:
        node.remove(name)
    node.upload(name, payload)
    for _ in range(120):
        node.put(fragment(900))
    node.remove(*[other for other in list(node.kept)[::2] if other != name])
    for _ in range(2):
        node.compact()
        assert node.find(name) == payload
        restarted(node, lose_index)
        assert now(node.store.verify(name)).name == name
    all_there(node)
    node.remove(name)
    node.compact()
    restarted(node, lose_index)
    assert node.find(name) is None
