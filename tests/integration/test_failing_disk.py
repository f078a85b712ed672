"""Disks on which a flush fails: nothing is acknowledged, and nobody trusts the disk again."""

from __future__ import annotations

from pathlib import Path

from tests.integration.catalog_rows import layout, rows, waits_for_repair
from tests.integration.cluster import cluster, embedded, godos, node_id, until
from tests.integration.contents import content
from tests.integration.tracing import failing_flush


def test_a_failed_flush_of_the_only_disk(tmp_path: Path) -> None:
    """The PUT is a 503 and did not happen; the disk serves only after it was checked."""
    storage = tmp_path / "godos-data"
    state = f"sqlite:{storage / 'catalog.sqlite'}"
    with embedded(tmp_path) as server:
        server.start().await_ready()
        assert server.put("before", b"before").status_code == 200
        with failing_flush(server.pid, volume(storage)):
            refused = server.put("failed", b"failed")
        assert refused.status_code == 503
        assert "Input/output error" in refused.text
        assert server.get("failed").status_code == 404
        assert server.get("before").status_code == 503
        assert server.put("after", b"after").status_code == 503
        until(lambda: _failed(state) == [node_id(storage)], "the catalog does not know")
        assert server.end() == 0

        daemon = server.start().daemon
        assert server.wait() == 1
        assert daemon.err.count("\n") == 1
        assert "godos disk check" in daemon.err

        checked = godos("disk", "check", str(storage))
        assert checked.returncode == 0, checked
        assert "may serve again" in checked.stdout
        server.start().await_ready()
        assert server.get("before").content == b"before"
        assert server.put("after", b"after").status_code == 200


def test_a_failed_flush_of_one_of_three_disks(tmp_path: Path) -> None:
    """The PUT is acknowledged by the other two, and waits for repair; all is still read."""
    with cluster(tmp_path, f"sqlite:{tmp_path / 'state.sqlite'}") as store:
        api = store.start()["api"]
        body = {name: content(name, size=70_000) for name in ("before", "while", "after")}
        assert api.put("before", body["before"]).status_code == 200
        with failing_flush(store["data-2"].pid, volume(tmp_path / "data-2")):
            assert api.put("while", body["while"]).status_code == 200
        others = {store.node_id("data-1"), store.node_id("data-3")}
        assert layout(store.state, "while") == others
        assert waits_for_repair(store.state, "while")
        until(
            lambda: _failed(store.state) == [store.node_id("data-2")], "the catalog does not know"
        )
        assert api.put("after", body["after"]).status_code == 200
        assert layout(store.state, "after") == others
        for name, bytes_ in body.items():
            assert api.get(name).content == bytes_


def test_a_failed_flush_of_the_catalog(tmp_path: Path) -> None:
    """What is acknowledged then is there after kill -9, once, and the log names the reason."""
    storage = tmp_path / "godos-data"
    with embedded(tmp_path) as server:
        server.start().await_ready()
        assert server.put("before", b"before").status_code == 200
        with failing_flush(server.pid, storage / "catalog.sqlite-wal"):
            put = server.put("while", b"while")
        assert server.put("after", b"after").status_code == 200
        assert "disk I/O error" in server.log
        server.kill()
        server.start().await_announced()
        wanted = ["after", "before"] + ["while"] * (put.status_code == 200)
        assert server.names() == wanted or put.status_code == 503
        assert [server.get(name).text for name in wanted] == wanted


def volume(storage: Path) -> Path:
    """The volume that a node writes to."""
    return max((storage / "volumes").iterdir())


def _failed(state: str) -> list[str]:
    """The nodes that left service, as the catalog knows it."""
    return [row.s.decode() for row in rows(state, "NODE") if row.state == "failed"]
