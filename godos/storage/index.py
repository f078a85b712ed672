"""
Where each fragment is in the volumes, in SQLite: docs/disk-format.rst, "The index".

The writer thread owns the one connection that writes; readers share a few of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import apsw

from godos.model.names import FragmentName
from godos.storage.files import IFiles
from godos.storage.volumes import Volume

_VERSION = 1  # of this schema; another one is made anew from the volumes
_BUSY = 10_000  # milliseconds

_SCHEMA = """
CREATE TABLE volume(
    id INTEGER PRIMARY KEY, number INTEGER, salt BLOB, synced INTEGER, closed INTEGER,
    live INTEGER, kept INTEGER, lowest INTEGER, highest INTEGER, broken INTEGER);
CREATE TABLE fragment(
    name BLOB PRIMARY KEY, volume INTEGER, offset INTEGER, head INTEGER, length INTEGER,
    sequence INTEGER) WITHOUT ROWID;
CREATE TABLE tombstone(
    name BLOB, killed INTEGER, sequence INTEGER, volume INTEGER,
    PRIMARY KEY(name, killed)) WITHOUT ROWID;
CREATE TABLE owed(
    name BLOB, volume INTEGER, offset INTEGER, head INTEGER, length INTEGER, sequence INTEGER);
CREATE INDEX tombstone_volume ON tombstone(volume);
"""
_FIND = "SELECT volume, offset, head, length, sequence FROM fragment WHERE name = ?"
_ADD = "INSERT OR IGNORE INTO fragment VALUES(?, ?, ?, ?, ?, ?)"
_REPLACE = "INSERT OR REPLACE INTO fragment VALUES(?, ?, ?, ?, ?, ?)"
_SAVE_VOLUME = "INSERT OR REPLACE INTO volume VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Place(NamedTuple):
    """Where a fragment's record is: `head` and `length` (of the payload) in bytes."""

    volume: int  # its id
    offset: int
    head: int
    length: int
    sequence: int


class Tombstone(NamedTuple):
    """The record of `name` with sequence number `killed` is removed by record `sequence`."""

    name: bytes
    killed: int
    sequence: int
    volume: int  # id of that which holds the tombstone


class KnownVolume(NamedTuple):
    """What the index noted of a volume."""

    id: int
    number: int
    salt: bytes
    synced: int
    closed: int
    live: int
    kept: int
    lowest: int
    highest: int
    broken: int


def key_of(name: FragmentName) -> bytes:
    """A fragment's name as the index has it: its order is that of the names."""
    return bytes.fromhex(name.incarnation) + name.index.to_bytes(2, "big")


def name_of(key: bytes) -> FragmentName:
    """The opposite of `key_of`."""
    return FragmentName(key[:16].hex(), int.from_bytes(key[16:], "big"))


class Index:
    """
    The SQLite file.  `find` and `page` may be called from any thread, all else only by the
    writer.
    """

    def __init__(self, files: IFiles, path: str) -> None:
        self._files = files
        self._path = path
        self._readers: list[apsw.Connection] = []
        self._writer = self._open()

    def _open(self) -> apsw.Connection:
        try:
            connection = self._connect()
            version = connection.pragma("user_version")
            if version == _VERSION:
                connection.execute("SELECT count(*) FROM volume").get  # noqa: B018 - reads it
                return connection
            fresh = version == 0 and not connection.execute("SELECT 1 FROM sqlite_schema").get
        except (apsw.NotADBError, apsw.CorruptError, apsw.SQLError):
            fresh = False
        if not fresh:
            self._files.delete_database(self._path)
            connection = self._connect()
        with connection:
            connection.execute(_SCHEMA)
            connection.pragma("user_version", _VERSION)
        return connection

    def _connect(self) -> apsw.Connection:
        connection = self._files.database(self._path)
        connection.set_busy_timeout(_BUSY)
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "normal")
        connection.pragma("wal_autocheckpoint", 4000)
        return connection

    def close(self) -> None:
        """Let go of the file."""
        for connection in [*self._readers, self._writer]:
            connection.close()
        self._readers.clear()

    @contextmanager
    def _reading(self) -> Iterator[apsw.Connection]:
        try:
            connection = self._readers.pop()
        except IndexError:
            connection = self._files.database(self._path)
            connection.set_busy_timeout(_BUSY)
        try:
            yield connection
        finally:
            self._readers.append(connection)

    # -- reading ------------------------------------------------------------------------
    def find(self, key: bytes) -> Place | None:
        """Where that fragment is."""
        try:
            connection = self._readers.pop()
        except IndexError:
            with self._reading() as connection:
                return _first(connection, key)
        try:
            return _first(connection, key)
        finally:
            self._readers.append(connection)

    def page(self, start: bytes, stop: bytes | None, limit: int) -> list[bytes]:
        """Names from `start` on, before `stop`, in order."""
        with self._reading() as connection:
            if stop is None:
                rows = connection.execute(
                    "SELECT name FROM fragment WHERE name >= ? ORDER BY name LIMIT ?",
                    (start, limit),
                )
            else:
                rows = connection.execute(
                    "SELECT name FROM fragment WHERE name >= ? AND name < ? ORDER BY name LIMIT ?",
                    (start, stop, limit),
                )
            return [name for (name,) in rows]

    # -- the writer ---------------------------------------------------------------------
    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is written within is written at once, or, after an error, not at all."""
        # Not apsw's own `with connection`: a full disk ends a transaction by itself, and
        # rolling it back once more would hide that error behind another.
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise

    def find_now(self, key: bytes) -> Place | None:
        """As `find`, within the transaction."""
        return _first(self._writer, key)

    def tombstone_now(self, key: bytes, killed: int) -> bool:
        """Whether a tombstone removes that record, within the transaction."""
        row = self._writer.execute(
            "SELECT 1 FROM tombstone WHERE name = ? AND killed = ?", (key, killed)
        ).fetchone()
        return row is not None

    def add(self, rows: Sequence[tuple[bytes, Place]]) -> bool:
        """Insert fragments that are not there yet; tells whether all of them were new."""
        before = self._writer.total_changes()
        self._writer.executemany(_ADD, [(key, *place) for key, place in rows])
        return self._writer.total_changes() - before == len(rows)

    def replace(self, key: bytes, place: Place) -> None:
        """Insert or change one fragment."""
        self._writer.execute(_REPLACE, (key, *place))

    def remove(self, keys: Iterable[bytes]) -> None:
        """Delete fragments."""
        self._writer.executemany("DELETE FROM fragment WHERE name = ?", [(key,) for key in keys])

    def add_tombstones(self, tombstones: Iterable[Tombstone]) -> None:
        """Note tombstones."""
        self._writer.executemany("INSERT OR REPLACE INTO tombstone VALUES(?, ?, ?, ?)", tombstones)

    def move_tombstone(self, key: bytes, killed: int, volume_id: int) -> None:
        """A tombstone stands in another volume now."""
        self._writer.execute(
            "UPDATE tombstone SET volume = ? WHERE name = ? AND killed = ?",
            (volume_id, key, killed),
        )

    def owed(self) -> list[tuple[bytes, Place]]:
        """Records that newer ones have replaced, and that need a tombstone yet."""
        rows = self._writer.execute("SELECT * FROM owed")
        return [(key, Place(*place)) for key, *place in rows]

    def set_owed(self, rows: Iterable[tuple[bytes, Place]]) -> None:
        """Note which records need a tombstone."""
        self._writer.execute("DELETE FROM owed")
        self._writer.executemany(
            "INSERT INTO owed VALUES(?, ?, ?, ?, ?, ?)", [(key, *place) for key, place in rows]
        )

    def forget_volume(self, volume_id: int, fragments: bool = True) -> None:
        """
        Delete all that is known of a volume.

        Looking for its `fragments` reads the whole table; False: it has none left.
        """
        if fragments:
            self._writer.execute("DELETE FROM fragment WHERE volume = ?", (volume_id,))
        self._writer.execute("DELETE FROM tombstone WHERE volume = ?", (volume_id,))
        self._writer.execute("DELETE FROM owed WHERE volume = ?", (volume_id,))
        self._writer.execute("DELETE FROM volume WHERE id = ?", (volume_id,))

    def save_volume(self, volume: Volume) -> None:
        """Note what a volume has become, as of its last sync."""
        self._writer.execute(
            _SAVE_VOLUME,
            (
                volume.id,
                volume.number,
                volume.header.salt,
                volume.synced,
                volume.closed,
                volume.live,
                volume.kept,
                volume.lowest,
                volume.highest,
                volume.broken,
            ),
        )

    def volumes(self) -> list[KnownVolume]:
        """What was noted of all volumes."""
        return [KnownVolume(*row) for row in self._writer.execute("SELECT * FROM volume")]

    def highest_sequence(self) -> int:
        """Of all records that were noted."""
        return int(self._writer.execute("SELECT coalesce(max(highest), 0) FROM volume").get)


def _first(connection: apsw.Connection, key: bytes) -> Place | None:
    row = connection.execute(_FIND, (key,)).fetchone()
    return None if row is None else Place(*row)
