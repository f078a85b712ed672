"""The volumes of a node, and the few of them that are open at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from threading import Lock

from attrs import define, field

from godos.storage.files import READ, IFiles
from godos.storage.records import FIRST_RECORD, VolumeHeader, salt_check

OPEN_FILES = 64  # volumes that stay open for readers although nobody reads them


@define(eq=False)
class Volume:
    """
    One volume.  Offsets and sizes in bytes; the writer alone changes them.

    `id` is the index's: a volume that compaction wrote anew has the number of the old one and
    another id.  `live` counts records that are still needed, `kept` tombstones that
    compaction could not leave out, `lowest` and `highest` are sequence numbers.
    """

    id: int
    path: str
    header: VolumeHeader
    end: int = FIRST_RECORD
    synced: int = FIRST_RECORD
    closed: bool = False
    live: int = 0
    kept: int = 0
    lowest: int = 0
    highest: int = 0
    broken: bool = False  # a record's fixed part is damaged
    retiring: bool = False  # compaction has replaced it
    salted: int = field(init=False)
    _fd: int | None = field(default=None, init=False)
    _readers: int = field(default=0, init=False)
    _gone: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.salted = salt_check(self.header.salt)

    @property
    def number(self) -> int:
        return self.header.number

    def saw(self, sequence: int) -> None:
        """A record with this sequence number is in the volume."""
        self.lowest = sequence if not self.lowest else min(self.lowest, sequence)
        self.highest = max(self.highest, sequence)


class Shelf:
    """
    All volumes by id.  Readers in any thread `take` one and `give_back` it.

    A volume that is dropped stays open for those who took it.
    """

    def __init__(self, files: IFiles) -> None:
        self._files = files
        self._volumes: dict[int, Volume] = {}
        self._idle: OrderedDict[int, Volume] = OrderedDict()  # open, and nobody reads
        self._lock = Lock()

    def __iter__(self) -> Iterator[Volume]:
        with self._lock:
            return iter(sorted(self._volumes.values(), key=lambda volume: volume.id))

    def get(self, volume_id: int) -> Volume | None:
        """The volume, unless it was dropped."""
        return self._volumes.get(volume_id)

    def add(self, volume: Volume) -> None:
        """Put a volume on the shelf."""
        with self._lock:
            self._volumes[volume.id] = volume

    def drop(self, volume_id: int) -> None:
        """Take a volume off the shelf; its file is closed when the last reader is done."""
        with self._lock:
            volume = self._volumes.pop(volume_id)
            volume._gone = True
            self._idle.pop(volume_id, None)
            if not volume._readers:
                self._close(volume)

    def take(self, volume_id: int) -> tuple[Volume, int] | None:
        """The volume and a descriptor to read it by; None when it was dropped."""
        with self._lock:
            volume = self._volumes.get(volume_id)
            if volume is None:
                return None
            if volume._fd is None:
                volume._fd = self._files.open(volume.path, READ)
            volume._readers += 1
            self._idle.pop(volume_id, None)
            return volume, volume._fd

    def give_back(self, volume: Volume) -> None:
        """The opposite of `take`."""
        with self._lock:
            volume._readers -= 1
            if volume._readers:
                return
            if volume._gone:
                self._close(volume)
                return
            self._idle[volume.id] = volume
            while len(self._idle) > OPEN_FILES:
                self._close(self._idle.popitem(last=False)[1])

    def close(self) -> None:
        """Drop all."""
        for volume in list(self):
            self.drop(volume.id)

    def _close(self, volume: Volume) -> None:
        if volume._fd is not None:
            self._files.close(volume._fd)
            volume._fd = None
