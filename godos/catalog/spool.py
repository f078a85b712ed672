"""
Items in a temporary SQLite file: as many as there are, in memory that does not grow.

All of this blocks; it runs in a worker thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

import apsw

from godos.catalog.items import Item
from godos.catalog.places import Place
from godos.catalog.rows import Row, to_item, to_items, to_row

_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
CREATE TABLE items(
    p TEXT NOT NULL, s BLOB NOT NULL, j TEXT NOT NULL, rev TEXT, state TEXT, expires INTEGER,
    PRIMARY KEY (p, s)
) STRICT, WITHOUT ROWID;
CREATE TABLE facts(
    kind TEXT NOT NULL, name BLOB NOT NULL, PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
"""
_COLUMNS = "p, s, j, rev, state, expires"
_PAGE = 500


class Spool:
    """
    Items by their places, of which the one that was put last stays; and facts, which are
    words about some words (kept as a digest).

    Args:
        path: of a file that is not there yet, in a folder that only its owner may read.
    """

    def __init__(self, path: str) -> None:
        self._connection = apsw.Connection(path)
        for statement in _SCHEMA.split(";"):
            self._connection.execute(statement)

    def close(self) -> None:
        """Idempotent."""
        self._connection.close()

    # -- items -----------------------------------------------------------------------------
    def put(self, items: Iterable[Item]) -> None:
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO items VALUES(?, ?, ?, ?, ?, ?)", map(to_row, items)
            )

    def get(self, p: str, s: bytes) -> Item | None:
        found = self._rows("p = ? AND s = ?", (p, s))
        return to_item(found[0]) if found else None

    def has(self, p: str, s: bytes | None = None) -> bool:
        """Whether an item is at the place; without `s`, anywhere in the partition."""
        where, values = ("p = ?", (p,)) if s is None else ("p = ? AND s = ?", (p, s))
        found = self._connection.execute(f"SELECT 1 FROM items WHERE {where} LIMIT 1", values)
        return found.fetchone() is not None

    def has_several(self, p: str) -> bool:
        """Whether there is more than one item in the partition."""
        found = self._connection.execute("SELECT 1 FROM items WHERE p = ? LIMIT 2", (p,))
        return len(found.fetchall()) > 1

    def drop(self, places: Iterable[Place]) -> None:
        with self._connection:
            self._connection.executemany("DELETE FROM items WHERE p = ? AND s = ?", places)

    def drop_all(self, prefix: str) -> int:
        """Drop whatever is in partitions whose names begin so; tells how many."""
        bounds = (prefix, _after(prefix))
        gone = self._connection.execute("DELETE FROM items WHERE p >= ? AND p < ?", bounds)
        return int(gone.connection.changes())

    def partition(self, p: str) -> Sequence[Item]:
        """All items of one partition, which are few."""
        return to_items(self._rows("p = ? ORDER BY s", (p,)))

    def pages(self, prefix: str = "") -> Iterator[Sequence[Item]]:
        """
        Items of partitions whose names begin so, in order; what is put or dropped behind the
        page meanwhile does not matter.
        """
        after: tuple[object, ...] = (prefix, b"")
        while True:
            bounds = (*after, _after(prefix), _PAGE)
            page = self._rows("(p, s) > (?, ?) AND p < ? ORDER BY p, s LIMIT ?", bounds)
            if not page:
                return
            yield to_items(page)
            after = page[-1].p, page[-1].s

    def count(self) -> int:
        found = self._connection.execute("SELECT count(*) FROM items").fetchone()
        return 0 if found is None else int(found[0])

    def _rows(self, where: str, values: tuple[object, ...]) -> list[Row]:
        statement = f"SELECT {_COLUMNS} FROM items WHERE {where}"
        return [Row(*found) for found in self._connection.execute(statement, values)]

    # -- facts -----------------------------------------------------------------------------
    def note(self, kind: str, facts: Iterable[Sequence[str]]) -> None:
        with self._connection:
            self._connection.executemany(
                "INSERT OR IGNORE INTO facts VALUES(?, ?)",
                ((kind, _digest(words)) for words in facts),
            )

    def knows(self, kind: str, *words: str) -> bool:
        found = self._connection.execute(
            "SELECT 1 FROM facts WHERE kind = ? AND name = ?", (kind, _digest(words))
        )
        return found.fetchone() is not None


def _after(prefix: str) -> str:
    """After all texts that begin so."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1) if prefix else "\U0010ffff"


def _digest(words: Sequence[str]) -> bytes:
    return blake2b("\0".join(words).encode(), digest_size=16).digest()
