"""The real disk, behind the file layer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from godos.storage.files import CREATE, READ, WRITE, IFiles, LocalFiles
from tests.simulation.disk import SimulatedDisk

PIECES = [bytes([n % 256]) * (n % 7) for n in range(5000)]


@pytest.mark.parametrize("files", [LocalFiles(), SimulatedDisk()])
def test_interface(files: object) -> None:
    """Both disks have all methods of the interface, with their arguments."""
    verifyObject(IFiles, files)


def test_many_pieces(tmp_path: Path) -> None:
    """More pieces than the kernel takes at once are written in order."""
    files = LocalFiles()
    fd = files.open(f"{tmp_path}/x", CREATE)
    files.write(fd, PIECES, 100)
    files.close(fd)
    assert (tmp_path / "x").read_bytes() == bytes(100) + b"".join(PIECES)


@pytest.mark.parametrize("most", [1, 999, 4096])
def test_short_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """A kernel that writes less than it was asked to is asked again."""
    real: Any = os.pwritev

    def short(fd: int, pieces: Sequence[bytes], offset: int) -> int:
        return int(real(fd, [b"".join(pieces)[:most]], offset))

    monkeypatch.setattr(os, "pwritev", short)
    files = LocalFiles()
    fd = files.open(f"{tmp_path}/x", CREATE)
    files.write(fd, [*PIECES, memoryview(b"end")], 3)
    files.close(fd)
    assert (tmp_path / "x").read_bytes() == bytes(3) + b"".join(PIECES) + b"end"


def test_short_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read is short only at the end of the file."""
    (tmp_path / "x").write_bytes(b"".join(PIECES))
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, offset: real(fd, min(size, 500), offset))
    files = LocalFiles()
    fd = files.open(f"{tmp_path}/x", READ)
    whole = b"".join(PIECES)
    assert files.read(fd, 4000, 10) == whole[10:4010]
    assert files.read(fd, len(whole), 10) == whole[10:]
    assert files.read(fd, 10, len(whole)) == b""
    files.close(fd)


def test_create_only_new(tmp_path: Path) -> None:
    """CREATE never opens what is there; READ and WRITE never create."""
    files = LocalFiles()
    files.close(files.open(f"{tmp_path}/x", CREATE))
    with pytest.raises(FileExistsError):
        files.open(f"{tmp_path}/x", CREATE)
    for flags in (READ, WRITE):
        with pytest.raises(FileNotFoundError):
            files.open(f"{tmp_path}/y", flags)


def test_lock(tmp_path: Path) -> None:
    """A folder is locked once, until it is let go."""
    files = LocalFiles()
    lock = files.lock(str(tmp_path))
    with pytest.raises(BlockingIOError):
        files.lock(str(tmp_path))
    files.close(lock)
    files.close(files.lock(str(tmp_path)))


def test_delete_database(tmp_path: Path) -> None:
    """Nothing that SQLite kept beside its file is left."""
    files = LocalFiles()
    path = f"{tmp_path}/index.sqlite"
    connection = files.database(path)
    connection.pragma("journal_mode", "wal")
    connection.execute("CREATE TABLE t(x)")
    assert len(list(tmp_path.iterdir())) == 3
    files.delete_database(path)
    assert list(tmp_path.iterdir()) == []
    files.delete_database(path)
    connection.close()


def test_room_and_size(tmp_path: Path) -> None:
    """Room is that of the file system."""
    files = LocalFiles()
    room = files.room(str(tmp_path))
    assert 0 < room.free <= room.capacity
    fd = files.open(f"{tmp_path}/x", CREATE)
    files.truncate(fd, 12345)
    assert files.size(fd) == 12345
    files.close(fd)
    assert not files.read_only(str(tmp_path))
