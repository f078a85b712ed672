"""
Which fragments the volumes hold: the index, and what it does not know yet.

Changes wait in memory and reach SQLite many at a time.  The log they came from is durable,
so nothing is lost with them.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from godos.storage.index import Index, Place, Tombstone, key_of
from godos.storage.records import Kind, Record, aligned
from godos.storage.volumes import Shelf, Volume

FLUSH_AT = 1024  # changes that wait for the index at most, before the writer goes on


class Ledger:
    """
    Answers `find` in any thread; changed by the writer alone.

    `owed` are records that newer ones have replaced and that still need a tombstone, by
    name and sequence number.
    """

    def __init__(self, index: Index, shelf: Shelf) -> None:
        self._index = index
        self._shelf = shelf
        self._recent: dict[bytes, Place | None] = {}  # None: removed
        self._tombstones: dict[tuple[bytes, int], Tombstone] = {}
        self._touched: dict[int, Volume] = {}
        self._owed_noted = True  # the index has `owed` as it is
        self.owed: dict[tuple[bytes, int], Place] = {}

    # -- any thread ---------------------------------------------------------------------
    def find(self, key: bytes) -> Place | None:
        """Where that fragment is."""
        recent = self._recent  # the writer replaces the dictionary, it never empties it
        if key in recent:
            return recent[key]
        return self._index.find(key)

    def page(self, start: bytes, stop: bytes | None, limit: int) -> list[bytes]:
        """Names from `start` on, before `stop`, in order: at most `limit`."""
        recent = self._recent
        changed = {
            key: place
            for key, place in list(recent.items())
            if key >= start and (stop is None or key < stop)
        }
        gone = sum(place is None for place in changed.values())
        names = set(self._index.page(start, stop, limit + gone))
        names.update(changed)
        names.difference_update(key for key, place in changed.items() if place is None)
        return sorted(names)[:limit]

    # -- the writer ---------------------------------------------------------------------
    def load(self) -> None:
        """Take over what the index knows, once it has forgotten the volumes that are gone."""
        self.owed = {(key, place.sequence): place for key, place in self._index.owed()}

    @property
    def waiting(self) -> int:
        """Changes that the index does not have yet."""
        return len(self._recent) + len(self._tombstones) + len(self._touched)

    def standing(self, key: bytes) -> list[Place]:
        """All records of that fragment that no tombstone removes: one, or none, or more."""
        found = [place for (name, _), place in self.owed.items() if name == key]
        recent = self._recent.get(key)
        if recent is not None:
            found.append(recent)
        indexed = self._index.find_now(key)
        if indexed is not None and indexed != recent and not self._killed(key, indexed.sequence):
            found.append(indexed)
        return found

    def put(self, key: bytes, place: Place) -> None:
        """A fragment's record became durable, and is newer than all others of that name."""
        older = self._recent.get(key)
        if older is not None:
            self._owe(key, older)
        self._recent[key] = place
        self._count(place, 1)

    def replay(self, key: bytes, place: Place) -> None:
        """A fragment's record was read at start; it may be older than others of that name."""
        if self._killed(key, place.sequence):
            return
        standing = self.standing(key)
        if any(other.sequence == place.sequence for other in standing):
            return  # compaction was interrupted between rename and deletion
        if all(other.sequence < place.sequence for other in standing):
            self._recent[key] = place
            for other in standing:
                self._owe(key, other)
        else:
            self._owe(key, place)
        self._count(place, 1)

    def kill(self, tombstone: Tombstone) -> None:
        """A tombstone is durable; at start the record it removes may not be read yet."""
        key, killed = tombstone.name, tombstone.killed
        known = self._killed(key, killed)
        standing = self.standing(key)
        self._tombstones[key, killed] = tombstone
        if self.owed.pop((key, killed), None) is not None:
            self._owed_noted = False
        if known:
            return
        for place in standing:
            if place.sequence == killed:
                self._count(place, -1)
                break
        current = self._recent[key] if key in self._recent else self._index.find_now(key)
        if current is not None and current.sequence == killed:
            self._recent[key] = None

    def _owe(self, key: bytes, place: Place) -> None:
        self.owed[key, place.sequence] = place
        self._owed_noted = False

    def touch(self, volume: Volume) -> None:
        """What the volume says of itself changed."""
        self._touched[volume.id] = volume

    def flush(self) -> None:
        """Bring the index up to date."""
        if not self.waiting:
            return
        recent, tombstones, touched = self._recent, self._tombstones, self._touched
        owed = dict(self.owed)
        with self._index.transaction():
            self._index.add_tombstones(tombstones.values())
            self._index.remove(key for key, place in recent.items() if place is None)
            rows = [(key, place) for key, place in recent.items() if place is not None]
            if not self._index.add(rows):
                for key, place in self._replace(rows):
                    owed[key, place.sequence] = place
            if not self._owed_noted or owed != self.owed:
                self._index.set_owed((key, place) for (key, _), place in owed.items())
            for volume in touched.values():
                self._index.save_volume(volume)
        self.owed, self._owed_noted = owed, True
        self._recent, self._tombstones, self._touched = {}, {}, {}

    def move(self, volume: Volume, records: Sequence[Record], sources: Container[int]) -> None:
        """Compaction copied `records` of the volumes `sources` into `volume`."""
        with self._index.transaction():
            for record in records:
                if record.name is None:
                    continue
                key = key_of(record.name)
                if record.kind == Kind.TOMBSTONE:
                    self._index.move_tombstone(key, record.killed, volume.id)
                    continue
                old = self._index.find_now(key)
                if old is None or old.sequence != record.sequence or old.volume not in sources:
                    continue  # it was removed meanwhile
                place = old._replace(volume=volume.id, offset=record.offset)
                self._index.replace(key, place)
                self._count(old, -1)
                self._count(place, 1)
            self._index.save_volume(volume)

    def retire(self, volume: Volume | None, sources: Sequence[Volume]) -> None:
        """`volume`, if any, has taken the place of `sources`."""
        with self._index.transaction():
            for source in sources:
                self._index.forget_volume(source.id, fragments=source.live != 0)
                self._touched.pop(source.id, None)
            if volume is not None:
                self._index.save_volume(volume)

    def _replace(self, rows: list[tuple[bytes, Place]]) -> list[tuple[bytes, Place]]:
        """Write fragments over others of the same name; answers those that were not removed."""
        replaced = []
        for key, place in rows:
            older = self._index.find_now(key)
            if older is None or older == place:
                continue
            self._index.replace(key, place)
            if not self._index.tombstone_now(key, older.sequence):
                replaced.append((key, older))
        return replaced

    def _killed(self, key: bytes, sequence: int) -> bool:
        return (key, sequence) in self._tombstones or self._index.tombstone_now(key, sequence)

    def _count(self, place: Place, sign: int) -> None:
        volume = self._shelf.get(place.volume)
        if volume is not None:
            volume.live += sign * aligned(place.head + place.length)
            self.touch(volume)
