"""The few volumes that are open at a time."""

from __future__ import annotations

import pytest

from godos.storage.files import CREATE
from godos.storage.records import VolumeHeader
from godos.storage.volumes import OPEN_FILES, Shelf, Volume
from tests.simulation.disk import SimulatedDisk


@pytest.fixture
def disk() -> SimulatedDisk:
    """With files for volumes."""
    disk = SimulatedDisk()
    for number in range(OPEN_FILES + 10):
        disk.close(disk.open(f"/{number}", CREATE))
    return disk


@pytest.fixture
def shelf(disk: SimulatedDisk) -> Shelf:
    """With all of them."""
    shelf = Shelf(disk)
    for number in range(OPEN_FILES + 10):
        header = VolumeHeader(number, bytes(16), bytes(16), 1)
        shelf.add(Volume(number, f"/{number}", header))
    return shelf


def read(shelf: Shelf, volume_id: int) -> None:
    """As a reader does."""
    taken = shelf.take(volume_id)
    assert taken is not None
    shelf.give_back(taken[0])


def test_few_stay_open(disk: SimulatedDisk, shelf: Shelf) -> None:
    """However many volumes are read, few stay open: those that were read last."""
    for number in range(OPEN_FILES + 10):
        read(shelf, number)
    assert len(disk.open_files) == OPEN_FILES
    assert "/0" not in disk.open_files
    read(shelf, 0)
    assert "/0" in disk.open_files and "/10" not in disk.open_files


def test_readers_keep_theirs(disk: SimulatedDisk, shelf: Shelf) -> None:
    """A volume that is being read is not closed, also when it is dropped meanwhile."""
    taken = shelf.take(0)
    again = shelf.take(0)
    assert taken is not None and again == taken
    for number in range(1, OPEN_FILES + 5):
        read(shelf, number)
    assert "/0" in disk.open_files
    shelf.drop(0)
    assert shelf.take(0) is None
    shelf.give_back(taken[0])
    assert disk.read(taken[1], 10, 0) == b""
    shelf.give_back(taken[0])
    assert "/0" not in disk.open_files


def test_close(disk: SimulatedDisk, shelf: Shelf) -> None:
    """Closing lets go of all that nobody reads."""
    for number in range(5):
        read(shelf, number)
    shelf.close()
    assert (disk.open_files, list(shelf)) == ([], [])
