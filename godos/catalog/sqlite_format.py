"""The catalog's SQLite file: its tables, its version, and how a connection to it is opened."""

from __future__ import annotations

import os
from contextlib import suppress

import apsw

from godos.model.errors import CannotStart

FORMAT = 1  # kept in PRAGMA user_version
APPLICATION_ID = 0x676F6463  # "godc", so that `file` and we can tell it from other databases
_BUSY = 5000  # milliseconds to wait for another connection of this process
_CACHE = 16 * 1024  # KiB of pages for each connection

# WITHOUT ROWID keeps an item in the b-tree of its key: a listing reads neighbours.
_SCHEMA = """
CREATE TABLE items(
    p TEXT NOT NULL, s BLOB NOT NULL, j TEXT NOT NULL, rev TEXT, state TEXT, expires INTEGER,
    PRIMARY KEY (p, s)
) STRICT, WITHOUT ROWID;
CREATE INDEX items_expires ON items(expires) WHERE expires IS NOT NULL;
CREATE TABLE tokens(
    slot INTEGER NOT NULL, token BLOB NOT NULL, print BLOB NOT NULL,
    PRIMARY KEY (slot, token)
) STRICT, WITHOUT ROWID;
"""


def open_writer(path: str, vfs: str | None = None) -> apsw.Connection:
    """
    Open the file for its one writer, making it when it is missing.

    Its process must hold the file's lock.  `vfs` names a virtual file system of SQLite's,
    by which tests let the disk fail.

    Raises:
        CannotStart: the file is another's, newer than this godos, or not to be written.
    """
    try:
        _create(path)
        connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    except (apsw.Error, OSError) as error:
        raise CannotStart(f"cannot open the catalog {path}: {error}") from error
    return connection


def open_reader(path: str, vfs: str | None = None) -> apsw.Connection:
    """
    A connection that only reads, while a writer has the file open.

    Raises:
        CannotStart: the file cannot be opened.
    """
    try:
        connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
        connection.set_busy_timeout(_BUSY)
        connection.execute(f"PRAGMA query_only = 1; PRAGMA cache_size = -{_CACHE}")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
    except apsw.Error as error:
        raise CannotStart(f"cannot open the catalog {path}: {error}") from error
    return connection


def _create(path: str) -> None:
    """An empty file that only its owner may read: it will hold the cluster's secret."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))


def _prepare(connection: apsw.Connection, path: str) -> None:
    connection.set_busy_timeout(_BUSY)
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # a file that is refused stays
    if connection.readonly("main"):
        raise CannotStart(f"cannot write to the catalog {path}: check its permissions and disk")
    if not _is_ours(connection, path):
        _make_tables(connection)
        _sync_folder(path)
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
    # Checkpoints are the writer's own work, after it has answered.
    connection.execute("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0")
    connection.execute(f"PRAGMA synchronous = FULL; PRAGMA cache_size = -{_CACHE}")


def _is_ours(connection: apsw.Connection, path: str) -> bool:
    """Whether the tables are there; False for an empty file."""
    application = connection.pragma("application_id")
    version = connection.pragma("user_version")
    if application == APPLICATION_ID and version == FORMAT:
        return True
    if application == APPLICATION_ID:
        raise CannotStart(
            f"the catalog {path} has format {version}, and this godos knows {FORMAT}:"
            " use the godos that wrote it, or a newer one"
        )
    if application or version or connection.execute("SELECT 1 FROM sqlite_schema").fetchall():
        raise CannotStart(f"{path} is a SQLite file of another program, not a catalog of godos")
    return False


def _make_tables(connection: apsw.Connection) -> None:
    with connection:  # all of it or nothing
        connection.execute(_SCHEMA)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")


def _sync_folder(path: str) -> None:
    folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
