"""The catalog in a file: exported under load, imported elsewhere, and the disks go on with it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import apsw
import pytest
import requests

from tests.catalog_audit import Rows
from tests.integration.catalog_rows import rows
from tests.integration.cluster import PATIENCE, cluster, until
from tests.integration.daemons import environment
from tests.integration.test_one_machine import (
    VERSIONED,
    WRITERS,
    Writer,
    await_puts,
    versions_of,
)
from tests.standins import StandIn

SCRIPT = "from godos.cli import main; main(prog_name='godos')"


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", SCRIPT, "state", *words]


def godos(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run `godos state …`."""
    return subprocess.run(
        command(*words), cwd=folder, env=environment(), capture_output=True, timeout=PATIENCE
    )


def done(folder: Path, *words: str) -> str:
    """What it prints, when it succeeds."""
    result = godos(folder, *words)
    assert result.returncode == 0, result.stderr
    return result.stdout.decode()


@pytest.fixture
def table(dynamodb_local: StandIn) -> Iterator[str]:
    """A DynamoDB table that is not there yet."""
    yield f"dynamodb:{os.urandom(8).hex()}?endpoint={dynamodb_local.url}&region=us-east-1"


def test_exported_under_load(tmp_path: Path, table: str) -> None:
    """
    All that was acknowledged before an export began is read by servers with the imported
    catalog, also when it went through the other engine.
    """
    stop = Event()
    writers = [Writer(f"key-{number}", stop) for number in range(WRITERS)]
    acknowledged: dict[str, list[str]] = {}
    with cluster(tmp_path, f"sqlite:{tmp_path / 'state.sqlite'}") as store:
        store.start()
        url = [f"{store['api'].url}/kept"]
        assert requests.put(url[0], timeout=PATIENCE).status_code == 200
        enabled = requests.put(f"{url[0]}?versioning", VERSIONED, timeout=PATIENCE)
        assert enabled.status_code == 200
        with ThreadPoolExecutor(WRITERS) as threads:
            work = [threads.submit(writer.run, url) for writer in writers]
            try:
                for _ in range(3):
                    await_puts(writers, 10)
                    acknowledged = {one.key: list(one.acknowledged) for one in writers}
                    done(tmp_path, "export", "--state", store.state, "export.zst")
            finally:
                stop.set()
            for one in work:
                one.result(PATIENCE)
        for server in store.servers.values():
            assert server.end() == 0
        before = Rows.of(rows(store.state))
        assert stat.S_IMODE((tmp_path / "export.zst").stat().st_mode) == 0o600
        for where, source in ((table, "export.zst"), (f"sqlite:{tmp_path / 'new'}", "second.zst")):
            said = done(tmp_path, "import", "--state", where, source)
            assert "dropped" not in said
            assert "added" not in said
            done(tmp_path, "export", "--state", where, "second.zst")
        os.rename(tmp_path / "new", tmp_path / "state.sqlite")
        after = Rows.of(rows(store.state))
        after.check_histories()
        after.check_references()
        after.check_blobs()
        after.check_contents()
        assert set(after.blobs) <= set(before.blobs)
        for server in store.servers.values():
            server.start()
        for server in store.servers.values():
            server.await_announced()
        bucket = f"{store['api'].url}/kept"
        for writer in writers:
            check(writer, bucket, acknowledged[writer.key])


def check(writer: Writer, bucket: str, acknowledged: list[str]) -> None:
    """Its versions are there, each of them whole."""
    listed = versions_of(bucket, writer.key)
    assert set(acknowledged) <= {version["ETag"].strip('"') for version in listed}
    for version in listed:
        query = {"versionId": version["VersionId"]}
        got = requests.get(f"{bucket}/{writer.key}", query, timeout=PATIENCE)
        assert got.content == writer.attempted[version["ETag"].strip('"')]


def begun(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """`godos state …`, while it runs; its standard input and output are pipes."""
    return subprocess.Popen(
        command(*words),
        cwd=folder,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def test_ctrl_c_ends_an_export(tmp_path: Path) -> None:
    """An export that is interrupted leaves no file, and the one of yesterday as it was."""
    large_catalog(tmp_path)
    (tmp_path / "export.zst").write_text("of yesterday")
    before = set(os.listdir(tmp_path))
    running = begun(tmp_path, "export", "--state", "sqlite:s", "export.zst")
    until(lambda: [name for name in os.listdir(tmp_path) if name.endswith(".partial")])
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=PATIENCE)
    assert (running.returncode, out) == (1, b""), err
    assert b"Aborted" in err
    assert (tmp_path / "export.zst").read_text() == "of yesterday"
    assert set(os.listdir(tmp_path)) <= before | {"s.lock", "s.sock"}


def test_ctrl_c_ends_an_export_that_nobody_reads(tmp_path: Path) -> None:
    """Ctrl-C is heard while the other end of a pipe takes nothing."""
    large_catalog(tmp_path)
    running = begun(tmp_path, "export", "--state", "sqlite:s", "-")
    assert running.stdout is not None
    assert running.stdout.read(1)  # it has begun, and its pipe is soon full
    time.sleep(1)
    running.send_signal(signal.SIGINT)
    assert running.wait(PATIENCE) == 1


def test_ctrl_c_ends_an_import(tmp_path: Path) -> None:
    """An import whose export does not come ends, and has written nothing."""
    running = begun(tmp_path, "import", "--state", "sqlite:t", "-")
    until(lambda: (tmp_path / "t").exists())
    time.sleep(1)
    running.send_signal(signal.SIGINT)
    assert running.wait(PATIENCE) == 1
    assert Rows.of(rows(f"sqlite:{tmp_path / 't'}")) == Rows()


def large_catalog(folder: Path) -> None:
    """A catalog at `s` whose export takes a while, and has more bytes than a pipe holds."""
    done(folder, "init", "--state", "sqlite:s")
    connection = apsw.Connection(str(folder / "s"))
    with connection:
        for number in range(150_000):
            row = (f"B#{number:032x}", b".", json.dumps({"f": 1, "sha": os.urandom(32).hex()}))
            connection.execute("INSERT INTO items(p, s, j) VALUES(?, ?, ?)", row)
    connection.close()


def test_through_a_pipe(tmp_path: Path) -> None:
    """An export goes from one catalog into another without a file."""
    done(tmp_path, "init", "--state", "sqlite:s")
    export = godos(tmp_path, "export", "--state", "sqlite:s", "-")
    assert export.returncode == 0
    taken = subprocess.run(
        command("import", "--state", "sqlite:t", "-"),
        cwd=tmp_path,
        env=environment(),
        input=export.stdout,
        capture_output=True,
        timeout=PATIENCE,
    )
    assert taken.returncode == 0, taken.stderr
    assert b"epoch 2" in taken.stdout
    assert b"gc --confirm-epoch 2" in taken.stdout


def test_refused(tmp_path: Path) -> None:
    """What cannot be done is one line that says why, and exit code 1."""
    done(tmp_path, "init", "--state", "sqlite:s")
    done(tmp_path, "export", "--state", "sqlite:s", "good")
    (tmp_path / "text").write_text("a text")
    for words, reason in (
        (("export", "--state", "sqlite:none", "x"), "no catalog"),
        (("export", "--state", "sqlite:s", "nowhere/x"), "nowhere/x: No such file"),
        (("import", "--state", "sqlite:t", "none"), "cannot read none"),
        (("import", "--state", "sqlite:t", "text"), "no export"),
        (("import", "--state", "sqlite:s", "good"), "catalog already"),
    ):
        refused = godos(tmp_path, *words)
        assert refused.returncode == 1
        assert refused.stderr.decode().startswith("Error: ")
        assert reason in refused.stderr.decode()
        assert refused.stderr.count(b"\n") == 1
    assert not [name for name in os.listdir(tmp_path) if "partial" in name or "godos-" in name]
