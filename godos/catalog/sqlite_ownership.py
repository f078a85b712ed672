"""Which process owns a catalog file, and the path at which it is to be reached."""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import suppress

from godos.model.errors import CannotStart

_LONGEST = 107  # bytes of a socket's path.  Source: unix(7), sun_path less its final zero


class Lock:
    """
    `flock` on a file beside the catalog: whoever has it is the catalog's only writer.

    The kernel takes it away from a process that dies, however it dies.  The file is not the
    catalog itself, because closing any descriptor of that would end SQLite's own locks, and
    it is never removed, so that all mean the same file.  All of this blocks a little.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self) -> bool:
        """
        Whether the lock is ours now.

        Raises:
            CannotStart: the file cannot be opened.
        """
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW  # it gets truncated
            fd = os.open(self._path, flags, 0o600)
        except OSError as error:
            raise CannotStart(f"cannot open the catalog's lock: {error}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"%d\n" % os.getpid(), 0)  # for people who wonder
        self._fd = fd
        return True

    def release(self) -> None:
        """Let another process have it.  Idempotent."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class SocketPath:
    """
    A socket's path, and a `short` way to say it while this object is open.

    A socket's address holds 107 bytes; a longer path goes through the folder's descriptor.
    """

    def __init__(self, path: str) -> None:
        self._path, self.short = path, path
        self._folder: int | None = None
        if len(os.fsencode(path)) > _LONGEST:
            folder, name = os.path.split(path)
            try:
                self._folder = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError as error:
                raise CannotStart(f"cannot open the catalog's folder: {error}") from error
            self.short = f"/proc/self/fd/{self._folder}/{name}"

    def clear(self) -> None:
        """
        Remove the socket of a process that is gone.

        Raises:
            CannotStart: something that is no socket stands there.
        """
        with suppress(FileNotFoundError):
            if not stat.S_ISSOCK(os.lstat(self._path).st_mode):
                raise CannotStart(f"{self._path} is in the way of the catalog's socket: move it")
            os.unlink(self._path)

    def restore(self) -> None:
        """Put something there, when somebody has removed the socket."""
        with suppress(OSError):
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    def close(self) -> None:
        """Let go of the folder.  Idempotent."""
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None
