"""
Reading what is really on a disk: past the page cache, and over what cannot be read.

After a failed flush the cache may hold pages that the disk does not have.
"""

from __future__ import annotations

import errno
import fcntl
import os
from mmap import mmap

from attrs import define, field, frozen

from godos.model.fragments import CHUNK
from godos.storage.files import READ, LocalFiles

PAGE = 4096  # bytes; what O_DIRECT asks all to be a multiple of, on the disks of our time
PATIENCE = 64  # pages of one file that may fail before the rest of a read is given up at once


@frozen
class Unreadable:
    """Bytes [start, stop) of a file that the disk does not give, and why."""

    start: int
    stop: int
    why: str


@define
class _Trouble:
    """What went wrong with one open file."""

    ranges: list[Unreadable] = field(factory=list)
    failures: int = 0

    def note(self, start: int, stop: int, why: str) -> None:
        """Add a range, joined with those that it touches."""
        apart = []
        for known in self.ranges:
            if known.stop < start or stop < known.start:
                apart.append(known)
            else:
                start, stop, why = min(start, known.start), max(stop, known.stop), known.why
        self.ranges = [*apart, Unreadable(start, stop, why)]


class PastCacheFiles(LocalFiles):
    """
    Files of this machine whose reads ask the disk, for one thread.

    `O_DIRECT` where the file system takes it, else without what the cache holds.  What the
    disk does not give reads as zeros, and is among the file's `troubles` then.
    """

    def __init__(self) -> None:
        self._buffer = mmap(-1, CHUNK + PAGE)  # O_DIRECT wants an aligned one
        self._troubles: dict[int, _Trouble] = {}
        self.cached = 0  # files that do not take O_DIRECT

    def settle(self) -> None:
        """Have written what still waits in memory: a dirty page cannot be dropped."""
        os.sync()

    def open(self, path: str, flags: int) -> int:
        if flags != READ:
            return self._owned(super().open(path, flags), path)
        try:
            return super().open(path, READ | os.O_DIRECT)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        fd = super().open(path, READ)
        self._without_direct(fd)
        return fd

    def _owned(self, fd: int, path: str) -> int:
        """A new file made by root belongs to whom its folder belongs: the daemon reads it."""
        if os.geteuid() == 0:
            folder = os.stat(os.path.dirname(path))
            os.fchown(fd, folder.st_uid, folder.st_gid)
        return fd

    def _without_direct(self, fd: int) -> None:
        self.cached += 1
        self.forget(fd)

    def close(self, fd: int) -> None:
        self._troubles.pop(fd, None)
        super().close(fd)

    def length(self, path: str) -> int:
        """Of a file that is not open, in bytes."""
        return os.stat(path).st_size

    # -- reading ------------------------------------------------------------------------
    def read(self, fd: int, size: int, offset: int) -> bytes:
        try:
            return self._read(fd, size, offset)
        except OSError:
            return self._read_around(fd, size, offset)

    def troubles(self, fd: int) -> list[Unreadable]:
        """What of an open file could not be read so far, in order."""
        trouble = self._troubles.get(fd)
        return [] if trouble is None else sorted(trouble.ranges, key=lambda each: each.start)

    def _read(self, fd: int, size: int, offset: int) -> bytes:
        parts, end = [], offset + size
        while offset < end:
            start = offset - offset % PAGE
            wanted = min(len(self._buffer), -(-(end - start) // PAGE) * PAGE)
            got = self._fill(fd, wanted, start)
            piece = self._buffer[offset - start : min(got, end - start)]
            if not piece:
                break
            parts.append(piece)
            offset += len(piece)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _read_around(self, fd: int, size: int, offset: int) -> bytes:
        """Page by page; zeros for those that fail."""
        trouble = self._troubles.setdefault(fd, _Trouble())
        end = min(offset + size, self.size(fd))
        data = bytearray(max(0, end - offset))
        at, why = offset, "given up after too many errors"
        while at < end and trouble.failures < PATIENCE:
            stop = min(end, at - at % PAGE + PAGE)
            try:
                piece = self._read(fd, stop - at, at)
                data[at - offset : at - offset + len(piece)] = piece
            except OSError as error:
                trouble.failures += 1
                why = error.strerror or str(error)
                trouble.note(at, stop, why)
            at = stop
        if at < end:
            trouble.note(at, end, why)
        return bytes(data)

    def _fill(self, fd: int, size: int, offset: int) -> int:
        """Read into the buffer; all is a multiple of a page.  Answers how much came."""
        try:
            return self.ask(fd, size, offset)
        except OSError as error:
            flags = fcntl.fcntl(fd, fcntl.F_GETFL)
            if error.errno != errno.EINVAL or not flags & os.O_DIRECT:
                raise
            fcntl.fcntl(fd, fcntl.F_SETFL, flags & ~os.O_DIRECT)
        self._without_direct(fd)  # a file system that opens so, and does not read so
        return self.ask(fd, size, offset)

    def ask(self, fd: int, size: int, offset: int) -> int:
        """The one place where the disk is asked.  Tests put a broken one here."""
        with memoryview(self._buffer) as whole, whole[:size] as part:
            return os.preadv(fd, [part], offset)
