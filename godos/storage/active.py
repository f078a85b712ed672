"""The volume that grows: docs/disk-format.rst, "Writing"."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import frozen

from godos.model.errors import NodeFull
from godos.model.fragments import Pieces
from godos.storage.counters import Counters
from godos.storage.files import IFiles
from godos.storage.health import Health, is_full
from godos.storage.layout import Layout
from godos.storage.records import FIRST_RECORD, FIXED, Kind, Record, VolumeHeader
from godos.storage.spare import Spare, begin_volume, fresh_file
from godos.storage.volumes import Shelf, Volume

Piece = bytes | bytearray | memoryview

VOLUME_SIZE = 64 << 20  # bytes
HEADROOM = 64 << 10  # bytes at a volume's end that only tombstones may use
BUSY_NODE = 4 << 20  # bytes in a node's first volume before one is zeroed in advance


@frozen
class Sizes:
    """In bytes: how large a volume gets, and how much of the disk must stay free."""

    volume: int = VOLUME_SIZE
    reserve: int = 0

    @property
    def headroom(self) -> int:
        """What only tombstones may use of a volume."""
        return min(HEADROOM, self.volume // 16)


@frozen
class Numbers:
    """The next of each: a volume's number, and its id in the index."""

    volume: int
    id: int


class ActiveVolume:
    """
    Appends to the newest volume, closes it when it is full, and begins the next.

    Its errors are OSErrors translated: NodeFull, after which the file is as before, and
    NodeFailed.
    """

    def __init__(
        self,
        files: IFiles,
        layout: Layout,
        node: bytes,
        sizes: Sizes,
        shelf: Shelf,
        spare: Spare,
        health: Health,
        counters: Counters,
        new_salt: Callable[[], bytes],
    ) -> None:
        self._files = files
        self._layout = layout
        self._node = node
        self._sizes = sizes
        self._shelf = shelf
        self._spare = spare
        self._health = health
        self._counters = counters
        self._new_salt = new_salt
        self._next = Numbers(1, 1)
        self._fd = -1
        self._zeroed = 0  # the file holds zeros from the volume's end up to there
        self._ended = False  # its last record is an end
        self.volume: Volume | None = None

    def resume(self, numbers: Numbers, volume: Volume | None, fd: int, size: int) -> None:
        """Start with what was found on the disk; `volume`, open as `fd`, is zeroed to `size`."""
        self._next, self.volume, self._fd, self._zeroed = numbers, volume, fd, size

    def new_id(self) -> int:
        """A volume's id that was never used."""
        self._next = Numbers(self._next.volume, self._next.id + 1)
        return self._next.id - 1

    def fits(self, offset: int, size: int, tombstone: bool = False) -> bool:
        """Whether a record of `size` bytes at `offset` leaves the room that must be left."""
        if self.volume is None:
            return False
        left = 2 * FIXED if tombstone else self._sizes.headroom
        return offset + size <= self._sizes.volume - left or offset == FIRST_RECORD

    # -- writing ------------------------------------------------------------------------
    def write(self, pieces: Pieces, size: int, sync: bool = True) -> None:
        """Append `size` bytes of whole records."""
        volume = self._current()
        end = volume.end
        try:
            self._files.write(self._fd, pieces, end)
        except OSError as error:
            raise self._cut_back(volume, error) from error
        volume.end = end + size
        self._ended = False
        if sync:
            self.sync()

    def sync(self) -> None:
        """Make all that was written durable."""
        volume = self._current()
        if volume.synced == volume.end:
            return
        try:
            self._files.sync(self._fd)
        except OSError as error:
            raise self._health.fail("syncing a volume", error) from error
        volume.synced = volume.end
        self._counters.log_syncs += 1

    def _current(self) -> Volume:
        if self.volume is None:
            raise RuntimeError("no volume was begun")
        return self.volume

    def _cut_back(self, volume: Volume, error: OSError) -> Exception:
        """Undo a write that did not fit; answers what to raise."""
        if is_full(error):
            try:
                self._files.truncate(self._fd, volume.end)
                self._files.sync(self._fd)
            except OSError as worse:
                return self._health.fail("cutting back a volume", worse)
            self._zeroed = volume.end
            volume.synced = volume.end
        return self._health.wrote("writing a volume", error)

    # -- the next one -------------------------------------------------------------------
    def look_ahead(self) -> bool:
        """Have the next volume zeroed in time; True when it should be used now."""
        volume = self.volume
        if volume is None:
            return False
        appending = volume.end >= self._zeroed
        soon = volume.end > self._sizes.volume // 2 or (appending and volume.end > BUSY_NODE)
        if soon and not self._spare.begun and self._is_roomy():
            self._spare.prepare()
        return appending and self._spare.ready

    def _is_roomy(self) -> bool:
        """Whether there is room for zeros that nothing needs yet."""
        try:
            self.check_room(2 * self._sizes.volume)
        except NodeFull:
            return False
        return True

    def check_room(self, size: int) -> None:
        """Raises NodeFull when `size` more bytes would not leave the reserve."""
        try:
            free = self._files.room(self._layout.root).free
        except OSError as error:
            raise self._health.wrote("asking for free room", error) from error
        if free < self._sizes.reserve + size:
            raise NodeFull(f"only {free} bytes are free, and {self._sizes.reserve} must stay so")

    def roll(self, sequence: int) -> None:
        """Close the volume with a record of this sequence number, and begin the next one."""
        self.check_room(FIRST_RECORD)
        old = self.volume
        if old is not None and not self._ended:
            end = Record(Kind.END, None, sequence, old.end, old.synced)
            self.write([end.encode(old.salted)], FIXED)
            old.saw(sequence)
            self._ended = True
        old_fd = self._fd
        self._begin(sequence + 1)
        if old is not None:
            self._close(old, old_fd)

    def _begin(self, first_sequence: int) -> None:
        header = VolumeHeader(self._next.volume, self._new_salt(), self._node, first_sequence)
        try:
            fresh = self._spare.take() or fresh_file(self._files, self._layout)
            begin_volume(self._files, self._layout, fresh, header)
        except OSError as error:
            raise self._health.wrote("beginning a volume", error) from error
        volume = Volume(self._next.id, self._layout.volume(header.number), header)
        self._next = Numbers(header.number + 1, volume.id + 1)
        self.volume, self._fd, self._zeroed, self._ended = volume, fresh.fd, fresh.size, False
        self._shelf.add(volume)

    def _close(self, volume: Volume, fd: int) -> None:
        volume.closed = True
        try:
            self._files.truncate(fd, volume.end)
            self._files.sync(fd)
            self._files.close(fd)
        except OSError as error:
            raise self._health.fail("closing a volume", error) from error

    def close(self) -> None:
        """Let go of the file."""
        if self.volume is not None:
            self._files.close(self._fd)
            self.volume = None


def padded(record: Record, head: bytes, payload: Pieces) -> Iterator[Piece]:
    """A record as it is written: head, payload and padding."""
    yield head
    yield from payload
    padding = record.size - record.head - record.length
    if padding:
        yield bytes(padding)
