"""
A copy of a SQLite catalog as it is at one moment, beside the process that owns it.

The pages are copied under one read transaction, at the speed of the disk, and the copy is
read at leisure: so the owner, which cannot shorten its write-ahead log while somebody reads,
has its file back soon.  All of this blocks; it runs in a worker thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

import apsw

from godos.catalog.items import Item
from godos.catalog.rows import to_items
from godos.catalog.sqlite_format import open_reader
from godos.catalog.sqlite_reads import get_scan
from godos.model.errors import CatalogUnavailable

_PAGES = 4096
_ITEMS = 1000


class Snapshot:
    """
    Args:
        path: the catalog's file, which its owner has open.
        copy: the file to be made, which only its owner may read; `close` removes it.
        pages: of SQLite's that are copied in one step.
    """

    def __init__(self, path: str, copy: str, pages: int = _PAGES) -> None:
        self._path, self._copy, self._pages = path, copy, pages
        self._connection: apsw.Connection | None = None
        self.items = 0

    def steps(self) -> Iterator[tuple[int, int]]:
        """
        Copy; tells how many pages there are, and how many are copied.

        Raises:
            CannotStart, CatalogUnavailable: it cannot be read, or the copy not be written.
        """
        os.close(os.open(self._copy, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        source = open_reader(self._path)
        try:
            # The last connection to a file would fold its log in; that is its owner's.
            source.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            self._connection = apsw.Connection(self._copy)
            source.execute("BEGIN; SELECT 1 FROM items LIMIT 1").fetchall()
            with self._connection.backup("main", source, "main") as backup:
                while not backup.done:
                    backup.step(self._pages)
                    yield backup.page_count, backup.page_count - backup.remaining
            count = self._connection.execute("SELECT count(*) FROM items").fetchone()
            self.items = 0 if count is None else count[0]
        except apsw.Error as error:
            raise CatalogUnavailable(f"cannot copy the catalog {self._path}: {error}") from error
        finally:
            source.close()

    def pages(self) -> Iterator[tuple[Item, ...]]:
        """All items, some at a time."""
        assert self._connection is not None
        cursor: str | None = None
        while True:
            found, cursor = get_scan(self._connection, cursor, _ITEMS)
            yield to_items(found.rows)
            if cursor is None:
                return

    def close(self) -> None:
        """Remove the copy.  Idempotent."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        for end in ("", "-wal", "-shm", "-journal"):
            with suppress(FileNotFoundError):
                os.unlink(self._copy + end)
