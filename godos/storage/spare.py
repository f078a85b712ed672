"""New volumes, and the one that is zeroed in advance: docs/disk-format.rst, "Writing"."""

from __future__ import annotations

from contextlib import suppress

from attrs import frozen
from twisted.logger import Logger

from godos.model.names import new_id
from godos.storage.background import InBackground
from godos.storage.files import CREATE, IFiles
from godos.storage.health import Health
from godos.storage.layout import Layout
from godos.storage.records import FIRST_RECORD, VolumeHeader

_PIECE = bytes(1 << 20)


@frozen
class Fresh:
    """A file in staging for a new volume, zeroed up to `size` and synced."""

    fd: int
    path: str
    size: int = 0


def fresh_file(files: IFiles, layout: Layout) -> Fresh:
    """An empty file in staging."""
    path = layout.staged(new_id())
    return Fresh(files.open(path, CREATE), path)


def begin_volume(files: IFiles, layout: Layout, fresh: Fresh, header: VolumeHeader) -> None:
    """Make a file from staging a durable, empty volume; after an OSError nothing is left."""
    begun = False
    try:
        files.write(fresh.fd, [header.encode()], 0)
        files.sync(fresh.fd)
        files.rename(fresh.path, layout.volume(header.number))
        begun = True
        files.sync_directory(layout.volumes)
    finally:
        if not begun:
            discard(files, fresh)


def discard(files: IFiles, fresh: Fresh) -> None:
    """Drop a file that did not leave staging."""
    with suppress(OSError):  # what is left in staging is removed at the next start
        files.close(fresh.fd)
        files.unlink(fresh.path)


class Spare:
    """A zeroed file that waits for the log to need it.  `take` and `close` are the writer's."""

    log = Logger()

    def __init__(
        self, files: IFiles, layout: Layout, size: int, in_background: InBackground, health: Health
    ) -> None:
        self._files = files
        self._layout = layout
        self._size = size
        self._in_background = in_background
        self._health = health
        self._fresh: Fresh | None = None
        self._preparing = False
        self._stopping = False

    @property
    def ready(self) -> bool:
        """Whether `take` will give one."""
        return self._fresh is not None

    @property
    def begun(self) -> bool:
        """Whether there is one, or it is being made."""
        return self._preparing or self._fresh is not None

    def prepare(self) -> None:
        """Begin to make one, unless that was begun."""
        if not self.begun and not self._stopping:
            self._preparing = True
            self._in_background(self._make)

    def _make(self) -> None:
        try:
            self._fresh = self._zeroed()
        except OSError as error:
            # A full disk is no harm: the log goes on without zeroed space.
            self._health.wrote("zeroing a volume", error)
        finally:
            self._preparing = False

    def _zeroed(self) -> Fresh | None:
        """A zeroed file, or None when `close` was called in the middle."""
        fresh, whole = fresh_file(self._files, self._layout), False
        try:
            for offset in range(0, self._size, len(_PIECE)):
                if self._stopping:
                    return None
                piece = memoryview(_PIECE)[: self._size - offset]
                self._files.write(fresh.fd, [piece], offset)
            self._files.sync(fresh.fd)
            whole = True
        finally:
            if not whole:
                discard(self._files, fresh)
        return Fresh(fresh.fd, fresh.path, max(self._size, FIRST_RECORD))

    def take(self) -> Fresh | None:
        """The zeroed file, if there is one."""
        fresh, self._fresh = self._fresh, None
        return fresh

    def close(self) -> None:
        """Stop preparing, and drop what was prepared."""
        self._stopping = True
        self._in_background.wait()
        fresh = self.take()
        if fresh is not None:
            discard(self._files, fresh)
