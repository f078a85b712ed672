"""Reads that ask the disk itself, also one that breaks."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest
from zope.interface.verify import verifyObject

from godos.storage.files import CREATE, READ, IFiles
from godos.storage.past_cache import PAGE, PATIENCE, PastCacheFiles, Unreadable
from tests.contract.fragment_store import content

SIZE = 3 * PAGE + 100


class BrokenDisk(PastCacheFiles):
    """Some bytes of every file cannot be read, and some file systems are old."""

    def __init__(self, bad: range = range(0), refuses_direct: bool = False) -> None:
        super().__init__()
        self.bad = bad
        self.refuses_direct = refuses_direct
        self.asked = 0

    def ask(self, fd: int, size: int, offset: int) -> int:
        self.asked += 1
        if self.refuses_direct and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument")
        if offset < self.bad.stop and self.bad.start < offset + size:
            raise OSError(errno.EIO, "Input/output error")
        return super().ask(fd, size, offset)


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A file of `content(SIZE)`."""
    (tmp_path / "file").write_bytes(content(SIZE))
    return str(tmp_path / "file")


def test_interface() -> None:
    """It is a file layer like the daemon's."""
    verifyObject(IFiles, PastCacheFiles())


@pytest.mark.parametrize("refuses", [False, True])
@pytest.mark.parametrize(
    ("size", "offset"),
    [(SIZE, 0), (10, 0), (10, 4090), (PAGE, PAGE), (5000, 7000), (SIZE, 50), (9, SIZE), (9, 10**6)],
)
def test_any_bytes(path: str, size: int, offset: int, refuses: bool) -> None:
    """Whatever range is asked for comes as it is in the file, on any file system."""
    files = BrokenDisk(refuses_direct=refuses)
    fd = files.open(path, READ)
    assert files.read(fd, size, offset) == content(SIZE)[offset : offset + size]
    assert files.cached == refuses
    assert files.troubles(fd) == []
    files.close(fd)


def test_more_than_its_buffer(tmp_path: Path) -> None:
    """A read of several MiB is whole."""
    (tmp_path / "large").write_bytes(content(3 << 20))
    files = PastCacheFiles()
    fd = files.open(str(tmp_path / "large"), READ)
    assert files.read(fd, 3 << 20, 0) == content(3 << 20)
    files.close(fd)


def test_bad_page(path: str) -> None:
    """What lies around a page that cannot be read is read, and the page is told."""
    files = BrokenDisk(bad=range(PAGE + 5, PAGE + 6))
    fd = files.open(path, READ)
    found = files.read(fd, 2 * PAGE, 100)
    expected = bytearray(content(SIZE)[100 : 100 + 2 * PAGE])
    expected[PAGE - 100 : 2 * PAGE - 100] = bytes(PAGE)
    assert found == expected
    assert files.read(fd, 10, PAGE + 50) == bytes(10)
    assert files.troubles(fd) == [Unreadable(PAGE, 2 * PAGE, "Input/output error")]
    files.close(fd)


def test_hopeless_file(tmp_path: Path) -> None:
    """A disk that gives nothing is not asked for each of its pages."""
    size = 10 * PATIENCE * PAGE
    (tmp_path / "large").write_bytes(bytes(size))
    files = BrokenDisk(bad=range(size))
    fd = files.open(str(tmp_path / "large"), READ)
    assert files.read(fd, size, 0) == bytes(size)
    assert files.read(fd, size, 0) == bytes(size)
    assert [(each.start, each.stop) for each in files.troubles(fd)] == [(0, size)]
    assert files.asked < PATIENCE + 10
    files.close(fd)


def test_file_that_cannot_be_opened(tmp_path: Path) -> None:
    """That is an error."""
    with pytest.raises(FileNotFoundError):
        PastCacheFiles().open(str(tmp_path / "none"), READ)


def test_new_file_belongs_to_the_owner_of_its_folder(tmp_path: Path) -> None:
    """What root leaves in a daemon's folder, the daemon can read."""
    if os.geteuid() != 0:
        pytest.skip("needs to be root")
    os.chown(tmp_path, 12345, 12345)
    files = PastCacheFiles()
    files.close(files.open(str(tmp_path / "new"), CREATE))
    found = (tmp_path / "new").stat()
    assert (found.st_uid, found.st_gid) == (12345, 12345)
