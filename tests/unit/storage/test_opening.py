"""What a daemon makes of a directory before it serves it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import maybeDeferred

from godos.model.errors import CannotStart, ClusterMismatch, NodeFailed
from godos.model.names import FragmentName, new_id
from godos.storage.background import AtOnce
from godos.storage.files import LocalFiles
from godos.storage.group import WriterAtOnce
from godos.storage.identity import lock_directory, read_identity
from godos.storage.opening import Machinery, Wanted, open_store
from godos.storage.store import DiskFragmentStore
from tests.contract.fragment_store import header_of
from tests.simulation.node import now
from tests.unit.storage.nodes import opened

CLUSTER = "c" * 32


class ReadOnly(LocalFiles):
    """A disk that was mounted so."""

    def read_only(self, path: str) -> bool:
        return True


def attempt(directory: Path, files: LocalFiles | None = None, **wanted: Any) -> DiskFragmentStore:
    """Open a directory that may be refused."""
    machinery = Machinery(
        maybeDeferred,
        lambda call, *args: call(*args),
        files or LocalFiles(),
        background=AtOnce,
        writer=WriterAtOnce,
    )
    return now(open_store(Wanted(str(directory), **wanted), machinery))


def contents(directory: Path) -> dict[str, bytes | None]:
    """All that is in a directory; None for folders."""
    return {
        str(path.relative_to(directory)): None if path.is_dir() else path.read_bytes()
        for path in directory.rglob("*")
    }


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A storage directory with a fragment, which nobody serves."""
    directory = tmp_path / "node"
    store = attempt(directory, create=True)
    now(store.put(header_of(b"x", FragmentName("ab" * 16, 0)), [b"x"]))
    now(store.close())
    return directory


def refused(directory: Path, why: str, files: LocalFiles | None = None, **wanted: Any) -> None:
    """It is refused in one line, nothing is changed, and nobody holds it."""
    before = contents(directory)
    with pytest.raises(CannotStart, match=why) as raised:
        attempt(directory, files, **wanted)
    assert "\n" not in str(raised.value) and str(directory) in str(raised.value)
    assert contents(directory) == before
    if directory.is_dir():
        os.close(lock_directory(LocalFiles(), str(directory)))


# -- creation ---------------------------------------------------------------------------
def test_create(tmp_path: Path) -> None:
    """A missing directory is made, with the folders above it, and keeps its id."""
    directory = tmp_path / "deep" / "down" / "node"
    store = attempt(directory, create=True)
    identity = read_identity(str(directory))
    assert identity is not None and identity.cluster is None
    assert store.node_id == identity.node and len(identity.node) == 32
    assert json.loads((directory / "node.json").read_text()) == {
        "format": 1,
        "node": store.node_id,
        "cluster": None,
    }
    now(store.close())
    again = attempt(directory, create=True)
    assert again.node_id == store.node_id
    now(again.close())


@pytest.mark.parametrize("names", [(), ("lost+found",), ("volumes", "objects"), ("node.json.new",)])
def test_create_in(tmp_path: Path, names: tuple[str, ...]) -> None:
    """An empty directory, a fresh disk, and a creation that was interrupted become nodes."""
    for name in names:
        (tmp_path / name).mkdir() if "." not in name else (tmp_path / name).write_text("{")
    now(attempt(tmp_path, create=True).close())
    assert read_identity(str(tmp_path)) is not None


def test_create_beside(tmp_path: Path) -> None:
    """The embedded server's catalog may be there before the node is."""
    (tmp_path / "godos-state.sqlite-wal").touch()
    refused(tmp_path, "godos-state", create=True)
    now(attempt(tmp_path, create=True, beside=("godos-state.",)).close())


@pytest.mark.parametrize("name", ["photo.jpg", "volumes/0000000000000001", "objects/x"])
def test_not_empty(tmp_path: Path, name: str) -> None:
    """A directory with something else in it is not taken over."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    refused(tmp_path, "not empty", create=True)


def test_create_read_only(tmp_path: Path) -> None:
    """Nothing is made on a read-only disk."""
    refused(tmp_path, "cannot be written", ReadOnly(), create=True)


def test_create_under_a_file(tmp_path: Path) -> None:
    """A path that cannot become a directory is refused."""
    (tmp_path / "file").touch()
    for path in ("file", "file/node"):
        with pytest.raises(CannotStart, match="file"):
            attempt(tmp_path / path, create=True)


# -- existing directories ---------------------------------------------------------------
def test_missing(tmp_path: Path) -> None:
    """Without leave to create, a directory must be a node's already."""
    refused(tmp_path / "nowhere", "does not exist")
    refused(tmp_path, "no node.json")


def test_second_process(node: Path) -> None:
    """Two processes never serve one directory."""
    store = attempt(node)
    before = contents(node)
    with pytest.raises(CannotStart, match="another process serves"):
        attempt(node)
    assert contents(node) == before
    now(store.close())
    now(attempt(node).close())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": 1}',
        '{"format": 1, "node": "x", "cluster": null}',
        '{"format": "1", "node": "%s"}' % ("a" * 32),
        '{"format": 1, "node": "%s", "cluster": 5}' % ("a" * 32),
    ],
)
def test_damaged_identity(node: Path, text: str) -> None:
    """A node that does not know who it is does not start."""
    (node / "node.json").write_text(text)
    refused(node, "damaged")


def test_newer_format(node: Path) -> None:
    """A directory that a newer godos wrote is left as it is."""
    (node / "node.json").write_text('{"format": 2, "node": "%s", "more": []}' % ("a" * 32))
    refused(node, "newer godos")


def test_read_only(node: Path) -> None:
    """A disk that cannot be written to is refused."""
    refused(node, "cannot be written", ReadOnly())


def test_failed(node: Path) -> None:
    """A node whose disk failed says why, and how to get it back."""
    (node / "failed.json").write_text('{"format": 1, "reason": "syncing a volume: broken"}')
    refused(node, r"syncing a volume: broken.*godos disk check")
    (node / "failed.json").write_text("")
    refused(node, "could not be written down")


def test_missing_folder(node: Path) -> None:
    """A directory of which a part is missing is refused."""
    shutil.rmtree(node / "objects")
    with pytest.raises(CannotStart, match="cannot open"):
        attempt(node)


# -- belonging --------------------------------------------------------------------------
def test_adoption(node: Path) -> None:
    """A node of no cluster joins the first one, for good."""
    store = attempt(node)
    now(store.adopt(CLUSTER))
    now(store.adopt(CLUSTER))
    assert store.identity.cluster == CLUSTER
    with pytest.raises(ClusterMismatch):
        now(store.adopt("d" * 32))
    now(store.close())
    identity = read_identity(str(node))
    assert identity is not None and (identity.node, identity.cluster) == (store.node_id, CLUSTER)
    refused(node, "belongs to cluster c+, and the catalog is that of cluster d+", cluster="d" * 32)
    now(attempt(node, cluster=CLUSTER).close())


def test_adoption_when_opened(node: Path) -> None:
    """So it does when it is opened for one."""
    now(attempt(node, cluster=CLUSTER).close())
    identity = read_identity(str(node))
    assert identity is not None and identity.cluster == CLUSTER


# -- what a start tidies ----------------------------------------------------------------
def test_staging_is_emptied(node: Path) -> None:
    """What is left of uploads is removed at start."""
    (node / "staging" / new_id()).write_bytes(b"half")
    now(attempt(node).close())
    assert list((node / "staging").iterdir()) == []


def test_moved_file(node: Path, tmp_path: Path) -> None:
    """The file of a large fragment is served by whichever node it was moved to, at once."""
    payload = bytes(2_000_000)
    header = header_of(payload)
    store = attempt(node)
    upload: Any = now(store.upload(header.name, len(payload)))
    now(upload.write([payload]))
    now(upload.seal(header))
    other = attempt(tmp_path / "other", create=True)
    shelf = f"objects/{header.name.incarnation[:2]}"
    (tmp_path / "other" / shelf).mkdir()
    (node / shelf / str(header.name)).rename(tmp_path / "other" / shelf / str(header.name))
    incarnation = header.name.incarnation
    assert now(store.holds([incarnation])) == {}
    assert now(other.holds([incarnation])) == {incarnation: (0,)}
    assert now(other.verify(header.name)) == header
    for each in (store, other):
        now(each.close())


def test_directory_that_is_taken_away(tmp_path: Path) -> None:
    """A node notices that its directory is not at its place any more, and leaves service."""
    failures: list[str] = []
    for how in ("removed", "replaced"):
        directory = tmp_path / how
        store = opened(directory, on_failed=failures.append)
        assert now(store.room()).capacity > 0
        directory.rename(tmp_path / f"{how} away")
        if how == "replaced":
            directory.mkdir()
        with pytest.raises(NodeFailed, match="removed, or unmounted"):
            now(store.room())
        with pytest.raises(NodeFailed):
            now(store.put(header_of(b"x"), [b"x"]))
        now(store.close())
    assert len(failures) == 2
