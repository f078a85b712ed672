"""
The file layer: every touch of the disk goes through `IFiles`.

Tests put a disk in its place that is full, broken, or loses its power.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import apsw
from attrs import frozen
from zope.interface import Interface, implementer

from godos.model.fragments import Pieces

READ = os.O_RDONLY | os.O_CLOEXEC
WRITE = os.O_RDWR | os.O_CLOEXEC
CREATE = WRITE | os.O_CREAT | os.O_EXCL

# Linux keeps what lies on a large folio of the page cache partly inside and partly outside of
# the bytes that it is asked to drop; folios are aligned, and no larger than this.
_FOLIO = 4 << 20

_IOV_MAX = 1024  # buffers of one pwritev.  Source: Linux, UIO_MAXIOV


@frozen
class Room:
    """Of the file system that holds a storage directory, in bytes."""

    capacity: int
    free: int


class IFiles(Interface):
    """
    What storage does to a disk.  All of it blocks, and raises OSError.

    A write is durable after `sync` of its file; a created, renamed or deleted name after
    `sync_directory` of its folder; nothing before.
    """

    def open(path: str, flags: int) -> int:
        """A file descriptor; `flags` is READ, WRITE or CREATE."""

    def close(fd: int) -> None:
        """Let go of it."""

    def read(fd: int, size: int, offset: int) -> bytes:
        """`size` bytes from there on; fewer only at the end of the file."""

    def write(fd: int, pieces: Pieces, offset: int) -> None:
        """All the pieces, one behind the other."""

    def truncate(fd: int, size: int) -> None:
        """Cut the file there, or extend it with zeros."""

    def sync(fd: int) -> None:
        """Make content and size durable."""

    def size(fd: int) -> int:
        """Length of the file in bytes."""

    def forget(fd: int, offset: int = 0, length: int = 0) -> None:
        """
        Drop the page cache's clean pages of these bytes, so that reads ask the disk.

        Args:
            length: 0 means to the end.  More than was asked for may be dropped.
        """

    def expect_sequential(fd: int) -> None:
        """Tell the kernel to read ahead further."""

    def sync_directory(path: str) -> None:
        """Make the names in a folder durable."""

    def rename(source: str, target: str) -> None:
        """Atomically, replacing `target`."""

    def unlink(path: str) -> None:
        """Delete a file's name."""

    def make_directory(path: str) -> None:
        """Create a folder; its parent exists."""

    def names(path: str) -> Sequence[str]:
        """What is in a folder, in no order."""

    def room(path: str) -> Room:
        """Of the file system there."""

    def read_only(path: str) -> bool:
        """Whether nothing can be written there."""

    def lock(path: str) -> int:
        """
        An exclusive lock on a folder, held until the descriptor is closed.

        Raises BlockingIOError when another process has it.
        """

    def is_at(fd: int, path: str) -> bool:
        """Whether the folder that `lock` gave `fd` for is still the one at `path`."""

    def database(path: str) -> apsw.Connection:
        """A new connection to the SQLite file there, which is made when missing."""

    def delete_database(path: str) -> None:
        """The SQLite file and what SQLite keeps beside it; harmless when missing."""


@implementer(IFiles)
class LocalFiles:
    """The disk of this machine."""

    def open(self, path: str, flags: int) -> int:
        return os.open(path, flags, 0o640)

    def close(self, fd: int) -> None:
        os.close(fd)

    def read(self, fd: int, size: int, offset: int) -> bytes:
        data = os.pread(fd, size, offset)
        if len(data) == size or not data:
            return data
        parts = [data]  # a signal, or a file system that reads in parts
        got = len(data)
        while got < size and (data := os.pread(fd, size - got, offset + got)):
            parts.append(data)
            got += len(data)
        return b"".join(parts)

    def write(self, fd: int, pieces: Pieces, offset: int) -> None:
        for first in range(0, len(pieces), _IOV_MAX):
            batch = pieces[first : first + _IOV_MAX]
            total = sum(map(len, batch))
            written = os.pwritev(fd, batch, offset)
            if written < total:
                _write_rest(fd, batch, offset, written)
            offset += total

    def truncate(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)

    def sync(self, fd: int) -> None:
        os.fdatasync(fd)

    def size(self, fd: int) -> int:
        return os.fstat(fd).st_size

    def forget(self, fd: int, offset: int = 0, length: int = 0) -> None:
        first = offset // _FOLIO * _FOLIO
        size = length and -(-(offset + length) // _FOLIO) * _FOLIO - first
        os.posix_fadvise(fd, first, size, os.POSIX_FADV_DONTNEED)

    def expect_sequential(self, fd: int) -> None:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)

    def sync_directory(self, path: str) -> None:
        fd = os.open(path, READ | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, source: str, target: str) -> None:
        os.rename(source, target)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def make_directory(self, path: str) -> None:
        os.mkdir(path, 0o750)

    def names(self, path: str) -> Sequence[str]:
        return os.listdir(path)

    def room(self, path: str) -> Room:
        found = os.statvfs(path)
        return Room(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)

    def read_only(self, path: str) -> bool:
        read_only = bool(os.statvfs(path).f_flag & os.ST_RDONLY)
        return read_only or not os.access(path, os.W_OK | os.X_OK)

    def lock(self, path: str) -> int:
        fd = os.open(path, READ | os.O_DIRECTORY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def is_at(self, fd: int, path: str) -> bool:
        try:
            there = os.stat(path)
        except FileNotFoundError:
            return False
        return os.path.samestat(os.fstat(fd), there)

    def database(self, path: str) -> apsw.Connection:
        return apsw.Connection(path)

    def delete_database(self, path: str) -> None:
        for name in (path, path + "-wal", path + "-shm", path + "-journal"):
            with suppress(FileNotFoundError):
                os.unlink(name)


def _write_rest(fd: int, pieces: Pieces, offset: int, written: int) -> None:
    """Go on where a `pwritev` stopped early."""
    rest: Any = memoryview(b"".join(pieces))[written:]
    offset += written
    while rest:
        count = os.pwrite(fd, rest, offset)
        rest, offset = rest[count:], offset + count
