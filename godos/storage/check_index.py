"""The index compared with the log that it was made from.  It is only read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import apsw

from godos.model.names import FragmentName
from godos.storage.findings import Findings, Sort
from godos.storage.index import Place, key_of, name_of
from godos.storage.layout import Layout
from godos.storage.past_cache import PastCacheFiles
from godos.storage.records import Kind, Record

_FIND = "SELECT volume, offset, head, length, sequence FROM fragment WHERE name = ?"
_FILE = "index.sqlite"
_ADVICE = "delete index.sqlite*, and the next start makes it anew"


class KnownIndex:
    """
    What the index says.

    `volumes` has, by number and salt, the id of each volume and up to where it was read.
    """

    def __init__(self, connection: apsw.Connection, findings: Findings) -> None:
        self._connection = connection
        self._findings = findings
        self._matched: Counter[int] = Counter()
        self._counted: dict[int, int] | None = None
        self.volumes: dict[tuple[int, bytes], tuple[int, int]] = {
            (number, bytes(salt)): (volume, synced)
            for volume, number, salt, synced in connection.execute(
                "SELECT id, number, salt, synced FROM volume"
            )
        }

    def mark(self, number: int, salt: bytes) -> int:
        """Up to where the index has read this volume; 0: nothing of it."""
        return self.volumes.get((number, salt), (0, 0))[1]

    def salts(self, number: int) -> list[bytes]:
        """Of the volumes of this number that it knows."""
        return [salt for known, salt in self.volumes if known == number]

    def compare(self, number: int, salt: bytes, record: Record) -> None:
        """Is this fragment's record known, or known to be removed or replaced?"""
        volume, synced = self.volumes.get((number, salt), (0, 0))
        if record.kind != Kind.FRAGMENT or record.name is None or record.offset >= synced:
            return
        key = key_of(record.name)
        row = self._connection.execute(_FIND, (key,)).fetchone()
        here = Place(volume, record.offset, record.head, record.length, record.sequence)
        if row is not None:
            there = Place(*row)
            if there == here:
                self._matched[volume] += 1
                return
            if there.sequence > here.sequence:
                return
            if there.sequence == here.sequence and there.volume != here.volume:
                return  # compaction was interrupted between rename and deletion
        if not self._removed(key, record.sequence):
            what = f"not where volume {number:x} has it at {record.offset}: {_ADVICE}"
            self._findings.add(Sort.INDEX, _FILE, 0, what, record.name)

    def _removed(self, key: bytes, sequence: int) -> bool:
        row = self._connection.execute(
            "SELECT 1 FROM tombstone WHERE name = ? AND killed = ?", (key, sequence)
        ).fetchone()
        return row is not None

    def knows_more(self, number: int, salt: bytes) -> bool:
        """Whether it has fragments in a volume that were not compared with a record there."""
        if self._counted is None:
            rows = self._connection.execute("SELECT volume, count(*) FROM fragment GROUP BY volume")
            self._counted = {volume: count for volume, count in rows}  # noqa: C416 - rows are Any
        volume, _ = self.volumes.get((number, salt), (0, 0))
        return self._counted.get(volume, 0) != self._matched[volume]

    def rows(self, number: int, salt: bytes) -> Iterator[tuple[FragmentName, int, int]]:
        """Name, offset and sequence number of the fragments that it has in a volume."""
        volume, _ = self.volumes.get((number, salt), (0, 0))
        rows = self._connection.execute(
            "SELECT name, offset, sequence FROM fragment WHERE volume = ?", (volume,)
        )
        for key, offset, sequence in rows:
            yield name_of(bytes(key)), offset, sequence

    def strays(self) -> None:
        """Report fragments in volumes that it does not know itself."""
        rows = self._connection.execute(
            "SELECT name FROM fragment WHERE volume NOT IN (SELECT id FROM volume)"
        )
        for (key,) in rows:
            what = f"in a volume that the index does not know: {_ADVICE}"
            self._findings.add(Sort.INDEX, _FILE, 0, what, name_of(bytes(key)))

    def lacks(self, name: FragmentName, number: int, offset: int) -> None:
        """Report a fragment that no volume has where the index says."""
        what = f"not at {offset} of volume {number:x}: {_ADVICE}"
        self._findings.add(Sort.INDEX, _FILE, 0, what, name)


@contextmanager
def opened_index(
    files: PastCacheFiles, layout: Layout, findings: Findings
) -> Iterator[KnownIndex | None]:
    """The index; None when it is missing, or reported as damaged."""
    names = [name for name in files.names(layout.root) if name.startswith(_FILE)]
    if _FILE not in names:
        findings.add(Sort.LEFTOVER, _FILE, 0, "missing: the next start makes it anew")
        yield None
        return
    connection = None
    try:
        connection = _connect(layout.index, "index.sqlite-wal" in names)
        index = KnownIndex(connection, findings)
        wrong = connection.execute("PRAGMA quick_check(1)").get
        if wrong != "ok":
            raise apsw.CorruptError(str(wrong))
    except apsw.Error as error:
        findings.add(Sort.INDEX, _FILE, 0, f"cannot be used ({error}): {_ADVICE}")
        yield None
    else:
        yield index
    finally:
        if connection is not None:
            connection.close()


def _connect(path: str, has_log: bool) -> apsw.Connection:
    """
    For reading only.  What a daemon left orderly has no write-ahead log, and is opened
    without making one.
    """
    uri = "file:" + path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    uri += "?mode=ro" if has_log else "?mode=ro&immutable=1"
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    connection = apsw.Connection(uri, flags=flags)
    connection.set_busy_timeout(1000)
    return connection
