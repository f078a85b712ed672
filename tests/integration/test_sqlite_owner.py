"""Several processes on one catalog file, whose owner is killed again and again."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.integration import sqlite_worker

PROCESSES = 4
KILLS = 20
PATIENCE = 60.0  # seconds for something to happen on a busy machine


class Workers:
    """Processes that run `sqlite_worker` on one file, and what they said."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "catalog.sqlite"
        self._folder = folder
        self._running: dict[int, tuple[subprocess.Popen[bytes], Path]] = {}
        self._said: list[Path] = []

    def start(self) -> None:
        """One more process."""
        said = self._folder / f"said-{len(self._said)}"
        complaints = self._folder / f"complaints-{len(self._said)}"
        with said.open("wb") as out, complaints.open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", sqlite_worker.__name__, str(self.path), said.name],
                stdout=out,
                stderr=err,
                cwd=Path(__file__).parent.parent.parent,
            )
        self._said.append(said)
        self._running[process.pid] = process, complaints

    def kill(self, pid: int) -> None:
        """End one as a power cut would."""
        process, complaints = self._running.pop(pid)
        assert process.poll() is None, complaints.read_text()
        process.kill()
        process.wait()

    def kill_all(self) -> None:
        """End those that still run."""
        for pid in list(self._running):
            self.kill(pid)

    def owner(self) -> int:
        """The process that owns the file now."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            lock = Path(f"{self.path}.lock")
            pid = int((lock.read_text() if lock.exists() else "").strip() or 0)
            if pid in self._running:
                return pid
            time.sleep(0.01)
        raise AssertionError("nobody took the catalog over")

    def acknowledged(self) -> list[str]:
        """The steps that were acknowledged, by all processes there ever were."""
        # A line cut off by the kill was never said.
        return [name for said in self._said for name in said.read_text().split("\n")[:-1]]

    def await_steps(self, more: int) -> None:
        """Wait until so many more steps were acknowledged."""
        deadline, before = time.monotonic() + PATIENCE, len(self.acknowledged())
        while len(self.acknowledged()) < before + more:
            assert time.monotonic() < deadline, "the processes do not get on"
            time.sleep(0.02)


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    """Some processes at work."""
    workers = Workers(tmp_path)
    for _ in range(PROCESSES):
        workers.start()
    yield workers
    workers.kill_all()


def test_killing_the_owner_loses_and_doubles_nothing(workers: Workers) -> None:
    """Each acknowledged step is in the catalog, and each step is counted at most once."""
    for _ in range(KILLS):
        workers.await_steps(random.randrange(20, 120))
        workers.kill(workers.owner())
        workers.start()
    workers.await_steps(100)
    workers.kill_all()

    with apsw.Connection(str(workers.path)) as catalog:
        assert catalog.pragma("integrity_check") == "ok"
        rows = catalog.execute("SELECT p, s, j ->> 'n' FROM items").fetchall()
    steps = [s.decode() for p, s, _ in rows if p == "step"]
    counted = sum(n for p, _, n in rows if p == "counter")
    acknowledged = workers.acknowledged()
    assert [name for name, times in Counter(acknowledged).items() if times > 1] == []
    assert set(acknowledged) <= set(steps)
    assert counted == len(steps)
    unacknowledged = len(steps) - len(acknowledged)
    assert unacknowledged <= (KILLS + PROCESSES) * sqlite_worker.HANDS
