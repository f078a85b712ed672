"""
Opening the volumes of a node: docs/disk-format.rst, "Start, and what may be cut".

What the index knows is taken over; the rest is read from the volumes.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, frozen
from twisted.logger import Logger

from godos.model.errors import CannotStart
from godos.storage.active import ActiveVolume, Numbers
from godos.storage.counters import Counters
from godos.storage.files import READ, WRITE, IFiles
from godos.storage.index import Index, KnownVolume, Place, Tombstone, key_of
from godos.storage.layout import Layout, volume_number
from godos.storage.ledger import FLUSH_AT, Ledger
from godos.storage.records import FIRST_RECORD, FORMAT, Kind, Record, VolumeHeader
from godos.storage.scan import Ending, Gap, Pages, find_end, scan
from godos.storage.volumes import Shelf, Volume

Known = dict[tuple[int, bytes], KnownVolume]  # what the index noted, by number and salt


@frozen
class VolumeFile:
    """A file in `volumes`; `header` is None when neither of its copies verifies."""

    path: str
    number: int
    header: VolumeHeader | None


def volume_files(files: IFiles, layout: Layout) -> list[VolumeFile]:
    """
    All volumes on the disk, in the order of their numbers.

    Raises:
        CannotStart: one is of a newer format.
    """
    numbers = sorted(
        number
        for name in files.names(layout.volumes)
        if (number := volume_number(name)) is not None
    )
    return [_read_header(files, layout.volume(number), number) for number in numbers]


def _read_header(files: IFiles, path: str, number: int) -> VolumeFile:
    fd = files.open(path, READ)
    try:
        header = VolumeHeader.decode(files.read(fd, FIRST_RECORD, 0))
    finally:
        files.close(fd)
    if header is not None and header.format > FORMAT:
        raise CannotStart(
            f"{path} was written by a newer godos (format {header.format}, this one knows {FORMAT})"
        )
    return VolumeFile(path, number, header)


def closed_numbers(found: Sequence[VolumeFile]) -> set[int]:
    """Volumes that are closed by their own flags, or because a later one was begun."""
    logs = [file.number for file in found if file.header is None or not file.header.compacted]
    newest = max(logs, default=0)
    return {file.number for file in found if file.number not in logs or file.number != newest}


@define
class Recovery:
    """Fills an empty shelf and ledger from the disk, and finds where the log goes on."""

    files: IFiles
    layout: Layout
    index: Index
    shelf: Shelf
    ledger: Ledger
    counters: Counters
    log = Logger()

    def recover(self, active: ActiveVolume) -> int:
        """Bring all up to date, `active` to the end of the log; answers the next sequence."""
        self.files.sync_directory(self.layout.volumes)  # a name may be seen, and not be durable
        found = volume_files(self.files, self.layout)
        known = {(volume.number, volume.salt): volume for volume in self.index.volumes()}
        next_id = max((volume.id for volume in known.values()), default=0) + 1
        if found and not known:
            self.log.info(
                "{path} has no index: reading {count} volumes",
                path=self.layout.root,
                count=len(found),
            )
        volumes = self._shelve(found, known, next_id)
        self.ledger.load()
        for volume in volumes:
            self._replay(volume)
        self.ledger.flush()
        numbers = Numbers(
            volume=max((file.number for file in found), default=0) + 1,
            id=max((volume.id + 1 for volume in volumes), default=next_id),
        )
        self._resume(active, volumes, numbers)
        return max((_next_sequence(volume) for volume in volumes), default=1)

    def _shelve(self, found: Sequence[VolumeFile], known: Known, next_id: int) -> list[Volume]:
        """Put all volumes on the shelf, and let the index forget those that are no more."""
        closed = closed_numbers(found)
        volumes = []
        for file in found:
            header = file.header or self._without_header(file, known)
            if header is None:
                continue
            noted = known.pop((header.number, header.salt), None)
            if noted is not None:
                volume = _as_noted(noted, file.path, header)
            else:
                volume = Volume(next_id, file.path, header)
                next_id += 1
            volume.closed = volume.closed or file.number in closed
            self.shelf.add(volume)
            volumes.append(volume)
        with self.index.transaction():
            for gone in known.values():
                self.log.info(
                    "volume {number} of {path} is not there as the index knew it",
                    number=gone.number,
                    path=self.layout.root,
                )
                self.index.forget_volume(gone.id)
        return volumes

    def _without_header(self, file: VolumeFile, known: Known) -> VolumeHeader | None:
        """Make do with what the index noted, if anything."""
        self.counters.damaged += 1
        self.log.error("both headers of volume {path} are damaged", path=file.path)
        noted = [volume for volume in known.values() if volume.number == file.number]
        if len(noted) != 1:
            return None
        return VolumeHeader(file.number, noted[0].salt, bytes(16), noted[0].lowest)

    # -- one volume ---------------------------------------------------------------------
    def _replay(self, volume: Volume) -> None:
        """Read what the index does not know of a volume, and cut what was never acknowledged."""
        fd = self.files.open(volume.path, READ)
        try:
            size = self.files.size(fd)
            ending = Ending(size, size, closed=True)
            if not volume.closed:
                pages = Pages(self.files, fd, size)
                ending = find_end(pages, volume.synced, volume.salted, volume.synced)
            if ending.mark > size:
                self._report(volume, Gap(size, ending.mark))
            self._read(volume, Pages(self.files, fd, min(size, ending.end)))
        finally:
            self.files.close(fd)
        if not volume.closed:
            volume.closed = ending.closed
            volume.end = ending.end
            self._cut(volume, ending)
        volume.synced = volume.end
        self.ledger.touch(volume)

    def _read(self, volume: Volume, pages: Pages) -> None:
        for found in scan(pages, volume.synced, volume.salted):
            if isinstance(found, Gap):
                self._report(volume, found)
                volume.end = found.stop
                continue
            volume.saw(found.record.sequence)
            self._note(volume, found.record)
            volume.end = volume.synced = found.record.end
            if self.ledger.waiting >= FLUSH_AT:
                self.ledger.touch(volume)
                self.ledger.flush()

    def _note(self, volume: Volume, record: Record) -> None:
        if record.name is None:
            return
        key = key_of(record.name)
        if record.kind == Kind.FRAGMENT:
            place = Place(volume.id, record.offset, record.head, record.length, record.sequence)
            self.ledger.replay(key, place)
        elif record.kind == Kind.TOMBSTONE:
            self.ledger.kill(Tombstone(key, record.killed, record.sequence, volume.id))

    def _report(self, volume: Volume, gap: Gap) -> None:
        self.counters.damaged += 1
        volume.broken = True
        self.log.error(
            "volume {path} is damaged from {start} to {stop}: what was stored there is lost",
            path=volume.path,
            start=gap.start,
            stop=gap.stop,
        )

    def _cut(self, volume: Volume, ending: Ending) -> None:
        """Make what is there durable, and wipe what follows it."""
        fd = self.files.open(volume.path, WRITE)
        try:
            if ending.litter:
                self.files.truncate(fd, ending.end)
                self.counters.cuts += 1
                self.log.info(
                    "cut an unfinished write off {path} at {end}",
                    path=volume.path,
                    end=ending.end,
                )
            self.files.sync(fd)
        finally:
            self.files.close(fd)

    def _resume(self, active: ActiveVolume, volumes: list[Volume], numbers: Numbers) -> None:
        open_ones = [volume for volume in volumes if not volume.closed]
        if not open_ones:
            active.resume(numbers, None, -1, 0)
            return
        volume = open_ones[-1]
        fd = self.files.open(volume.path, WRITE)
        active.resume(numbers, volume, fd, self.files.size(fd))


def _as_noted(noted: KnownVolume, path: str, header: VolumeHeader) -> Volume:
    return Volume(
        noted.id,
        path,
        header,
        end=noted.synced,
        synced=noted.synced,
        closed=bool(noted.closed),
        live=noted.live,
        kept=noted.kept,
        lowest=noted.lowest,
        highest=noted.highest,
        broken=bool(noted.broken),
    )


def _next_sequence(volume: Volume) -> int:
    header = volume.header
    return max(volume.highest + 1, header.first_sequence, header.purged + 1)
