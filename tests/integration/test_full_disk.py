"""Disks without room: refused clearly, nothing broken, and all is well once there is room."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.integration.catalog_rows import layout, waits_for_repair
from tests.integration.cluster import PATIENCE, cluster, embedded, need_curl, until
from tests.integration.contents import MIB, content, file_of
from tests.integration.mounts import enlarge, small_disk

DISK = 24  # MiB


def test_the_only_disk_is_full(tmp_path: Path) -> None:
    """507 with the reason, before the body where that can be; what was stored stays right."""
    storage, large = tmp_path / "godos-data", file_of(tmp_path / "large", 32 * MIB)
    storage.mkdir()
    with small_disk(storage, DISK), embedded(tmp_path) as server:
        server.start().await_ready()
        need_curl()
        words = ["-w", "\n%{http_code} %{size_upload}", "--expect100-timeout", "60"]
        command = ["curl", "-sS", *words, "-T", str(large), server.at("large")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        assert done.stdout.endswith("\n507 0"), done
        assert "bytes are free, too few for 33554432 more" in done.stdout
        with large.open("rb") as file:
            assert server.put("large", iter(lambda: file.read(MIB), b"")).status_code == 507
        until(lambda: not list((storage / "staging").iterdir()), "what was staged stays")

        stored, size = {}, 4 * MIB
        while size >= 1000:
            name = f"stored-{len(stored)}"
            put = server.put(name, content(name, size=size))
            if put.status_code == 200:
                stored[name] = content(name, size=size)
            else:
                assert put.status_code == 507
                assert "InsufficientStorage" in put.text
                size //= 4
        assert server.names() == sorted(stored)
        assert all(server.get(name).content == body for name, body in stored.items())
        assert server.delete("stored-0").status_code == 204

        enlarge(storage, 2 * DISK)
        until(lambda: server.put("room", content("room", size=8 * MIB)).status_code == 200)
        assert server.get("room").content == content("room", size=8 * MIB)
        server.kill()
        del stored["stored-0"]
        server.start().await_ready()
        assert server.names() == sorted([*stored, "room"])
        assert all(server.get(name).content == body for name, body in stored.items())


def test_one_of_three_disks_is_full(tmp_path: Path) -> None:
    """The other two take the object, which then waits for repair."""
    small, body = tmp_path / "data-1", content("large", size=DISK * MIB)
    small.mkdir()
    with (
        small_disk(small, DISK),
        cluster(tmp_path, f"sqlite:{tmp_path / 'state.sqlite'}") as store,
    ):
        api = store.start()["api"]
        assert api.put("large", body).status_code == 200
        pieces = [body[start : start + MIB] for start in range(0, len(body), MIB)]
        assert api.put("chunks", iter(pieces)).status_code == 200
        for name in ("large", "chunks"):
            assert layout(store.state, name) == {store.node_id("data-2"), store.node_id("data-3")}
            assert waits_for_repair(store.state, name)
            assert api.get(name).content == body
        assert list((small / "staging").iterdir()) == []
