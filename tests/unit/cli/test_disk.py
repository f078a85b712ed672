"""`godos disk` as a person and a script meet it."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner, Result
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from godos.catalog.catalog import Catalog
from godos.cli import main
from godos.model.errors import CannotStart
from godos.model.fragments import BLOCK
from godos.model.members import Cluster, Node, NodeState
from godos.model.names import FragmentName
from godos.service.hosting import Hosting
from godos.storage.check_objects import ObjectsCheck
from godos.storage.past_cache import PastCacheFiles
from tests.contract.fragment_store import content
from tests.memory_items import MemoryItems
from tests.simulation.node import now
from tests.unit.storage.nodes import flip, opened, picture, serving, stored

SMALL, LARGE = FragmentName("12" * 16, 3), FragmentName("ab" * 16, 0)
SIZE = 9 * BLOCK + 5


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A small and a large fragment."""
    with serving(tmp_path / "node") as store:
        stored(store, 5000, SMALL)
        stored(store, SIZE, LARGE)
    return tmp_path / "node"


def large(node: Path) -> Path:
    return node / "objects" / "ab" / str(LARGE)


def disk(*words: str | Path) -> Result:
    """`godos disk …`; nothing may escape but its exit code."""
    result = CliRunner().invoke(main, ["disk", *map(str, words)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def last_json(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


# -- check ----------------------------------------------------------------------------------
def test_all_is_well(node: Path) -> None:
    """One line on standard output, exit code 0, and no bar where no terminal is."""
    result = disk("check", node)
    assert (result.exit_code, result.stderr) == (0, "")
    (line,) = result.stdout.splitlines()
    assert "2 fragments in 1 volumes and 1 files" in line
    assert line.endswith("all is well")


def test_all_is_well_for_machines(node: Path) -> None:
    """The summary is an object of JSON."""
    result = disk("check", "--json", node)
    identity = json.loads((node / "node.json").read_text())["node"]
    size = sum(len(raw) for name, raw in picture(node).items() if name[0] in "vo")
    assert result.exit_code == 0
    assert last_json(result) == {
        "sort": "summary",
        "node": identity,
        "clean": True,
        "volumes": 1,
        "files": 1,
        "fragments": 2,
        "bytes": size,
        "damaged": 0,
        "unreadable": 0,
        "index": 0,
        "leftover": 0,
        "failure": None,
        "may_serve": True,
    }


def test_damage(node: Path) -> None:
    """Each damaged fragment is told with its file and offset, and the exit code is 1."""
    flip(large(node), 2 * BLOCK)
    result = disk("check", node)
    assert result.exit_code == 1
    first, summary = result.stdout.splitlines()
    assert first == (
        f"damaged: objects/ab/{LARGE} at {2 * BLOCK}: fragment {LARGE}: "
        "block 2 of its payload fails its check"
    )
    assert summary.endswith(": 1 damaged")


def test_damage_for_machines(node: Path) -> None:
    """Each finding is an object of JSON on a line of its own."""
    flip(large(node), 2 * BLOCK)
    result = disk("check", "--json", node)
    assert result.exit_code == 1
    assert json.loads(result.stdout.splitlines()[0]) == {
        "sort": "damaged",
        "fragment": str(LARGE),
        "file": f"objects/ab/{LARGE}",
        "offset": 2 * BLOCK,
        "what": "block 2 of its payload fails its check",
    }
    summary = last_json(result)
    assert (summary["clean"], summary["damaged"], summary["may_serve"]) == (False, 1, True)


def test_leftovers_are_no_damage(node: Path) -> None:
    """They are told, and the exit code is 0."""
    (node / "staging" / ("0" * 32)).write_bytes(b"half")
    result = disk("check", node)
    assert result.exit_code == 0
    assert "leftover: staging/" in result.stdout


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_directory_in_use(node: Path, words: tuple[str, ...]) -> None:
    """While a daemon serves it: one line, exit code 1, and nothing is changed."""
    with serving(node):
        before = picture(node)
        result = disk("check", node, *words)
        assert picture(node) == before
    assert result.exit_code == 1
    (line,) = (result.stdout + result.stderr).splitlines()
    assert f"another process serves the storage directory {node}" in line
    if words:
        assert json.loads(line)["sort"] == "refused"


@pytest.mark.parametrize("name", ["none", "objects", "node.json"])
def test_no_storage_directory(node: Path, name: str) -> None:
    """What is no storage directory is refused in a line."""
    result = disk("check", node / name)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) == 1


def test_unreadable_file(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that the disk does not give: exit code 1, and the node does not serve again."""
    ask = PastCacheFiles.ask

    def broken(self: PastCacheFiles, fd: int, size: int, offset: int) -> int:
        if os.readlink(f"/proc/self/fd/{fd}") == str(large(node)) and offset == 0:
            raise OSError(errno.EIO, "Input/output error")
        return ask(self, fd, size, offset)

    monkeypatch.setattr(PastCacheFiles, "ask", broken)
    result = disk("check", node)
    assert result.exit_code == 1
    assert f"unreadable: objects/ab/{LARGE} at 0" in result.stdout
    assert "must not serve again" in result.stdout.splitlines()[-1]
    assert not (node / "checked.json").exists()
    assert last_json(disk("check", "--json", node))["may_serve"] is False


def test_interrupted(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends the check with exit code 130, and nothing was changed."""
    (node / "failed.json").write_text('{"format": 1, "reason": "it broke"}')
    before = picture(node)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ObjectsCheck, "run", interrupted)
    result = disk("check", node)
    assert (result.exit_code, result.stderr) == (130, "interrupted: nothing was changed\n")
    assert picture(node) == before
    monkeypatch.undo()
    assert disk("check", node).exit_code == 0


def test_disk_that_takes_no_proof(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that can be read and not be written lets no node back."""
    (node / "failed.json").write_text('{"format": 1, "reason": "it broke"}')

    def full(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(PastCacheFiles, "write", full)
    result = disk("check", node)
    assert result.exit_code == 1
    assert "Read-only file system" in result.stderr
    assert (node / "failed.json").exists()


class Terminal(StringIO):
    """Standard error as a person sees it."""

    def isatty(self) -> bool:
        return True


def test_progress(
    node: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal a bar goes to its end, and findings are on lines of their own."""
    flip(large(node), 0)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with pytest.raises(SystemExit) as ending:
        main(["disk", "check", str(node)])
    assert ending.value.code == 1
    assert "100%" in terminal.getvalue()
    assert "\r\x1b[K" in terminal.getvalue()
    assert len(capsys.readouterr().out.splitlines()) == 2


# -- dump -----------------------------------------------------------------------------------
def test_dump(node: Path) -> None:
    """Any file of the directory, as lines of JSON."""
    (volume,) = (node / "volumes").iterdir()
    for path, count in ((volume, 2), (large(node), 1), (node / "node.json", 1)):
        result = disk("dump", path)
        assert result.exit_code == 0
        assert len([json.loads(line) for line in result.stdout.splitlines()]) >= count


def test_dump_of_damage(node: Path) -> None:
    """What does not verify is shown, and the exit code is 1."""
    flip(large(node), 5)
    result = disk("dump", large(node))
    assert result.exit_code == 1
    assert last_json(result)["ok"] is False


def test_dump_while_in_use(node: Path) -> None:
    """Looking at a file needs no lock."""
    with serving(node):
        assert disk("dump", large(node)).exit_code == 0


@pytest.mark.parametrize("raw", [None, b"", b"hello", b"{}"])
def test_dump_of_a_strange_file(tmp_path: Path, raw: bytes | None) -> None:
    """A file that is none of ours, or is not there, is told in a line."""
    path = tmp_path / "file"
    if raw is not None:
        path.write_bytes(raw)
    result = disk("dump", path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) == 1


def test_payload(node: Path) -> None:
    """The bytes of a fragment, and nothing else."""
    (volume,) = (node / "volumes").iterdir()
    for path, name, size in ((volume, SMALL, 5000), (large(node), LARGE, SIZE)):
        result = disk("dump", path, "--payload", str(name))
        assert (result.exit_code, result.stdout_bytes) == (0, content(size))


def test_wrong_payload(node: Path) -> None:
    """A fragment that the file does not hold, a damaged one, and what is no name."""
    absent = disk("dump", large(node), "--payload", str(SMALL))
    assert (absent.exit_code, absent.stdout_bytes) == (1, b"")
    assert disk("dump", large(node), "--payload", "cat.jpg").exit_code == 2
    flip(large(node), 5)
    damaged = disk("dump", large(node), "--payload", str(LARGE))
    assert (damaged.exit_code, damaged.stdout_bytes) == (1, b"")
    assert "block 0 of its payload fails its check" in damaged.stderr


# -- a node that failed ---------------------------------------------------------------------
class Daemon:
    """A data server as far as it hosts one node, on a catalog that outlives it."""

    def __init__(self, catalog: Catalog, clock: Clock, cluster: Cluster, folder: Path) -> None:
        self.catalog = catalog
        self.store: Any = None
        self.hosting = Hosting(clock, [folder], "", self._open)
        self._claiming = self.hosting.claiming(
            lambda: catalog, lambda: cluster, lambda: "127.0.0.1:1"
        )

    def _open(self, folder: Path, on_failed: Callable[[str], object]) -> Deferred[Any]:
        def open_it() -> Any:
            self.store = opened(folder, on_failed=on_failed)
            return self.store

        return maybeDeferred(open_it)

    def start(self) -> None:
        """Raises CannotStart."""
        now(self.hosting.opening.start())
        try:
            now(self._claiming.start())
        except BaseException:
            now(self.hosting.opening.stop())
            raise

    def stop(self) -> None:
        now(self._claiming.stop())
        now(self.hosting.opening.stop())

    def row(self) -> Node:
        (row,) = now(self.catalog.nodes())
        return row


@pytest.mark.parametrize("takes_word", [True, False])
def test_a_failed_node_comes_back(node: Path, takes_word: bool) -> None:
    """
    After a failed flush a node refuses to start, whether or not its disk could note that;
    once it was checked, it starts, and its row in the catalog is up; another failure needs
    another check.
    """
    clock = Clock()
    catalog = Catalog(MemoryItems(), clock, monotonic=clock.seconds, random=Random(1))
    cluster = now(catalog.initialise("auto"))
    daemon = Daemon(catalog, clock, cluster, node)
    for _ in range(2):
        daemon.start()
        assert list(daemon.hosting.stores) == [daemon.store.node_id]
        assert (daemon.row().state, daemon.row().reason) == (NodeState.UP, "")
        assert not (node / "checked.json").exists()

        daemon.store._parts.health.fail("syncing a volume", OSError(errno.EIO, "broken"))
        daemon.stop()
        assert daemon.row().state is NodeState.FAILED
        if not takes_word:
            (node / "failed.json").unlink()

        daemon = Daemon(catalog, clock, cluster, node)
        with pytest.raises(CannotStart, match="godos disk check"):
            daemon.start()
        result = disk("check", node)
        assert result.exit_code == 0
        said = "had left service (syncing a volume: [Errno 5] broken), and may serve again"
        assert (said in result.stdout) == takes_word
        daemon = Daemon(catalog, clock, cluster, node)
    daemon.start()
    assert daemon.row().state is NodeState.UP
    assert now(daemon.store.verify(LARGE)).length == SIZE
    daemon.stop()
    assert clock.getDelayedCalls() == []
