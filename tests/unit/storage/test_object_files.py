"""The files of large fragments: found, added, removed."""

from __future__ import annotations

import errno

import pytest

from godos.model.errors import FragmentDamaged, NoSuchFragment
from godos.model.names import FragmentName
from godos.storage import footer
from godos.storage.checks import checks_of
from godos.storage.counters import Counters
from godos.storage.files import CREATE
from godos.storage.layout import Layout
from godos.storage.object_files import ObjectFiles
from tests.contract.fragment_store import content, header_of
from tests.simulation.disk import Picture, SimulatedDisk

NAME = FragmentName("ab" * 16, 1)
PAYLOAD = content(300_000)
PATH = f"/node/objects/ab/{NAME}"


@pytest.fixture
def disk() -> SimulatedDisk:
    """A storage directory, durable."""
    disk = SimulatedDisk()
    for folder in ("/node", "/node/objects", "/node/staging"):
        disk.make_directory(folder)
    for folder in ("/", "/node"):
        disk.sync_directory(folder)
    return disk


def objects(disk: SimulatedDisk) -> ObjectFiles:
    return ObjectFiles(disk, Layout("/node"), Counters())


def stage(disk: SimulatedDisk, name: FragmentName = NAME, path: str = "/node/staging/1") -> str:
    """A synced file in staging that holds that fragment."""
    fd = disk.open(path, CREATE)
    trailer = footer.encode(header_of(PAYLOAD, name), checks_of(name, [PAYLOAD]))
    disk.write(fd, [PAYLOAD, trailer], 0)
    disk.sync(fd)
    disk.close(fd)
    return path


def durable(disk: SimulatedDisk) -> SimulatedDisk:
    """What is on the disk when the power fails now and nothing was written by chance."""
    picture = disk.picture()
    files = {inode: type(file)(file.durable) for inode, file in picture.files.items()}
    return SimulatedDisk(Picture(files, picture.names, (), None))


@pytest.mark.parametrize("again", [False, True])
def test_added_is_durable(disk: SimulatedDisk, again: bool) -> None:
    """Once added, a fragment survives a power cut, in a new folder and in an old one."""
    found = objects(disk)
    if again:
        found.add(stage(disk), FragmentName("ab" * 16, 0))
    found.add(stage(disk), NAME)
    after = durable(disk)
    fd, trailer = ObjectFiles(after, Layout("/node"), Counters()).open(NAME)
    assert trailer.header == header_of(PAYLOAD, NAME)
    assert after.read(fd, len(PAYLOAD), 0) == PAYLOAD


def test_removed_is_durable(disk: SimulatedDisk) -> None:
    """Once removed, a fragment does not come back; to remove it again tells that it was gone."""
    found = objects(disk)
    found.add(stage(disk), NAME)
    assert found.remove(NAME)
    assert not found.remove(NAME)
    after = objects(durable(disk))
    assert after.names("ab") == []
    with pytest.raises(NoSuchFragment):
        after.open(NAME)


def test_folder_of_an_earlier_process(disk: SimulatedDisk) -> None:
    """A folder that is visible and perhaps not durable is made so before it is relied upon."""
    disk.make_directory("/node/objects/ab")
    found = objects(disk)
    found.recover()
    found.add(stage(disk), NAME)
    assert objects(durable(disk)).names("ab") == [NAME]


def test_names(disk: SimulatedDisk) -> None:
    """Fragments are listed in order, and files of other names are not."""
    found = objects(disk)
    for index in (10, 2, 0):
        found.add(stage(disk), FragmentName("ab" * 16, index))
    for strange in ("cat.jpg", "cd" * 16 + ".0", "ab" * 16 + ".01"):
        disk.close(disk.open(f"/node/objects/ab/{strange}", CREATE))
    disk.make_directory("/node/objects/AB")
    assert [name.index for name in found.names("ab")] == [0, 2, 10]
    assert found.shelves() == ["ab"]
    assert found.names("cd") == []


def test_file_under_another_name(disk: SimulatedDisk) -> None:
    """A file that holds another fragment than its name says is damaged, and is let go of."""
    objects(disk).add(stage(disk, FragmentName("ab" * 16, 7)), NAME)
    with pytest.raises(FragmentDamaged, match=r"holds fragment abab.*\.7"):
        objects(disk).open(NAME)
    assert disk.open_files == []


def test_unreadable_trailer(disk: SimulatedDisk) -> None:
    """A disk that does not give the trailer makes the fragment damaged, not lost."""
    objects(disk).add(stage(disk), NAME)
    disk.fault = lambda operation, path: (
        OSError(errno.EIO, "broken") if operation == "read" else None
    )
    with pytest.raises(FragmentDamaged, match="cannot be read"):
        objects(disk).open(NAME)
    assert disk.open_files == []


def test_moved_file(disk: SimulatedDisk) -> None:
    """A file that was moved here from another node's disk is served."""
    disk.make_directory("/node/objects/ab")
    stage(disk, path=PATH)
    assert objects(disk).open(NAME)[1].header.length == len(PAYLOAD)


def test_folder_that_was_removed(disk: SimulatedDisk) -> None:
    """A folder that somebody removed is made again for what is stored next, durably."""
    found = objects(disk)
    found.add(stage(disk), NAME)
    disk.unlink(PATH)
    del disk._names["/node/objects/ab"]
    other = FragmentName("ab" * 16, 2)
    found.add(stage(disk, other), other)
    fd, _ = objects(durable(disk)).open(other)
    assert fd
    with pytest.raises(FileNotFoundError):
        found.add("/node/staging/that never was", NAME)
