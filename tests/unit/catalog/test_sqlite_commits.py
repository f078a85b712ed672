"""Commits of SQLite, on disks that fail at the worst moment."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import apsw
import pytest

from godos.catalog.items import Absent, Action, Item, Put, TokenReused
from godos.catalog.rows import fingerprint, to_steps
from godos.catalog.sqlite_commits import TOKEN_SLOT, Outcome, Transaction, Writer
from godos.catalog.sqlite_format import open_reader
from godos.model.errors import CatalogUnavailable
from tests.unit.catalog.failing_disk import Disk, failed_flush

_tokens = count(1)
DONE: Outcome = {}


def transaction(*actions: Action) -> Transaction:
    """A transaction with a token of its own."""
    token = f"{next(_tokens):032x}"
    steps = to_steps(actions, token)
    return Transaction(steps, bytes.fromhex(token), fingerprint(steps))


def creates(s: bytes, size: int = 0, **data: object) -> Transaction:
    """Make an item where none may be."""
    return transaction(Put(Item("shelf", s, {"pad": "x" * size, **data}), Absent()))


class Catalog:
    """A writer and a reader on one failing disk."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "catalog.sqlite"
        self.disk = Disk()
        self.writer = Writer(str(self.path), self.disk.name)
        self.reader = open_reader(str(self.path), self.disk.name)
        self.now = 1_000_000.0

    def commit(self, *batch: Transaction) -> list[Outcome]:
        """All of them with one flush."""
        return self.writer.commit(batch, self.now)

    def keys(self, reader: apsw.Connection | None = None) -> list[bytes]:
        """What readers see."""
        found = (reader or self.reader).execute("SELECT s FROM items ORDER BY s").fetchall()
        return [s for (s,) in found]

    def restarted(self, folder: Path) -> Catalog:
        """The catalog as it is after the process was killed this very moment."""
        folder.mkdir()
        for name in ("catalog.sqlite", "catalog.sqlite-wal"):
            if (self.path.parent / name).exists():
                shutil.copy(self.path.parent / name, folder)
        return Catalog(folder)

    def close(self) -> None:
        """Let go."""
        self.reader.close()
        self.writer.close()


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """An empty one on a healthy disk."""
    (tmp_path / "first").mkdir()
    catalog = Catalog(tmp_path / "first")
    yield catalog
    catalog.disk.heal()
    catalog.close()


def unknown(outcomes: list[Outcome]) -> bool:
    """Whether no transaction got a definite answer."""
    return all(isinstance(outcome, CatalogUnavailable) for outcome in outcomes)


def test_a_batch_costs_one_flush(catalog: Catalog) -> None:
    """However many transactions wait, the disk is flushed once for all of them."""
    catalog.commit(creates(b"first"))
    before = catalog.disk.flushes
    assert catalog.commit(*(creates(b"%d" % n) for n in range(50))) == [DONE] * 50
    assert catalog.disk.flushes == before + 1


def test_nothing_written_costs_no_flush(catalog: Catalog) -> None:
    """A batch of which every transaction is refused leaves the disk alone."""
    catalog.commit(creates(b"k"))
    before = catalog.disk.flushes
    (outcome,) = catalog.commit(creates(b"k"))
    assert isinstance(outcome, dict)
    assert list(outcome) == [0]
    assert catalog.disk.flushes == before


def test_those_of_one_batch_see_each_other(catalog: Catalog) -> None:
    """Of two in one batch that create the same item the first wins."""
    first, second = catalog.commit(creates(b"k", by=1), creates(b"k", by=2))
    assert first == DONE
    assert isinstance(second, dict)
    assert second[0] is not None
    assert '"by":1' in second[0].j


def test_a_mistake_harms_nobody_else(catalog: Catalog) -> None:
    """A transaction that SQLite cannot take fails alone; its neighbours happen."""
    wrong = transaction(Put(Item("shelf", b"odd", {}, expires="soon")))  # type: ignore[arg-type]
    outcomes = catalog.commit(creates(b"a"), wrong, creates(b"b"))
    assert outcomes[0] == outcomes[2] == DONE
    assert isinstance(outcomes[1], apsw.ConstraintError)
    assert catalog.keys() == [b"a", b"b"]


@pytest.mark.parametrize("operation", ["sync", "write"])
def test_a_failed_flush_is_an_error_for_all_that_waited(catalog: Catalog, operation: str) -> None:
    """Nobody is told that it happened, nobody sees it, and the store goes on afterwards."""
    catalog.commit(creates(b"before"))
    catalog.disk.fail(operation)
    batch = [creates(b"a"), creates(b"b")]
    assert unknown(catalog.commit(*batch))
    assert catalog.keys() == [b"before"]
    catalog.disk.heal()
    assert catalog.commit(creates(b"after")) == [DONE]
    assert catalog.keys() == [b"after", b"before"]
    assert catalog.commit(*batch) == [DONE, DONE]
    assert catalog.keys() == [b"a", b"after", b"b", b"before"]


def test_a_disk_that_stays_broken_serves_readers(catalog: Catalog) -> None:
    """While no write succeeds reads go on, and what was acknowledged is there."""
    catalog.commit(creates(b"k"))
    catalog.disk.fault = lambda operation, _: (
        failed_flush() if operation in {"write", "sync"} else None
    )
    for _ in range(3):
        assert unknown(catalog.commit(creates(b"l")))
        assert catalog.keys() == [b"k"]
    catalog.disk.fault = lambda operation, _: apsw.CantOpenError() if operation == "open" else None
    assert unknown(catalog.commit(creates(b"l")))
    catalog.disk.heal()
    assert catalog.commit(creates(b"m")) == [DONE]
    assert catalog.keys() == [b"k", b"m"]


def test_a_full_disk_loses_nothing(catalog: Catalog) -> None:
    """What does not fit is refused whole; what fits goes on, without any repair."""
    catalog.commit(creates(b"k"))
    room = iter(range(3))
    catalog.disk.fault = lambda operation, name: (
        apsw.FullError("disk full")
        if operation == "write" and name.endswith("-wal") and next(room, None) is None
        else None
    )
    assert unknown(catalog.commit(creates(b"large", size=100_000)))
    assert catalog.keys() == [b"k"]
    catalog.disk.heal()
    assert catalog.commit(creates(b"small")) == [DONE]
    assert catalog.keys() == [b"k", b"small"]


@pytest.mark.parametrize("reached", [False, True], ids=["before it", "after it"])
def test_a_crash_around_a_failed_flush(catalog: Catalog, tmp_path: Path, reached: bool) -> None:
    """Whether or not its bytes survived, a transaction in doubt is done once when resent."""
    catalog.commit(creates(b"before"))
    doubtful = creates(b"k")
    crashed: list[Catalog] = []

    def fault(operation: str, name: str) -> Exception | None:
        if operation != "sync" or not name.endswith("-wal"):
            return None
        if not crashed:
            crashed.append(catalog.restarted(tmp_path / "crashed"))
        return failed_flush()

    if reached:
        catalog.disk.fault = fault
        assert unknown(catalog.commit(doubtful))
    else:
        crashed.append(catalog.restarted(tmp_path / "crashed"))
    (after,) = crashed
    assert after.keys() == ([b"before", b"k"] if reached else [b"before"])
    assert after.commit(doubtful) == [DONE]
    assert after.keys() == [b"before", b"k"]
    after.close()


def test_what_reached_the_disk_is_answered_so(catalog: Catalog) -> None:
    """When the commit stands although an error was reported, its sender is told the truth."""
    first, second = creates(b"k"), creates(b"l")
    catalog.commit(first)
    failing = iter([failed_flush()])
    catalog.disk.fault = lambda operation, name: (
        next(failing, None) if operation == "sync" and name.endswith("-wal") else None
    )
    answered, refused = catalog.commit(first, second)
    assert answered == DONE
    assert isinstance(refused, CatalogUnavailable)
    assert catalog.keys() == [b"k"]


def test_tokens_survive_the_process(catalog: Catalog, tmp_path: Path) -> None:
    """Who resends to a new owner what the old one had done gets the old answer."""
    done = creates(b"k")
    catalog.commit(done)
    after = catalog.restarted(tmp_path / "second")
    assert after.commit(done) == [DONE]
    other = Transaction(creates(b"l").steps, done.token, b"different")
    assert isinstance(after.commit(other)[0], TokenReused)
    after.close()


def test_tokens_are_known_long_enough_and_not_for_ever(catalog: Catalog) -> None:
    """A token is known for ten minutes, and forgotten after thirty."""
    done = creates(b"k")
    catalog.commit(done)
    catalog.now += TOKEN_SLOT - 1
    assert catalog.commit(creates(b"tick")) == [DONE]
    assert catalog.commit(done) == [DONE]
    catalog.now += 2
    assert catalog.commit(creates(b"tack")) == [DONE]
    assert catalog.commit(done) == [DONE]
    for n in range(4):
        catalog.now += TOKEN_SLOT
        catalog.commit(creates(b"%d" % n))
    assert isinstance(catalog.commit(done)[0], dict)
    assert catalog.commit(done) != [DONE]
    assert catalog.reader.execute("SELECT count(*) FROM tokens").get < 5


def test_a_clock_set_back_forgets_no_token(catalog: Catalog) -> None:
    """Tokens do not depend on the time of day."""
    catalog.commit(creates(b"tick"))
    done = creates(b"k")
    catalog.commit(done)
    catalog.now -= 100 * TOKEN_SLOT
    catalog.commit(creates(b"tack"))
    assert catalog.commit(done) == [DONE]


def test_expired_items_are_tidied_away(catalog: Catalog) -> None:
    """Many items that have expired go, a few at a time; the others stay."""
    old = int(catalog.now) - 1
    for n in range(5):
        puts = [Put(Item("old", b"%d-%02d" % (n, m), {}, expires=old)) for m in range(99)]
        assert catalog.commit(transaction(*puts)) == [DONE]
    catalog.commit(transaction(Put(Item("young", b"y", {}, expires=old + 3600))))
    for n in range(6):
        catalog.now += 60
        catalog.commit(creates(b"%d" % n))
    kept = catalog.reader.execute("SELECT DISTINCT p FROM items ORDER BY p").fetchall()
    assert kept == [("shelf",), ("young",)]


@pytest.mark.parametrize("commits", [3000])
def test_the_log_stays_short(catalog: Catalog, commits: int) -> None:
    """With a checkpoint whenever one is due the write-ahead log does not grow."""
    for first in range(0, commits, 100):
        catalog.commit(*(creates(b"%d" % n, size=1000) for n in range(first, first + 100)))
        if catalog.writer.checkpoint_due():
            catalog.writer.checkpoint()
    log = Path(f"{catalog.path}-wal")
    assert log.stat().st_size < 8 << 20
    assert len(catalog.keys()) == commits


def test_a_failed_checkpoint_loses_nothing(catalog: Catalog, tmp_path: Path) -> None:
    """When the tables cannot be flushed the log is kept, and a later checkpoint goes on."""
    catalog.commit(creates(b"k"))
    catalog.disk.fault = lambda operation, name: (
        failed_flush() if operation == "sync" and name == "catalog.sqlite" else None
    )
    with pytest.raises(CatalogUnavailable):
        catalog.writer.checkpoint()
    assert catalog.commit(creates(b"l")) == [DONE]
    after = catalog.restarted(tmp_path / "second")
    assert after.keys() == [b"k", b"l"]
    after.close()
    catalog.disk.heal()
    catalog.writer.checkpoint()
    assert catalog.keys() == [b"k", b"l"]
