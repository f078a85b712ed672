"""Bytes that change on a disk: they reach no client, from one disk or from three."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.integration.catalog_rows import holders, incarnation, layout, waits_for_repair
from tests.integration.cluster import Cluster, Server, cluster, embedded, godos, until
from tests.integration.contents import MIB, content

SIZE = 5 * MIB + 11
DATA = ("data-1", "data-2", "data-3")


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Everything in one process, and one copy of everything."""
    with embedded(tmp_path_factory.mktemp("damage")) as server:
        yield server.start().await_ready()


@pytest.fixture(scope="module")
def triple(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes, and three copies of everything."""
    folder = tmp_path_factory.mktemp("damages")
    with cluster(folder, f"sqlite:{folder / 'state.sqlite'}") as store:
        yield store.start()


def object_file(storage: Path, state: str, key: str) -> Path:
    """Where a node keeps the bytes of a large object."""
    name = incarnation(state, key)
    (path,) = (storage / "objects" / name[:2]).glob(f"{name}.*")
    return path


def volume_with(storage: Path, body: bytes) -> tuple[Path, int]:
    """The volume of a node that has these bytes, and where."""
    for path in sorted((storage / "volumes").iterdir()):
        offset = path.read_bytes().find(body)
        if offset >= 0:
            return path, offset
    raise AssertionError(f"{storage} does not have these {len(body)} bytes in a volume")


def flip(path: Path, offset: int) -> None:
    """Change one bit, and nothing else that anybody could see."""
    times = path.stat()
    with path.open("r+b", buffering=0) as file:
        byte = os.pread(file.fileno(), 1, offset)
        os.pwrite(file.fileno(), bytes([byte[0] ^ 0x10]), offset)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


# -- one copy -------------------------------------------------------------------------------
def refused(server: Server, key: str) -> None:
    """GET is a 503 with a reason, and the object is still listed."""
    got = server.get(key)
    assert got.status_code == 503
    assert "no node gives the object's bytes now" in got.text.lower()
    assert server.head(key).status_code == 200
    assert key in server.names()


def test_a_small_object_on_one_disk(single: Server) -> None:
    """A 503 with the reason; its neighbours are not touched by it."""
    storage = single.folder / "godos-data"
    bodies = {f"small-{number}": content("small", number, 60_000) for number in range(3)}
    for key, body in bodies.items():
        assert single.put(key, body).status_code == 200
    path, offset = volume_with(storage, bodies["small-1"])
    flip(path, offset + 30_000)
    refused(single, "small-1")
    assert single.get("small-0").content == bodies["small-0"]
    assert single.get("small-2").content == bodies["small-2"]
    flip(path, offset + 30_000)
    assert single.get("small-1").content == bodies["small-1"]


def test_the_beginning_of_a_large_object_on_one_disk(single: Server) -> None:
    """A 503 before the first byte; parts that are whole can be had."""
    body = content("beginning", size=SIZE)
    assert single.put("beginning", body).status_code == 200
    flip(_file(single, "beginning"), 5)
    refused(single, "beginning")
    part = single.get("beginning", headers={"Range": f"bytes={2 * MIB}-"})
    assert (part.status_code, part.content) == (206, body[2 * MIB :])


def test_the_middle_of_a_large_object_on_one_disk(single: Server) -> None:
    """The connection breaks where the damage begins: a client never takes it for the whole."""
    body = content("middle", size=SIZE)
    assert single.put("middle", body).status_code == 200
    flip(_file(single, "middle"), 4 * MIB)
    received = bytearray()
    with single.get("middle", stream=True) as answer:
        assert answer.status_code == 200
        with pytest.raises(requests.RequestException):
            for piece in answer.iter_content(64 * 1024):
                received += piece
    assert body.startswith(received)
    assert len(received) <= 4 * MIB


@pytest.mark.parametrize("size", [0, 100, SIZE - 1, SIZE + 10])
def test_a_file_that_was_cut(single: Server, size: int) -> None:
    """A file that has lost its end is damage like any other."""
    key = f"cut-{size}"
    assert single.put(key, content("cut", size=SIZE)).status_code == 200
    os.truncate(_file(single, key), size)
    refused(single, key)


def test_what_the_command_finds(tmp_path: Path) -> None:
    """`godos disk check` lists what is damaged, and exits with 1; `dump` shows it."""
    storage, size = tmp_path / "godos-data", 2 * MIB
    bodies = {"small": content("small", size=60_000), "large": content("large", size=size)}
    with embedded(tmp_path) as server:
        server.start().await_ready()
        for key, body in (*bodies.items(), ("whole", content("whole", size=size))):
            assert server.put(key, body).status_code == 200
        busy = godos("disk", "check", str(storage))
        assert (busy.returncode, busy.stderr.count("\n")) == (1, 1)
        assert "another process" in busy.stderr
        assert server.end() == 0

        clean = godos("disk", "check", str(storage))
        assert clean.returncode == 0, clean
        assert "3 fragments in 1 volumes and 2 files" in clean.stdout
        volume, offset = volume_with(storage, bodies["small"])
        file = _file(server, "large")
        flip(volume, offset)
        flip(file, size - 1)
        found = godos("disk", "check", str(storage))
        assert found.returncode == 1, found
        small = incarnation(f"sqlite:{storage / 'catalog.sqlite'}", "small")
        for damaged in (f"{small}.0", file.name):
            assert damaged in found.stdout
        for damaged in (volume, file):
            assert godos("disk", "dump", str(damaged)).returncode == 1

        server.start().await_ready()
        refused(server, "small")
        assert server.get("whole").content == content("whole", size=size)


def _file(server: Server, key: str) -> Path:
    storage = server.folder / "godos-data"
    return object_file(storage, f"sqlite:{storage / 'catalog.sqlite'}", key)


# -- three copies -----------------------------------------------------------------------------
def asked_first(store: Cluster, key: str, number: int) -> list[Path]:
    """The storage of the nodes that a reader asks first."""
    by_id = {store.node_id(name): store.folder / name for name in DATA}
    return [by_id[node] for node in holders(store.state, key)[:number]]


@pytest.mark.parametrize("offset", [0, 3 * MIB, SIZE - 1])
def test_damage_on_two_of_three(triple: Cluster, offset: int) -> None:
    """The client gets right bytes from the third, and the object waits for repair."""
    api, key = triple["api"], f"damaged-{offset}"
    body = content(key, size=SIZE)
    assert api.put(key, body).status_code == 200
    for storage in asked_first(triple, key, 2):
        flip(object_file(storage, triple.state, key), offset)
    part = api.get(key, headers={"Range": f"bytes={offset}-{offset}"})
    assert (part.status_code, part.content) == (206, body[offset : offset + 1])
    assert api.get(key).content == body
    until(lambda: waits_for_repair(triple.state, key), "nobody will repair it")
    assert api.put(f"next-{offset}", body).status_code == 200
    assert len(layout(triple.state, f"next-{offset}")) == 3  # nobody was taken for dead


def test_damage_to_a_small_object_on_two_of_three(triple: Cluster) -> None:
    """So it is with what is kept in volumes."""
    api, body = triple["api"], content("small", size=70_000)
    assert api.put("small", body).status_code == 200
    for storage in asked_first(triple, "small", 2):
        path, offset = volume_with(storage, body)
        flip(path, offset + 69_999)
    assert api.get("small").content == body
    until(lambda: waits_for_repair(triple.state, "small"), "nobody will repair it")


def test_files_removed_from_two_of_three(triple: Cluster) -> None:
    """So it is when the files are gone altogether."""
    api, body = triple["api"], content("removed", size=SIZE)
    assert api.put("removed", body).status_code == 200
    for storage in asked_first(triple, "removed", 2):
        object_file(storage, triple.state, "removed").unlink()
    assert api.get("removed").content == body
    until(lambda: waits_for_repair(triple.state, "removed"), "nobody will repair it")
