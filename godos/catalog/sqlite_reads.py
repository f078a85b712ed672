"""Reading from the catalog's SQLite file.  All of this blocks; it runs in a worker thread."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from typing import NamedTuple

import apsw

from godos.catalog.rows import PAGE_BYTES, Range, Row, from_cursor, to_cursor

_new = tuple.__new__  # what a NamedTuple's own constructor calls, at half its price
_COLUMNS = "p, s, j, rev, state, expires"
GET = f"SELECT {_COLUMNS} FROM items WHERE p = ? AND s = ?"
_RANGE = f"SELECT {_COLUMNS} FROM items WHERE p = ? AND s >= ? {{below}} ORDER BY s {{order}}"
_SCAN = f"SELECT {_COLUMNS} FROM items WHERE (p, s) > (?, ?) ORDER BY p, s"


class Rows(NamedTuple):
    """Rows of a page, and whether there are more after them."""

    rows: list[Row]
    more: bool


def get_row(connection: apsw.Connection, p: str, s: bytes) -> Row | None:
    """The row at a place."""
    found = connection.execute(GET, (p, s)).fetchone()
    return None if found is None else Row(*found)


def get_rows(connection: apsw.Connection, places: Sequence[tuple[str, bytes]]) -> list[Row | None]:
    """The rows at several places, in their order."""
    return [get_row(connection, p, s) for p, s in places]


def get_range(connection: apsw.Connection, wanted: Range) -> tuple[Rows, bytes | None]:
    """A page of a partition, and the cursor of the next one."""
    below = "" if wanted.stop is None else "AND s < ?"
    statement = _RANGE.format(below=below, order="DESC" if wanted.reverse else "ASC")
    bounds = (wanted.start,) if wanted.stop is None else (wanted.start, wanted.stop)
    with closing(connection.execute(statement, (wanted.p, *bounds))) as found:
        page = _cut(found, wanted.limit)
    if not page.more:
        return page, None
    last = page.rows[-1].s
    return page, last if wanted.reverse else last + b"\0"


def get_scan(
    connection: apsw.Connection, cursor: str | None, limit: int
) -> tuple[Rows, str | None]:
    """A page of all there is, and the cursor of the next one."""
    with closing(connection.execute(_SCAN, from_cursor(cursor))) as found:
        page = _cut(found, limit)
    return page, to_cursor(page.rows[-1].p, page.rows[-1].s) if page.more else None


def _cut(found: apsw.Cursor, limit: int) -> Rows:
    """Up to `limit` rows, and not much more than PAGE_BYTES of them."""
    rows: list[Row] = []
    left = PAGE_BYTES
    for values in islice(found, limit):
        rows.append(_new(Row, values))
        left -= len(values[2])
        if left <= 0:
            break
    return Rows(rows, next(found, None) is not None)
