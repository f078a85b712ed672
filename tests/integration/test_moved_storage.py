"""Disks and files that are moved, copied, or put where they do not belong."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.integration.catalog_rows import incarnation, layout, rows
from tests.integration.cluster import Cluster, Server, cluster, prepare, until
from tests.integration.contents import MIB, content
from tests.integration.mounts import read_only
from tests.standins import StandIn

DATA = ("data-1", "data-2", "data-3")
LARGE = content("large", size=3 * MIB)


def sqlite(folder: Path) -> str:
    """A catalog for one machine."""
    return f"sqlite:{folder / 'state.sqlite'}"


# -- a disk that moves ---------------------------------------------------------------------
def test_a_disk_moves_while_all_is_down(tmp_path: Path) -> None:
    """It serves at once under its old node id, whatever its folder and port are called now."""
    with cluster(tmp_path, sqlite(tmp_path)) as store:
        store.start(2)
        for name, body in (("large", LARGE), ("small", b"small")):
            assert store["api"].put(name, body).status_code == 200
        node, port = store.node_id("data-1"), store["data-1"].daemon.address()
        for server in store.servers.values():
            assert server.end() == 0

        shutil.move(tmp_path / "data-1", tmp_path / "moved")
        moved = store.data("moved").start().await_announced()
        assert moved.daemon.address() != port
        api = store["api"].start().await_announced()
        assert (api.get("large").content, api.get("small").content) == (LARGE, b"small")
        (holder,) = api.locate("large")["holders"]
        assert (holder["node"], holder["address"]) == (node, moved.daemon.address())
        known = {row.s.decode() for row in rows(store.state, "NODE")}
        assert known == {node, store.node_id("data-2")}


# -- a file that moves ---------------------------------------------------------------------
@pytest.fixture(scope="module", params=["http", "sqs", "sqs with own queues"])
def single(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, fauxqs: StandIn
) -> Iterator[Cluster]:
    """Three nodes, where each object is on one of them; asked over each kind of middleware."""
    folder, queue = tmp_path_factory.mktemp("moved"), "none"
    if request.param != "http":
        queue = f"sqs:moved{os.getpid()}?endpoint={fauxqs.url}"
    if request.param == "sqs with own queues":
        queue += "&own=1"
    prepare(sqlite(folder), queue)
    with cluster(folder, sqlite(folder), queue) as store:
        for server in [store.data(name).start() for name in DATA]:
            server.await_announced()
        store.api("api", "--policy", "copies=1").start().await_ready()
        yield store


def test_a_file_moves_to_another_disk(single: Cluster) -> None:
    """It is found, verified, and the catalog learns of it: the next GET need not search."""
    store, api = single, single["api"]
    assert api.put("large", LARGE).status_code == 200
    (holder,) = layout(store.state, "large")
    old = next(name for name in DATA if store.node_id(name) == holder)
    new = next(name for name in DATA if name != old)
    _move(store, "large", old, new)

    assert api.get("large").content == LARGE
    until(lambda: layout(store.state, "large") == {store.node_id(new)}, "not corrected")
    searched = api.log.count("could not be read")
    assert searched == 1
    assert api.get("large").content == LARGE
    assert api.log.count("could not be read") == searched
    assert {one["node"] for one in api.locate("large")["holders"]} == {store.node_id(new)}

    _move(store, "large", new, old)  # and back, with a byte that is wrong now
    path = _file(store, "large", old)
    with path.open("r+b") as file:
        file.seek(2 * MIB)
        file.write(bytes([LARGE[2 * MIB] ^ 1]))
    assert _refused(api, "large")
    assert layout(store.state, "large") == {store.node_id(new)}
    assert api.get("never-put").status_code == 404


def test_a_file_that_is_nowhere(single: Cluster) -> None:
    """An object whose only file is gone is a 503 with the reason; it is back with the file."""
    store, api = single, single["api"]
    assert api.put("gone", LARGE).status_code == 200
    (holder,) = layout(store.state, "gone")
    name = next(name for name in DATA if store.node_id(name) == holder)
    path = _file(store, "gone", name)
    path.rename(store.folder / "aside")
    got = api.get("gone")
    assert got.status_code == 503
    assert holder in got.text
    assert api.head("gone").status_code == 200
    (store.folder / "aside").rename(path)
    until(lambda: api.get("gone").content == LARGE)
    assert layout(store.state, "gone") == {holder}


def _refused(api: Server, key: str) -> bool:
    """Whether a GET is answered with 503, or broken off once it was answered with 200."""
    try:
        return api.get(key).status_code == 503
    except requests.RequestException:
        return True


def _file(store: Cluster, key: str, server: str) -> Path:
    """Where a data server keeps the bytes of a large object of a single copy."""
    name = incarnation(store.state, key)
    return store.folder / server / "objects" / name[:2] / f"{name}.0"


def _move(store: Cluster, key: str, source: str, target: str) -> None:
    path = _file(store, key, target)
    path.parent.mkdir(exist_ok=True)
    shutil.move(_file(store, key, source), path)


# -- a disk that is there twice ------------------------------------------------------------
def test_a_cloned_disk(tmp_path: Path) -> None:
    """Of two processes with copies of one disk one stops serving, and no byte is ever wrong."""
    with cluster(tmp_path, sqlite(tmp_path)) as store:
        store.start(2)
        api = store["api"]
        assert api.put("before", LARGE).status_code == 200
        shutil.copytree(tmp_path / "data-1", tmp_path / "clone")
        store.data("clone").start().await_announced()

        bodies = {"before": LARGE}

        def replaced() -> bool:
            name = f"meanwhile-{len(bodies)}"
            body = content(name, size=70_000)
            if api.put(name, body).ok:
                bodies[name] = body
            for key, wanted in bodies.items():
                got = api.get(key)
                assert got.status_code == 503 or got.content == wanted
            return "stops serving: another process claimed its id" in store["data-1"].log

        until(replaced, "both serve the same node")
        assert len(bodies) > 1
        for key, wanted in bodies.items():
            assert api.get(key).content == wanted
        assert "stops serving" not in store["clone"].log


# -- a disk of somebody else ---------------------------------------------------------------
def snapshot(folder: Path) -> dict[Path, tuple[int, int]]:
    """When each file was changed, and its size; but for the index, which is made again at will."""
    paths = [path for path in folder.rglob("*") if not path.name.startswith("index.sqlite")]
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_size) for path in paths if path.is_file()
    }


@pytest.fixture
def used(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of one node that has stored something, and was stopped."""
    with cluster(tmp_path, sqlite(tmp_path)) as store:
        store.start(1)
        assert store["api"].put("x", b"x").status_code == 200
        for server in store.servers.values():
            assert server.end() == 0
        yield store


def refusal(store: Cluster, name: str = "data-1") -> str:
    """The one line with which a data server refuses to start, changing nothing on the disk."""
    before = snapshot(store.folder / "data-1")
    server = store[name].start()
    daemon = server.daemon
    assert server.wait() == 1
    assert daemon.err.count("\n") == 1
    assert snapshot(store.folder / "data-1") == before
    return daemon.err


def test_a_disk_of_another_cluster(used: Cluster) -> None:
    """It is refused, and neither cluster changes."""
    other = used.folder / "other.sqlite"
    prepare(f"sqlite:{other}")
    stranger = Cluster(used.folder, f"sqlite:{other}")
    stranger.data("stranger", storage="data-1")
    assert "belongs to cluster" in refusal(stranger, "stranger")
    assert rows(stranger.state, "NODE") == []
    used["data-1"].start().await_announced()


def test_a_disk_without_its_catalog(used: Cluster) -> None:
    """A disk that was used, and a catalog that knows nothing, do not begin a new cluster."""
    stranger = Cluster(used.folder, f"sqlite:{used.folder / 'empty.sqlite'}")
    stranger.data("stranger", storage="data-1")
    assert "is empty: is it the right one?" in refusal(stranger, "stranger")


def test_a_disk_of_a_newer_format(used: Cluster) -> None:
    """It is refused."""
    path = used.folder / "data-1" / "node.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    assert "newer godos" in refusal(used)


def test_a_read_only_disk(used: Cluster) -> None:
    """It is refused."""
    with read_only(used.folder / "data-1"):
        assert "cannot be written to" in refusal(used)
    used["data-1"].start().await_announced()


def test_a_folder_with_something_else(used: Cluster) -> None:
    """A folder that holds other things is no storage, and stays as it is."""
    folder = used.folder / "photos"
    folder.mkdir()
    (folder / "cat.jpg").write_bytes(b"miaow")
    used.data("photos")
    assert "is no storage directory and not empty: it holds 'cat.jpg'" in refusal(used, "photos")
    assert [path.name for path in folder.iterdir()] == ["cat.jpg"]
