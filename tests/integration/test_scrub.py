"""Disks are read again by themselves, and what is damaged is made good before anybody asks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.integration.catalog_rows import incarnation, rows
from tests.integration.cluster import ANYWHERE, Cluster, cluster, godos, until
from tests.integration.contents import KIB, MIB, content

LARGE, SMALL = content("large", size=3 * MIB), content("small", size=20 * KIB)


def spoil(path: Path, body: bytes) -> None:
    """Turn a bit of `body` where a file holds it."""
    raw = bytearray(path.read_bytes())
    at = raw.index(body[1000:1100])
    raw[at] ^= 1
    path.write_bytes(raw)


def file_of(store: Cluster, key: str, storage: Path) -> Path:
    """The file of a large object's fragment on a disk."""
    name = incarnation(store.state, key)
    (found,) = (storage / "objects" / name[:2]).glob(f"{name}.*")
    return found


def clean(storage: Path) -> bool:
    """Whether `godos disk check` finds nothing; no daemon has the disk."""
    return godos("disk", "check", str(storage)).returncode == 0


def test_damage_that_nobody_reads(tmp_path: Path) -> None:
    """A file and a volume that rot are found by their own server, and mended from the others."""
    with cluster(tmp_path, f"sqlite:{tmp_path / 'state.sqlite'}") as store:
        api = store.start(3)["api"]
        assert api.put("large", LARGE).status_code == 200
        assert api.put("small", SMALL).status_code == 200
        server, storage = store["data-2"], tmp_path / "data-2"
        assert server.end() == 0
        remembered = json.loads((storage / "scrub.json").read_text())
        assert remembered["node"] == store.node_id("data-2") and remembered["before"] > 0
        file = file_of(store, "large", storage)
        spoil(file, LARGE)
        (volume,) = (storage / "volumes").iterdir()
        spoil(volume, SMALL)
        assert not clean(storage)
        (storage / "scrub.json").unlink()  # then all is read at once, and not in days

        server.start().await_announced()
        until(lambda: server.log.count("fails the check of its block") >= 2, "it was not found")
        until(lambda: file.read_bytes().startswith(LARGE), "the file was not mended")
        until(lambda: rows(store.state, "F#") == [], "something waits to be mended")
        assert (api.get("large").content, api.get("small").content) == (LARGE, SMALL)
        assert server.end() == 0
        assert clean(storage), "it is good after the damaged record was replaced"
        for other in ("data-1", "data-3"):
            store[other].kill()
        server.start().await_announced()
        until(lambda: api.get("small").content == SMALL and api.get("large").content == LARGE)


def test_a_disk_comes_back_empty(tmp_path: Path) -> None:
    """It is a new node, the log says what may be wrong, and what was on it is made again."""
    with cluster(tmp_path, f"sqlite:{tmp_path / 'state.sqlite'}") as store:
        api = store.start(2)["api"]
        assert api.put("large", LARGE).status_code == 200
        server, storage = store["data-2"], tmp_path / "data-2"
        old, address = store.node_id("data-2"), server.daemon.address()
        assert server.end() == 0
        storage.rename(tmp_path / "away")

        again = store.data("again", storage="data-2")
        again.words = tuple(address if word == ANYWHERE[1] else word for word in again.words)
        again.start().await_announced()
        new = store.node_id("data-2")
        assert new != old
        until(lambda: f"godos node replace {old} {new}" in again.log)
        assert api.get("large").content == LARGE

        # the disk is found after all: it serves what it has, under the id that it had
        assert again.end() == 0
        shutil.rmtree(storage)
        (tmp_path / "away").rename(storage)
        again.start().await_announced()
        assert store.node_id("data-2") == old
        store["data-1"].kill()
        until(lambda: api.get("large").content == LARGE)
