"""Writing to the catalog's SQLite file.  All of this blocks; it runs in a worker thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import apsw
from twisted.logger import Logger

from godos.catalog.items import TokenReused
from godos.catalog.rows import Row, Step, holds
from godos.catalog.sqlite_format import open_writer
from godos.catalog.sqlite_reads import get_row
from godos.model.errors import CannotStart, CatalogUnavailable

TOKEN_SLOT = 600.0  # seconds; a token is known for this long at least, for two of it at most
CHECKPOINT = 1000  # pages of the write-ahead log that are worth a checkpoint
_TIDY = 200  # old rows removed along with one batch
_TIDY_EVERY = 30.0  # seconds between two looks for them

_SEEN = "SELECT rev, state FROM items WHERE p = ? AND s = ?"
_PUT = "INSERT OR REPLACE INTO items(p, s, j, rev, state, expires) VALUES (?, ?, ?, ?, ?, ?)"
_DELETE = "DELETE FROM items WHERE p = ? AND s = ?"
_KNOWN = "SELECT print FROM tokens WHERE slot IN (?, ?) AND token = ?"
_REMEMBER = "INSERT INTO tokens(slot, token, print) VALUES (?, ?, ?)"
_FORGET = (
    "DELETE FROM tokens WHERE (slot, token) IN"
    " (SELECT slot, token FROM tokens WHERE slot < ? LIMIT ?)"
)
_EXPIRE = (
    "DELETE FROM items WHERE (p, s) IN"
    " (SELECT p, s FROM items WHERE expires IS NOT NULL AND expires < ? LIMIT ?)"
)

# Of the caller, and not of the disk: they fail one transaction, and are logged as bugs.
_MISTAKES = (
    TokenReused,
    TypeError,
    apsw.ConstraintError,
    apsw.MismatchError,
    apsw.TooBigError,
)


class Transaction(NamedTuple):
    """What one `transact` asked for."""

    steps: tuple[Step, ...]
    token: bytes
    print: bytes  # tells whether a second transaction with this token is the same one


Standing = Mapping[int, Row | None]  # of the steps that were in the way
Outcome = Standing | Exception  # an empty Standing: done, and durable


class Writer:
    """
    The one connection that writes.

    An error of the disk closes it; what became of the transactions is then read from the
    reopened file.  `commit` may run in any thread, in one at a time.
    """

    _log = Logger()

    def __init__(self, path: str, vfs: str | None = None) -> None:
        self._path, self._vfs = path, vfs
        self._log_pages = CHECKPOINT  # an earlier process may have left a long one
        self._connection: apsw.Connection | None = open_writer(path, vfs)
        self._connection.set_wal_hook(self._committed)
        self._slot: int = self._connection.execute("SELECT max(slot) FROM tokens").get or 0
        self._slot_since: float | None = None
        self._tidied = 0.0

    def commit(self, batch: Sequence[Transaction], now: float) -> list[Outcome]:
        """
        Do each transaction or not, in their order, all with one flush of the disk.

        `now`: seconds since the epoch, for tidying.  When this returns, what is answered
        as done is durable, and where a transaction was in doubt its answer is
        CatalogUnavailable.
        """
        try:
            connection = self._connected()
        except (CannotStart, apsw.Error) as error:
            return [CatalogUnavailable(str(error)) for _ in batch]
        try:
            connection.execute("BEGIN IMMEDIATE")
            outcomes = [self._one(connection, transaction) for transaction in batch]
            self._tidy(connection, now)
            connection.execute("COMMIT")
        except apsw.Error as error:
            return self._settle(connection, batch, error)
        return outcomes

    def checkpoint_due(self) -> bool:
        """Whether the write-ahead log has become long."""
        return self._log_pages >= CHECKPOINT

    def checkpoint(self) -> None:
        """
        Move the write-ahead log into the tables, so that it starts anew.

        Raises:
            CatalogUnavailable: the disk refused; nothing is lost, a later one goes on.
        """
        try:
            self._connected().wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except (CannotStart, apsw.Error) as error:
            raise CatalogUnavailable(f"checkpoint of {self._path}: {error}") from error
        finally:
            self._log_pages = 0

    def close(self) -> None:
        """Checkpoint as far as possible, and let go of the file.  Idempotent."""
        if self._connection is not None:
            with suppress(apsw.Error):
                self._connection.close()
            self._connection = None

    def _connected(self) -> apsw.Connection:
        if self._connection is None:
            connection = open_writer(self._path, self._vfs)
            try:
                # Frames of a commit that failed may lie in the log, and must neither come
                # back later nor be believed before they are known to be on the disk.
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            except BaseException:
                with suppress(apsw.Error):
                    connection.close()
                raise
            connection.set_wal_hook(self._committed)
            self._connection = connection
        return self._connection

    def _committed(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        """SQLite tells how long the write-ahead log is now."""
        self._log_pages = pages
        return apsw.SQLITE_OK

    def _one(self, connection: apsw.Connection, transaction: Transaction) -> Outcome:
        """One transaction of a batch; a mistake in it must not undo the others."""
        try:
            with connection:  # a SAVEPOINT
                outcome = self._apply(connection, transaction)
        except _MISTAKES as error:
            return error
        return outcome

    def _apply(self, connection: apsw.Connection, transaction: Transaction) -> Standing:
        if self._is_done(connection, transaction):
            return {}
        in_the_way = [
            index
            for index, step in enumerate(transaction.steps)
            if step.condition is not None
            and not holds(step.condition, connection.execute(_SEEN, step[:2]).fetchone())
        ]
        if in_the_way:
            places = [(index, transaction.steps[index]) for index in in_the_way]
            return {index: get_row(connection, step.p, step.s) for index, step in places}
        for step in transaction.steps:
            if step.row is not None:
                connection.execute(_PUT, step.row)
            elif step.removes:
                connection.execute(_DELETE, step[:2])
        connection.execute(_REMEMBER, (self._slot, transaction.token, transaction.print))
        return {}

    def _is_done(self, connection: apsw.Connection, transaction: Transaction) -> bool:
        slots = self._slot, self._slot - 1
        known = connection.execute(_KNOWN, (*slots, transaction.token)).fetchone()
        if known is None:
            return False
        if known[0] != transaction.print:
            raise TokenReused(transaction.token.hex())
        return True

    def _tidy(self, connection: apsw.Connection, now: float) -> None:
        """Turn to a new slot of tokens when it is time, and drop a few rows of the past."""
        if self._slot_since is None:  # an earlier process's slot goes on for a whole time
            self._slot_since = now
        if now - self._slot_since >= TOKEN_SLOT:
            self._slot, self._slot_since = self._slot + 1, now
        if abs(now - self._tidied) < _TIDY_EVERY:
            return
        forgotten = connection.execute(_FORGET, (self._slot - 1, _TIDY)).connection.changes()
        expired = connection.execute(_EXPIRE, (int(now), _TIDY)).connection.changes()
        if forgotten < _TIDY and expired < _TIDY:
            self._tidied = now

    def _settle(
        self, connection: apsw.Connection, batch: Sequence[Transaction], error: apsw.Error
    ) -> list[Outcome]:
        """After a failed flush only the reopened file can tell what was written."""
        unknown = CatalogUnavailable(f"the catalog {self._path}: {error}")
        self._log.error("a commit failed: {error}", error=unknown)
        if isinstance(error, apsw.FullError):  # nothing was lost, and nothing written
            with suppress(apsw.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            return [unknown for _ in batch]
        self.close()
        try:
            reopened = self._connected()
            return [{} if self._is_done(reopened, one) else unknown for one in batch]
        except (CannotStart, apsw.Error):
            self.close()
            return [unknown for _ in batch]
