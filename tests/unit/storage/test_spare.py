"""The volume that is zeroed in advance."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from godos.storage.health import Health
from godos.storage.layout import Layout
from godos.storage.records import FIRST_RECORD, VolumeHeader
from godos.storage.spare import Spare, begin_volume, fresh_file
from tests.simulation.disk import SimulatedDisk

SIZE = (5 << 20) // 2  # bytes
HEADER = VolumeHeader(7, b"s" * 16, b"n" * 16, 1)
LAYOUT = Layout("/node")


class Later:
    """Background work that the test begins."""

    def __init__(self) -> None:
        self.work: list[Callable[[], None]] = []

    def __call__(self, work: Callable[[], None]) -> None:
        self.work.append(work)

    def wait(self) -> None:
        while self.work:
            self.work.pop(0)()


class Fixture:
    def __init__(self) -> None:
        self.disk = SimulatedDisk()
        for folder in ("/node", "/node/volumes", "/node/staging"):
            self.disk.make_directory(folder)
        self.later = Later()
        self.health = Health(self.disk, LAYOUT, lambda reason: None)
        self.spare = Spare(self.disk, LAYOUT, SIZE, self.later, self.health)


def test_prepared_once() -> None:
    """One file of zeros is made, however often it is asked for, and given once."""
    all_ = Fixture()
    for _ in range(3):
        all_.spare.prepare()
    assert (len(all_.later.work), all_.spare.ready, all_.spare.take()) == (1, False, None)
    all_.later.wait()
    assert all_.spare.ready
    all_.spare.prepare()
    assert all_.later.work == []
    fresh = all_.spare.take()
    assert fresh is not None
    assert all_.disk.read(fresh.fd, 2 * SIZE, 0) == bytes(SIZE)
    assert (fresh.size, all_.spare.ready, all_.spare.take()) == (SIZE, False, None)


def test_durable_volume() -> None:
    """What was begun as a volume is one after a power cut, zeros and header."""
    all_ = Fixture()
    all_.spare.prepare()
    all_.later.wait()
    fresh = all_.spare.take()
    assert fresh is not None
    begin_volume(all_.disk, LAYOUT, fresh, HEADER)
    for folder in ("/", "/node"):
        all_.disk.sync_directory(folder)
    picture = all_.disk.picture()
    (inode,) = {inode for path, inode in picture.names.items() if path == LAYOUT.volume(7)}
    assert inode is not None
    durable = picture.files[inode].durable
    assert VolumeHeader.decode(durable) == HEADER
    assert durable[FIRST_RECORD:] == bytes(SIZE - FIRST_RECORD)


@pytest.mark.parametrize("operation", ["write", "sync", "rename"])
def test_volume_that_cannot_be_begun(operation: str) -> None:
    """Nothing is left of it, and no file stays open."""
    all_ = Fixture()
    fresh = fresh_file(all_.disk, LAYOUT)
    all_.disk.fault = lambda what, path: (
        OSError(errno.ENOSPC, "full") if what == operation else None
    )
    with pytest.raises(OSError, match="full"):
        begin_volume(all_.disk, LAYOUT, fresh, HEADER)
    assert all_.disk.names("/node/staging") == all_.disk.names("/node/volumes") == []
    assert all_.disk.open_files == []


def test_full_disk() -> None:
    """A node does without zeroed space, leaves nothing behind, and tries again later."""
    all_ = Fixture()
    all_.disk.capacity = SIZE // 2
    all_.spare.prepare()
    all_.later.wait()
    assert not all_.spare.ready
    assert all_.disk.names("/node/staging") == []
    all_.health.check()
    all_.disk.capacity = 2 * SIZE
    all_.spare.prepare()
    all_.later.wait()
    assert all_.spare.ready


def test_broken_disk() -> None:
    """An error that no disk may have takes the node out of service."""
    all_ = Fixture()
    all_.disk.fault = lambda what, path: OSError(errno.EIO, "bad") if what == "sync" else None
    all_.spare.prepare()
    all_.later.wait()
    assert all_.health.reason is not None
    assert not all_.spare.ready


@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_stopping(when: str) -> None:
    """A node that stops leaves no spare file behind, whenever that is."""
    all_ = Fixture()
    if when != "before":
        all_.spare.prepare()
    if when == "after":
        all_.later.wait()
    all_.spare.close()
    all_.spare.prepare()
    assert (all_.later.work, all_.spare.ready) == ([], False)
    assert all_.disk.names("/node/staging") == []
    assert all_.disk.open_files == []
