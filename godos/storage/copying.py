"""Copying what still counts of some volumes into a new file.  All of it blocks."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

from attrs import evolve, frozen

from godos.model.errors import FragmentDamaged
from godos.storage.active import Piece, padded
from godos.storage.files import IFiles
from godos.storage.health import Health
from godos.storage.index import key_of
from godos.storage.layout import Layout
from godos.storage.ledger import Ledger
from godos.storage.records import FIRST_RECORD, Kind, Parsed, VolumeHeader
from godos.storage.scan import Gap, Pages, scan
from godos.storage.spare import discard, fresh_file
from godos.storage.volumes import Shelf, Volume

_STEP_BYTES = 1 << 20  # that one step writes
_STEP_RECORDS = 256  # that one step looks at


class VolumeDamaged(FragmentDamaged):
    """A volume cannot be read from end to end, and so not be copied."""

    def __init__(self, volume: Volume) -> None:
        super().__init__(f"volume {volume.path} is damaged and cannot be compacted")
        self.volume = volume


def still_needed(killed: int, sequence: int, others: Sequence[Volume]) -> bool:
    """Whether one of the `others` may hold the record that tombstone `sequence` removes."""
    return any(
        volume.header.purged < sequence and volume.lowest <= killed <= volume.highest
        for volume in others
    )


@frozen
class Source:
    """What is copied: `volumes`, of which the copy replaces the first."""

    shelf: Shelf
    ledger: Ledger
    volumes: Sequence[Volume]


class Copy:
    """
    A new volume in staging with what counts of the source.

    Call `step` until it answers False; `volume` is complete and durable then, but for its
    id and path.
    """

    def __init__(
        self, files: IFiles, layout: Layout, health: Health, source: Source, header: VolumeHeader
    ) -> None:
        self._files = files
        self._health = health
        self._source = source
        self._others = [volume for volume in source.shelf if volume is not source.volumes[0]]
        self._fresh = fresh_file(files, layout)
        self._pieces: list[Piece] = [header.encode()]
        self._written = 0
        self._steps = self._copy()
        self.volume = Volume(0, self._fresh.path, header, closed=True)

    def step(self) -> bool:
        """
        Copy some more; False when nothing is left to do.

        Raises:
            VolumeDamaged: not everything can be found; `drop` the copy.
            NodeFull, NodeFailed: likewise.
        """
        return next(self._steps, False)

    def drop(self) -> None:
        """Delete the copy, wherever it stands."""
        self._steps.close()
        discard(self._files, self._fresh)

    def let_go(self) -> None:
        """Close the file, which is complete and was moved."""
        self._files.close(self._fresh.fd)

    @property
    def empty(self) -> bool:
        """Whether nothing counts any more."""
        return self.volume.end == FIRST_RECORD

    # -- the steps ----------------------------------------------------------------------
    def _copy(self) -> Generator[bool]:
        for volume in self._source.volumes:
            for seen, (found, pages) in enumerate(self._records(volume), 1):
                if self._counts(volume, found):
                    self._append(found, self._payload(volume, found, pages))
                if self._pending() >= _STEP_BYTES or seen % _STEP_RECORDS == 0:
                    self._write()
                    yield True
        self._write()
        self._sync()

    def _records(self, volume: Volume) -> Iterator[tuple[Parsed, Pages]]:
        taken = self._source.shelf.take(volume.id)
        if taken is None:
            raise RuntimeError("a volume vanished under compaction")
        try:
            pages = Pages(self._files, taken[1], volume.end)
            for found in scan(pages, FIRST_RECORD, volume.salted):
                if isinstance(found, Gap):
                    raise VolumeDamaged(volume)
                yield found, pages
        except OSError as error:
            raise VolumeDamaged(volume) from error
        finally:
            self._source.shelf.give_back(volume)

    def _counts(self, volume: Volume, found: Parsed) -> bool:
        record = found.record
        if record.name is None:
            return False
        if record.kind == Kind.TOMBSTONE:
            return still_needed(record.killed, record.sequence, self._others)
        place = self._source.ledger.find(key_of(record.name))
        return place is not None and (place.volume, place.offset) == (volume.id, record.offset)

    def _payload(self, volume: Volume, found: Parsed, pages: Pages) -> bytes:
        """As it stands there: what fails its check still does in the copy."""
        record = found.record
        try:
            payload = pages.get(record.offset + record.head, record.length)
        except OSError as error:
            raise VolumeDamaged(volume) from error
        if len(payload) < record.length:
            raise VolumeDamaged(volume)
        return payload

    def _append(self, found: Parsed, payload: bytes) -> None:
        volume, old = self.volume, found.record
        record = evolve(old, offset=volume.end, synced=FIRST_RECORD)
        head = record.encode(volume.salted, found.description + found.checks)
        self._pieces.extend(padded(record, head, [payload]))
        volume.end = record.end
        volume.saw(record.sequence)
        if record.kind == Kind.TOMBSTONE:
            volume.kept += record.size

    def _pending(self) -> int:
        return self.volume.end - self._written

    def _write(self) -> None:
        if self._pieces:
            try:
                self._files.write(self._fresh.fd, self._pieces, self._written)
            except OSError as error:
                raise self._health.wrote("compacting", error) from error
            self._written = self.volume.end
            self._pieces = []

    def _sync(self) -> None:
        try:
            self._files.sync(self._fresh.fd)
        except OSError as error:
            raise self._health.fail("syncing a compacted volume", error) from error
