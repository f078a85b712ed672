"""The whole store in one process, as a person uses it."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request
from pathlib import Path

from tests.integration.daemons import PATIENCE, Daemon

LARGE = os.urandom(9 << 20) + b"end"  # more than is kept in one piece anywhere


def put(url: str, body: bytes) -> None:
    """Store an object."""
    request = urllib.request.Request(url, body, method="PUT")
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        assert answer.status == 200


def get(url: str) -> bytes:
    """Read an object."""
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return bytes(answer.read())


def test_kill_and_come_back(tmp_path: Path) -> None:
    """What was acknowledged is there after kill -9, small and large."""
    with Daemon(tmp_path, "godos", "--port", "0") as daemon:
        put(f"{daemon.url}/objects/large", LARGE)
        put(f"{daemon.url}/objects/small", b"small")
        daemon.end(signal.SIGKILL)
    with Daemon(tmp_path, "godos", "--port", "0") as daemon:
        assert get(f"{daemon.url}/objects/large") == LARGE
        assert get(f"{daemon.url}/objects/small") == b"small"
        assert daemon.end() == 0


def test_ready(tmp_path: Path) -> None:
    """Once it says that it runs it can serve, from two folders as from one."""
    words = ["--storage", "a", "--storage", "b"]
    with Daemon(tmp_path, "godos", "--port", "0", *words) as daemon:
        assert json.loads(get(f"{daemon.url}/-/ready")) == {"status": "ready", "reasons": []}
        put(f"{daemon.url}/objects/x", b"x")
        located = json.loads(get(f"{daemon.url}/-/locate/objects/x"))
        assert len(located["holders"]) == 2


def test_one_process_for_one_folder(tmp_path: Path) -> None:
    """A second process on the same folder is refused in one line."""
    with Daemon(tmp_path, "godos", "--port", "0") as daemon:
        daemon.address()
        with Daemon(tmp_path, "godos", "--port", "0") as second:
            assert second.wait() == 1
        assert second.err.count("\n") == 1
        assert "another process serves the storage directory" in second.err
        assert json.loads(get(f"{daemon.url}/-/health")) == {"status": "alive"}


def test_catalog_that_is_gone(tmp_path: Path) -> None:
    """Storage without its catalog is refused, and no empty catalog takes its place."""
    with Daemon(tmp_path, "godos", "--port", "0") as daemon:
        put(f"{daemon.url}/objects/x", b"x")
        daemon.end()
    folder = tmp_path / "godos-data"
    for file in folder.glob("catalog.sqlite*"):
        file.rename(tmp_path / file.name)
    with Daemon(tmp_path, "godos", "--port", "0") as daemon:
        assert daemon.wait() == 1
    assert "belongs to a cluster, but the catalog" in daemon.err
    assert not (folder / "catalog.sqlite").exists()
    for file in tmp_path.glob("catalog.sqlite*"):
        file.rename(folder / file.name)
    with Daemon(tmp_path, "godos", "--port", "0") as daemon:
        assert get(f"{daemon.url}/objects/x") == b"x"


def test_newer_format(tmp_path: Path) -> None:
    """A folder that a newer godos wrote is refused, and stays as it was."""
    with Daemon(tmp_path, "godos", "--port", "0") as daemon:
        daemon.address()
        daemon.end()
    identity = tmp_path / "godos-data" / "node.json"
    fields = json.loads(identity.read_text())
    identity.write_text(json.dumps(fields | {"format": fields["format"] + 1}))
    before = {file: file.stat().st_mtime_ns for file in identity.parent.rglob("*")}
    with Daemon(tmp_path, "godos", "--port", "0") as daemon:
        assert daemon.wait() == 1
    assert "newer godos" in daemon.err
    assert daemon.err.count("\n") == 1
    assert {file: file.stat().st_mtime_ns for file in identity.parent.rglob("*")} == before


def test_refused_requests_are_in_the_log(tmp_path: Path) -> None:
    """The request id in an error's body is in the log, too."""
    with Daemon(tmp_path, "godos", "--port", "0") as daemon:
        try:
            get(f"{daemon.url}/objects/missing?format=json")
        except urllib.error.HTTPError as error:
            assert error.code == 404
            request_id = error.headers["x-amz-request-id"]
        daemon.end()
    assert f"request={request_id}" in daemon.out
