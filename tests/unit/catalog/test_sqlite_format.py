"""Opening the catalog's file."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from godos.catalog.sqlite_format import APPLICATION_ID, FORMAT, open_reader, open_writer
from godos.model.errors import CannotStart
from tests.unit.catalog.failing_disk import Disk, failed_flush


@pytest.fixture
def path(tmp_path: Path) -> Iterator[str]:
    """Where the file is to be; a refusal must leave the bytes there as they were."""
    return str(tmp_path / "catalog.sqlite")


def refused(path: str) -> str:
    """Why the file cannot be opened; it stays as it is."""
    before = Path(path).read_bytes()
    with pytest.raises(CannotStart) as refusal:
        open_writer(path)
    assert Path(path).read_bytes() == before
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_a_new_file_is_made_for_its_owner_alone(path: str) -> None:
    """The file holds a secret: only its user may read it, whatever the umask."""
    old = os.umask(0)
    try:
        open_writer(path).close()
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_a_file_says_what_it_is(path: str) -> None:
    """The file carries our mark and the version of its format, and opens again."""
    open_writer(path).close()
    with closing(apsw.Connection(path)) as plain:
        assert plain.pragma("application_id") == APPLICATION_ID
        assert plain.pragma("user_version") == FORMAT
    open_writer(path).close()


def test_every_commit_is_flushed(path: str) -> None:
    """Connections use the write-ahead log with a flush for each commit."""
    writer = open_writer(path)
    assert writer.pragma("journal_mode") == "wal"
    assert writer.pragma("synchronous") == 2  # FULL
    writer.close()


def test_a_reader_cannot_write(path: str) -> None:
    """Reading connections refuse to write, by whatever mistake."""
    writer = open_writer(path)
    reader = open_reader(path)
    with pytest.raises(apsw.ReadOnlyError):
        reader.execute("DELETE FROM items")
    reader.close()
    writer.close()


def test_a_newer_format_is_refused(path: str) -> None:
    """A file that a newer godos wrote is not touched, and the message says so."""
    open_writer(path).close()
    with closing(apsw.Connection(path)) as newer:
        newer.execute(f"PRAGMA user_version = {FORMAT + 1}")
    assert f"format {FORMAT + 1}" in refused(path)


def test_a_newer_file_left_by_a_crash_is_refused_too(path: str) -> None:
    """Not even the write-ahead log of a newer godos is folded in."""
    folder = Path(path).parent
    newer = open_writer(path)
    newer.execute(f"PRAGMA user_version = {FORMAT + 1}")
    crashed = folder / "crashed"
    crashed.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", crashed)
    newer.close()
    before = {entry.name: entry.read_bytes() for entry in crashed.iterdir()}
    with pytest.raises(CannotStart, match=f"format {FORMAT + 1}"):
        open_writer(str(crashed / "catalog.sqlite"))
    assert {name: (crashed / name).read_bytes() for name in before} == before


def test_another_programs_file_is_refused(path: str) -> None:
    """A database with tables of somebody else's is not taken over."""
    with closing(apsw.Connection(path)) as other:
        other.execute("CREATE TABLE songs(title)")
    assert "another program" in refused(path)


def test_what_is_no_database_is_refused(path: str) -> None:
    """A file of any other kind is left alone."""
    Path(path).write_text("my diary\n" * 1000)
    assert "not a database" in refused(path)


def test_a_missing_folder_is_told(path: str) -> None:
    """The message names the path that cannot be opened."""
    with pytest.raises(CannotStart, match="nowhere"):
        open_writer(f"{path}/nowhere/catalog.sqlite")


def test_a_disk_that_fails_leaves_no_half_made_file(path: str) -> None:
    """When the first flush fails the file is refused, and can be made once the disk works."""
    disk = Disk()
    disk.fault = lambda operation, _: failed_flush() if operation == "sync" else None
    with pytest.raises(CannotStart):
        open_writer(path, disk.name)
    disk.heal()
    writer = open_writer(path, disk.name)
    assert writer.execute("SELECT count(*) FROM items").get == 0
    writer.close()
