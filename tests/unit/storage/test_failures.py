"""Disks that fill up and disks that break, at each operation."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from godos.model.errors import (
    CannotStart,
    FragmentDamaged,
    NodeFailed,
    NodeFull,
    Unavailable,
)
from godos.model.fragments import SMALL
from godos.model.names import FragmentName
from godos.storage.files import READ
from tests.contract.fragment_store import header_of
from tests.simulation.disk import SimulatedDisk
from tests.simulation.node import Node, now

RANDOM = Random(6)


@pytest.fixture
def node() -> Iterator[Node]:
    """A node with a small and a large fragment."""
    node = Node(SimulatedDisk()).start()
    node.put(small())
    node.upload(*large())
    yield node
    node.disk.unplug()


def small(size: int = 500) -> tuple[FragmentName, bytes]:
    return FragmentName(RANDOM.randbytes(16).hex(), 0), RANDOM.randbytes(size)


def large() -> tuple[FragmentName, bytes]:
    return small(SMALL + 1000)


def put(node: Node) -> None:
    now(node.store.put(header_of(b"new"), [b"new"]))


def remove_small(node: Node) -> None:
    now(node.store.remove(next(name for name in node.kept if len(node.kept[name]) <= SMALL)))


def remove_large(node: Node) -> None:
    now(node.store.remove(next(name for name in node.kept if len(node.kept[name]) > SMALL)))


def upload(node: Node) -> None:
    name, payload = large()
    sending: Any = now(node.store.upload(name, len(payload)))
    try:
        now(sending.write([payload]))
        now(sending.seal(header_of(payload, name)))
    finally:
        now(sending.abort())


def break_disk(node: Node, operation: str, where: str, code: int = errno.EIO) -> None:
    """From now on this operation fails on paths with `where` in them."""

    def fault(each: str, path: str) -> OSError | None:
        return OSError(code, "broken") if each == operation and where in path else None

    node.disk.fault = fault


BREAKS = [
    (put, "write", "volumes"),
    (put, "sync", "volumes"),
    (remove_small, "write", "volumes"),
    (remove_small, "sync", "volumes"),
    (remove_large, "unlink", "objects"),
    (remove_large, "sync_directory", "objects"),
    (upload, "create", "staging"),
    (upload, "write", "staging"),
    (upload, "sync", "staging"),
    (upload, "make_directory", "objects"),
    (upload, "sync_directory", "objects"),
    (upload, "rename", "objects"),
]


def reopened(node: Node) -> Node:
    """The node after another start, on which its volumes have the names they are opened by."""
    node.stop()
    node.start()
    return node


@pytest.mark.parametrize(("act", "operation", "where"), BREAKS)
def test_broken_disk(node: Node, act: Callable[[Node], None], operation: str, where: str) -> None:
    """
    A write, a sync or a change of names that fails takes the node out of service, for good,
    and the one who asked is told.
    """
    reopened(node)
    break_disk(node, operation, where)
    with pytest.raises(NodeFailed):
        act(node)
    assert len(node.failures) == 1 and "broken" in node.failures[0]
    assert node.store.failure == node.failures[0]
    node.disk.fault = lambda operation, path: None
    for each in (put, remove_small, remove_large, upload):
        with pytest.raises(NodeFailed):
            each(node)
    name = next(iter(node.kept))
    for reading in (
        lambda: node.store.open(name, 0, None),
        lambda: node.store.verify(name),
        lambda: node.store.holds([name.incarnation]),
        lambda: node.store.inventory(),
    ):
        with pytest.raises(NodeFailed):
            now(reading())
    node.stop()
    assert len(node.failures) == 1
    with pytest.raises(CannotStart, match=r"godos disk check /node"):
        node.start()
    assert node.disk.open_files == []


def test_word_is_left(node: Node) -> None:
    """A node that leaves service says why in a file, durably."""
    reopened(node)
    break_disk(node, "sync", "volumes")
    with pytest.raises(NodeFailed):
        put(node)
    disk = SimulatedDisk(node.disk.picture().after_power_cut(Random(0), None))
    fd = disk.open("/node/failed.json", READ)
    word = json.loads(disk.read(fd, 10_000, 0))
    assert word["format"] == 1 and word["reason"] == node.failures[0]


def test_disk_that_takes_nothing(node: Node) -> None:
    """A disk that fails entirely takes the node out of service all the same."""
    reopened(node)
    node.disk.fault = lambda operation, path: (
        None if operation in ("read", "database") else OSError(errno.EROFS, "Read-only file system")
    )
    with pytest.raises(NodeFailed, match="Read-only"):
        put(node)
    assert len(node.failures) == 1
    node.stop()


def test_unreadable_fragments(node: Node) -> None:
    """A fragment that the disk does not give is damaged; the node goes on serving others."""
    kept = dict(node.kept)
    reopened(node)
    for where, count in (("volumes", 1), ("objects", 2)):
        break_disk(node, "read", where)
        bad = [name for name in kept if (len(kept[name]) > SMALL) == (where == "objects")]
        good = [name for name in kept if name not in bad]
        for name in bad:
            with pytest.raises(FragmentDamaged):
                now(node.store.open(name, 0, None))
        for name in good:
            assert node.find(name) == kept[name]
        assert node.store.counters.damaged == count
    node.disk.fault = lambda operation, path: None
    put(node)
    assert node.failures == []


def test_unreadable_while_reading(node: Node) -> None:
    """When the disk stops giving in mid-fragment, the read fails; what came before is good."""
    name, payload = small(3 * SMALL)
    node.upload(name, payload)
    reader: Any = now(node.store.open(name, 0, None))
    first = now(reader.read())
    break_disk(node, "read", "objects")
    with pytest.raises(FragmentDamaged):
        now(reader.read())
    now(reader.close())
    assert payload.startswith(first) and first


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_short_of_files(node: Node, code: int) -> None:
    """A process that has too many files open says so, and its disk has not failed."""
    break_disk(node, "create", "staging", code)
    with pytest.raises(Unavailable) as raised:
        upload(node)
    assert not isinstance(raised.value, NodeFailed)
    node.disk.fault = lambda operation, path: None
    upload(node)
    assert node.failures == []


# -- full disks -------------------------------------------------------------------------
def used(node: Node) -> int:
    room = node.disk.room("/")
    return room.capacity - room.free


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize(("act", "where"), [(put, "volumes"), (upload, "staging")])
def test_write_that_does_not_fit(
    node: Node, act: Callable[[Node], None], where: str, code: int
) -> None:
    """A write that finds the disk full leaves nothing behind, and the node stays in service."""
    reopened(node)
    before = used(node)
    break_disk(node, "write", where, code)
    with pytest.raises(NodeFull):
        act(node)
    node.disk.fault = lambda operation, path: None
    assert used(node) == before
    assert node.disk.names("/node/staging") == []
    act(node)
    assert node.failures == []
    reopened(node)
    for name, payload in node.kept.items():
        assert node.find(name) == payload
    assert (node.store.counters.damaged, node.store.counters.cuts) == (0, 0)


def test_full_disk_refuses_and_frees(node: Node) -> None:
    """A node whose disk is full takes no fragments, and still removes and reads those it has."""
    fragments = [small() for _ in range(20)]
    node.put(*fragments)
    node.reserve = 64 << 10
    node.disk.capacity = used(node) + node.reserve
    reopened(node)
    for act in (put, upload):
        with pytest.raises(NodeFull):
            act(node)
    node.remove(*(name for name, _ in fragments[:10]))
    remove_large(node)
    for name, payload in fragments[10:]:
        assert node.find(name) == payload
    put(node)  # there is room again


def test_removal_when_the_group_does_not_fit(node: Node) -> None:
    """Of a group that found no room, removals are done without the rest."""
    reopened(node)
    name, payload = small(3000)
    node.put((name, payload))
    reopened(node)
    size = node.disk.room("/").capacity - node.disk.room("/").free
    failures = iter([OSError(errno.ENOSPC, "No space left on device")])

    def fault(operation: str, path: str) -> OSError | None:
        return next(failures, None) if operation == "write" and "volumes" in path else None

    node.disk.fault = fault
    with node.writer.group():
        putting = node.store.put(header_of(b"new"), [b"new"])
        removing = node.store.remove(name)
        unknown = node.store.remove(small()[0])
    with pytest.raises(NodeFull):
        now(putting)
    assert now(removing) is True
    assert now(unknown) is False
    assert node.find(name) is None
    assert used(node) < size + 3000
    reopened(node)
    assert node.find(name) is None


def test_uploads_share_the_room(node: Node) -> None:
    """Room that one upload was promised is not promised to another."""
    node.reserve = 3 * SMALL
    node.disk.capacity = used(node) + 6 * SMALL
    reopened(node)
    with pytest.raises(NodeFull):
        now(node.store.upload(small()[0], 4 * SMALL))
    first: Any = now(node.store.upload(small()[0], 2 * SMALL))
    with pytest.raises(NodeFull):
        now(node.store.upload(small()[0], 2 * SMALL))
    now(first.abort())
    second: Any = now(node.store.upload(small()[0], 2 * SMALL))
    now(second.abort())


def test_upload_of_untold_length(node: Node) -> None:
    """An upload that does not tell its length ends when it would touch the reserve."""
    node.reserve = 3 * SMALL
    node.disk.capacity = used(node) + 6 * SMALL
    reopened(node)
    sending: Any = now(node.store.upload(small()[0], None))
    with pytest.raises(NodeFull):
        for _ in range(8):
            now(sending.write([bytes(SMALL)]))
    assert node.disk.room("/").free >= 2 * SMALL
    now(sending.abort())
    assert node.disk.names("/node/staging") == []


def test_index_without_room(node: Node) -> None:
    """When the index finds no room the log is enough: nothing is lost, and it catches up."""
    index = node.store._parts.holdings.ledger._index._writer
    index.pragma("max_page_count", index.pragma("page_count"))
    fragments = [small() for _ in range(300)]
    node.put(*fragments)
    node.writer.log.idle()
    assert node.store._parts.holdings.ledger.waiting >= 300
    for name, payload in fragments:
        assert node.find(name) == payload
    node.remove(*(name for name, _ in fragments[:100]))
    assert node.find(fragments[0][0]) is None
    node.compact()  # waits for better days
    index.pragma("max_page_count", 1 << 20)
    node.writer.log.idle()
    assert node.store._parts.holdings.ledger.waiting == 0
    assert node.failures == []
    assert {held.name for held in now(node.store.inventory(limit=1000))} == set(node.kept)
