"""Leaving service, and what stays in it."""

from __future__ import annotations

import errno
import json

import pytest

from godos.model.errors import NodeFailed, NodeFull, Unavailable
from godos.storage.files import CREATE, READ
from godos.storage.health import Health
from godos.storage.layout import Layout
from tests.simulation.disk import SimulatedDisk


@pytest.fixture
def disk() -> SimulatedDisk:
    disk = SimulatedDisk()
    disk.make_directory("/node")
    disk.close(disk.open("/node/checked.json", CREATE))
    return disk


def health(disk: SimulatedDisk, told: list[str]) -> Health:
    return Health(disk, Layout("/node"), told.append)


def error(code: int) -> OSError:
    return OSError(code, "what the kernel says")


def test_first_reason_counts(disk: SimulatedDisk) -> None:
    """A node fails once, tells once, and keeps its first reason for every asker."""
    told: list[str] = []
    node = health(disk, told)
    node.check()
    for what in ("syncing", "writing"):
        assert str(node.fail(what, error(errno.EIO))).startswith("syncing: ")
    assert told == [node.reason]
    with pytest.raises(NodeFailed, match="syncing"):
        node.check()


def test_word_on_the_disk(disk: SimulatedDisk) -> None:
    """The reason is durable, and what an earlier check proved is gone."""
    node = health(disk, [])
    node.fail("syncing", error(errno.EIO))
    assert set(disk.names("/node")) == {"failed.json"}
    after = SimulatedDisk(disk.picture())
    fd = after.open("/node/failed.json", READ)
    assert json.loads(after.read(fd, 1000, 0)) == {"format": 1, "reason": node.reason}


def test_disk_that_takes_nothing(disk: SimulatedDisk) -> None:
    """The owner is told although nothing can be left on the disk."""
    disk.fault = lambda operation, path: error(errno.EROFS)
    told: list[str] = []
    health(disk, told).fail("syncing", error(errno.EIO))
    assert len(told) == 1
    assert set(disk.names("/node")) == {"checked.json"}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (errno.ENOSPC, NodeFull),
        (errno.EDQUOT, NodeFull),
        (errno.EFBIG, NodeFull),
        (errno.EMFILE, Unavailable),
        (errno.ENOMEM, Unavailable),
    ],
)
def test_errors_that_pass(disk: SimulatedDisk, code: int, expected: type[Exception]) -> None:
    """A full disk and a shortage of the process's own are no failure."""
    node = health(disk, [])
    assert type(node.wrote("writing", error(code))) is expected
    node.check()


@pytest.mark.parametrize("code", [errno.EIO, errno.EROFS, errno.ENODEV, errno.ENOENT])
def test_errors_that_do_not(disk: SimulatedDisk, code: int) -> None:
    """Any other error of a write takes the node out of service."""
    node = health(disk, [])
    assert type(node.wrote("writing", error(code))) is NodeFailed
    with pytest.raises(NodeFailed):
        node.check()
