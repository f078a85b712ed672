"""A disk under SQLite that fails when a test says so."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import apsw

Fault = Callable[[str, str], Exception | None]


def healthy(_operation: str, _name: str) -> Exception | None:
    """No fault."""
    return None


def failed_flush() -> apsw.Error:
    """What SQLite makes of a failed fsync."""
    error = apsw.IOError("the flush failed")
    error.extendedresult = apsw.SQLITE_IOERR_FSYNC
    return error


class Disk:
    """
    Register as a virtual file system of SQLite's, by the `name` that connections pass.

    `fault` is asked before each operation ("open", "read", "write", "sync") with the file's name,
    and answers the error that happens instead.  `flushes` counts what reached the disk.
    """

    def __init__(self) -> None:
        self.name = f"disk-{uuid4().hex}"
        self.fault: Fault = healthy
        self.flushes = 0
        self._vfs = _VFS(self)

    def fail(self, operation: str, error: Callable[[], Exception] = failed_flush) -> None:
        """Let an operation on the write-ahead log fail from now on."""
        self.fault = lambda asked, name: (
            error() if asked == operation and name.endswith("-wal") else None
        )

    def heal(self) -> None:
        """No faults from now on."""
        self.fault = healthy

    def meet(self, operation: str, name: str) -> None:
        """Raise the fault, if there is one."""
        error = self.fault(operation, name)
        if error is not None:
            raise error


class _VFS(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        super().__init__(disk.name, "", iVersion=3)
        self._disk = disk

    def excepthook(self, *_error: Any) -> None:
        """The faults are wanted: nobody needs to read of them."""

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        text = name if isinstance(name, str) or name is None else name.filename()
        self._disk.meet("open", os.path.basename(text or "temporary"))
        return _File(self._disk, name, os.path.basename(text or "temporary"), flags)


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, whole: Any, name: str, flags: list[int]) -> None:
        super().__init__("", whole, flags)
        self._disk, self._name = disk, name

    def excepthook(self, *_error: Any) -> None:
        """As above."""

    def xRead(self, amount: int, offset: int) -> bytes:
        self._disk.meet("read", self._name)
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.meet("write", self._name)
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self._disk.meet("sync", self._name)
        self._disk.flushes += 1
        super().xSync(flags)
