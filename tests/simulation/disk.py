"""
A disk in memory that can lose its power, fill up, and break.

What was written and not synced may be lost, kept or torn at any power cut, and so may names
that were created, renamed or deleted in folders that were not synced.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from itertools import count, pairwise
from random import Random

import apsw
from attrs import define, evolve, frozen
from zope.interface import implementer

from godos.model.fragments import Pieces
from godos.storage.files import CREATE, IFiles, Room

SECTOR = 512  # bytes that are written whole or not at all
_FOLDER = None  # what stands for a folder among the names
_URI = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI
_databases = count()


@frozen
class Write:
    """Bytes that are on their way to the disk."""

    offset: int
    data: bytes

    def onto(self, content: bytes) -> bytes:
        padded = content.ljust(self.offset, b"\0")
        return padded[: self.offset] + self.data + padded[self.offset + len(self.data) :]

    def torn(self, random: Random) -> list[Write]:
        """Some sectors of it: the first ones, or any."""
        step = max(SECTOR, len(self.data) // 16 // SECTOR * SECTOR)
        first = step - self.offset % SECTOR
        edges = [0, *range(first, len(self.data), step), len(self.data)]
        sectors = [
            Write(self.offset + start, self.data[start:stop]) for start, stop in pairwise(edges)
        ]
        if random.random() < 0.5:
            return sectors[: random.randrange(len(sectors) + 1)]
        return [sector for sector in sectors if random.random() < 0.5]


@frozen
class Cut:
    """A change of the length that is on its way to the disk."""

    size: int

    def onto(self, content: bytes) -> bytes:
        return content[: self.size].ljust(self.size, b"\0")

    def torn(self, random: Random) -> list[Cut]:
        return random.choice(([], [self]))


@frozen
class File:
    """A file's content on the disk, and what is on its way there.  Never changes."""

    durable: bytes = b""
    pending: tuple[Write | Cut, ...] = ()

    def content(self) -> bytes:
        content = self.durable
        for change in self.pending:
            content = change.onto(content)
        return content


@frozen
class Rename:
    """
    A change of names that is on its way to the disk: `source` vanishes, `target` is `inode`.

    Either may be missing: a file was created, or deleted.
    """

    source: str | None
    target: str | None
    inode: int | None

    def touches(self, folder: str) -> bool:
        return folder in (os.path.dirname(self.source or ""), os.path.dirname(self.target or ""))

    def onto(self, names: dict[str, int | None]) -> None:
        if self.source is not None:
            names.pop(self.source, None)
        if self.target is not None:
            names[self.target] = self.inode


@frozen
class Picture:
    """All of a disk at one moment."""

    files: dict[int, File]
    names: dict[str, int | None]  # that are durable
    pending: tuple[Rename, ...]
    database: bytes | None  # what SQLite had committed

    def after_power_cut(self, random: Random, database: bytes | None) -> Picture:
        """One of the disks that may be found when power returns, with this index."""
        names = dict(self.names)
        for change in _survivors(self.pending, random):
            change.onto(names)
        names = {path: inode for path, inode in names.items() if _reachable(path, names)}
        files = {
            inode: File(_content_after_cut(self.files[inode], random))
            for inode in names.values()
            if inode is not None
        }
        return Picture(files, names, (), database)


def _survivors(pending: Sequence[Rename], random: Random) -> Sequence[Rename]:
    """Which changes of names had reached the disk: all, none, the first ones, or any."""
    kind = random.randrange(4)
    if kind == 0:
        return pending
    if kind == 1:
        return ()
    if kind == 2:
        return pending[: random.randrange(len(pending) + 1)]
    return [change for change in pending if random.random() < 0.5]


def _content_after_cut(file: File, random: Random) -> bytes:
    kind = random.randrange(4)
    if kind == 0:
        return file.content()
    content = file.durable
    if kind == 1:
        return content
    for change in file.pending:
        for part in change.torn(random) if random.random() < 0.7 else [change]:
            content = part.onto(content)
    return content


def _reachable(path: str, names: dict[str, int | None]) -> bool:
    folder = os.path.dirname(path)
    return path == "/" or (folder in names and _reachable(folder, names))


@define
class _Open:
    inode: int
    path: str


@implementer(IFiles)
class SimulatedDisk:
    """
    Args:
        picture: what is on the disk.
        before: called with the name of each operation that changes something, before it.
        fault: called likewise with name and path; an OSError that it answers is raised
            instead, after `partial` of the bytes of a write.
        capacity: bytes that fit.
    """

    def __init__(self, picture: Picture | None = None) -> None:
        self.before: Callable[[str, str], None] = lambda operation, path: None
        self.fault: Callable[[str, str], OSError | None] = lambda operation, path: None
        self.capacity = 1 << 40
        self._files: dict[int, File] = {}
        self._contents: dict[int, bytearray] = {}  # as a running process sees them
        self._durable: dict[str, int | None] = {"/": _FOLDER}
        self._names: dict[str, int | None] = {"/": _FOLDER}
        self._pending: list[Rename] = []
        self._open: dict[int, _Open] = {}
        self._numbers = count(1)
        self._locked = False
        self.moved = False  # another folder is in the place of the locked one
        self._database = f"file:/godos-{next(_databases)}?vfs=memdb"
        self._keeper: apsw.Connection | None = None
        if picture is not None:
            self._restore(picture)

    def _restore(self, picture: Picture) -> None:
        self._files = dict(picture.files)
        self._contents = {inode: bytearray(file.content()) for inode, file in picture.files.items()}
        self._durable = dict(picture.names)
        self._names = dict(picture.names)
        for change in picture.pending:
            change.onto(self._names)
        self._pending = list(picture.pending)
        self._numbers = count(max(self._files, default=0) + 1)
        if picture.database is not None:
            saved = apsw.Connection(":memory:")
            saved.deserialize("main", picture.database)
            with self._keep().backup("main", saved, "main") as backup:
                backup.step()
            saved.close()

    def picture(self) -> Picture:
        """All of it, now."""
        database = None if self._keeper is None else self._keeper.serialize("main")
        return Picture(dict(self._files), dict(self._durable), tuple(self._pending), database)

    def _happens(self, operation: str, path: str) -> None:
        self.before(operation, path)
        error = self.fault(operation, path)
        if error is not None:
            raise error

    # -- files --------------------------------------------------------------------------
    def open(self, path: str, flags: int) -> int:
        if flags == CREATE:
            if path in self._names:
                raise FileExistsError(errno.EEXIST, "exists", path)
            self._folder(os.path.dirname(path))
            self._happens("create", path)
            inode = next(self._numbers)
            self._files[inode], self._contents[inode] = File(), bytearray()
            self._change(Rename(None, path, inode))
        found = self._names.get(path)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "not there", path)
        fd = next(self._numbers)
        self._open[fd] = _Open(found, path)
        return fd

    def close(self, fd: int) -> None:
        if fd == -2:
            self._locked = False
        else:
            del self._open[fd]

    def read(self, fd: int, size: int, offset: int) -> bytes:
        error = self.fault("read", self._open[fd].path)
        if error is not None:
            raise error
        return bytes(self._contents[self._open[fd].inode][offset : offset + size])

    def write(self, fd: int, pieces: Pieces, offset: int) -> None:
        data = b"".join(pieces)
        self.before("write", self._open[fd].path)
        error = self.fault("write", self._open[fd].path)
        inode = self._open[fd].inode
        growth = max(0, offset + len(data) - len(self._contents[inode]))
        if growth > self.room("/").free:
            error = OSError(errno.ENOSPC, "No space left on device")
        if error is not None:
            data = data[: len(data) // 2]
        content = self._contents[inode]
        content.extend(bytes(max(0, offset - len(content))))
        content[offset : offset + len(data)] = data
        self._later(inode, Write(offset, data))
        if error is not None:
            raise error

    def truncate(self, fd: int, size: int) -> None:
        self._happens("truncate", self._open[fd].path)
        inode = self._open[fd].inode
        self._contents[inode][:] = Cut(size).onto(bytes(self._contents[inode]))
        self._later(inode, Cut(size))

    def _later(self, inode: int, change: Write | Cut) -> None:
        file = self._files[inode]
        self._files[inode] = evolve(file, pending=(*file.pending, change))

    def sync(self, fd: int) -> None:
        self._happens("sync", self._open[fd].path)
        inode = self._open[fd].inode
        self._files[inode] = File(bytes(self._contents[inode]))

    def size(self, fd: int) -> int:
        return len(self._contents[self._open[fd].inode])

    def forget(self, fd: int, offset: int = 0, length: int = 0) -> None:
        """There is no cache."""

    def expect_sequential(self, fd: int) -> None:
        """There is no read-ahead."""

    # -- names --------------------------------------------------------------------------
    def _change(self, change: Rename) -> None:
        change.onto(self._names)
        self._pending.append(change)

    def _folder(self, path: str) -> None:
        if self._names.get(path, -1) is not _FOLDER:
            raise FileNotFoundError(errno.ENOENT, "no such folder", path)

    def sync_directory(self, path: str) -> None:
        self._folder(path)
        self._happens("sync_directory", path)
        done = [change for change in self._pending if change.touches(path)]
        for change in done:
            change.onto(self._durable)
        moved = {change.source for change in done}
        self._pending = [
            change
            for change in self._pending
            if change not in done and (change.target is None or change.target not in moved)
        ]

    def rename(self, source: str, target: str) -> None:
        inode = self._names.get(source)
        if inode is None:
            raise FileNotFoundError(errno.ENOENT, "not there", source)
        self._folder(os.path.dirname(target))
        self._happens("rename", target)
        self._change(Rename(source, target, inode))

    def unlink(self, path: str) -> None:
        if self._names.get(path) is None:
            raise FileNotFoundError(errno.ENOENT, "not there", path)
        self._happens("unlink", path)
        self._change(Rename(path, None, None))

    def make_directory(self, path: str) -> None:
        if path in self._names:
            raise FileExistsError(errno.EEXIST, "exists", path)
        self._folder(os.path.dirname(path))
        self._happens("make_directory", path)
        self._change(Rename(None, path, _FOLDER))

    def names(self, path: str) -> Sequence[str]:
        self._folder(path)
        prefix = path.rstrip("/") + "/"
        return [
            name[len(prefix) :]
            for name in self._names
            if name.startswith(prefix) and name != "/" and "/" not in name[len(prefix) :]
        ]

    # -- the rest -----------------------------------------------------------------------
    def room(self, path: str) -> Room:
        used = sum(
            len(self._contents[inode]) for inode in self._names.values() if inode is not None
        )
        return Room(self.capacity, max(0, self.capacity - used))

    def read_only(self, path: str) -> bool:
        return False

    def lock(self, path: str) -> int:
        self._folder(path)
        if self._locked:
            raise BlockingIOError(errno.EWOULDBLOCK, "locked", path)
        self._locked = True
        return -2

    def is_at(self, fd: int, path: str) -> bool:
        return not self.moved

    def _keep(self) -> apsw.Connection:
        if self._keeper is None:
            self._keeper = apsw.Connection(self._database, flags=_URI)
        return self._keeper

    def database(self, path: str) -> apsw.Connection:
        error = self.fault("database", path)
        if error is not None:
            raise error
        self._keep()
        return apsw.Connection(self._database, flags=_URI)

    def delete_database(self, path: str) -> None:
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None
            self._database = f"file:/godos-{next(_databases)}?vfs=memdb"

    def unplug(self) -> None:
        """Let go of the memory that SQLite holds."""
        self.delete_database("")

    @property
    def open_files(self) -> list[str]:
        """Paths of the files that somebody has open."""
        return [each.path for each in self._open.values()]
