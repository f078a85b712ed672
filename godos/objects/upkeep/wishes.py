"""
Which policies are wanted of each blob, gathered from all versions of all objects.

A blob that several versions share may be wanted in several ways.  They are kept in a
temporary SQLite file, so that memory stays bounded however many objects there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from tempfile import TemporaryDirectory

import apsw

from godos.deferreds import InThread, deferred

Wish = tuple[str, str]  # an incarnation, and a policy's text


class Wishes:
    """All methods but `__init__` do their work in a thread; `close` removes the file."""

    def __init__(self, in_thread: InThread) -> None:
        self._in_thread = in_thread
        self._folder: TemporaryDirectory[str] | None = None
        self._connection: apsw.Connection | None = None

    @deferred
    async def add(self, wishes: Sequence[Wish]) -> None:
        """Take note of some; what is known already changes nothing."""
        await self._in_thread(self._add, wishes)

    @deferred
    async def count(self) -> int:
        """How many blobs there are."""
        return await self._in_thread(self._count)

    @deferred
    async def after(self, incarnation: str, limit: int) -> Sequence[tuple[str, frozenset[str]]]:
        """The next blobs in the order of their incarnations, with what is wanted of each."""
        return await self._in_thread(self._after, incarnation, limit)

    @deferred
    async def close(self) -> None:
        """Forget all.  Idempotent."""
        await self._in_thread(self._close)

    # -- in a thread ----------------------------------------------------------------------------
    def _open(self) -> apsw.Connection:
        if self._connection is None:
            self._folder = TemporaryDirectory(prefix="godos-wishes-")
            connection = apsw.Connection(f"{self._folder.name}/wishes.sqlite")
            for statement in (
                "PRAGMA journal_mode = OFF",  # nobody reads it after a crash
                "PRAGMA synchronous = OFF",
                "CREATE TABLE wishes (blob TEXT, policy TEXT, PRIMARY KEY (blob, policy)) "
                "WITHOUT ROWID",
            ):
                connection.execute(statement)
            self._connection = connection
        return self._connection

    def _add(self, wishes: Iterable[Wish]) -> None:
        connection = self._open()
        connection.execute("BEGIN")
        connection.executemany("INSERT OR IGNORE INTO wishes VALUES (?, ?)", wishes)
        connection.execute("COMMIT")

    def _count(self) -> int:
        ((number,),) = self._open().execute("SELECT count(DISTINCT blob) FROM wishes")
        return int(number)

    def _after(self, incarnation: str, limit: int) -> list[tuple[str, frozenset[str]]]:
        rows = self._open().execute(
            "SELECT blob, group_concat(policy, ' ') FROM wishes WHERE blob > ? "
            "GROUP BY blob ORDER BY blob LIMIT ?",
            (incarnation, limit),
        )
        return [(blob, frozenset(policies.split(" "))) for blob, policies in rows]

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        folder, self._folder = self._folder, None
        if connection is not None:
            connection.close()
        if folder is not None:
            folder.cleanup()
