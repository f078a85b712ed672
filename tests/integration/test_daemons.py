"""What twistd starts: real processes, their options, exit codes, files and last words."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tests.integration.daemons import PATIENCE, Daemon, command, environment


def get(url: str) -> bytes:
    """The body of an answer."""
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return bytes(answer.read())


def test_runs_and_ends_well(tmp_path: Path) -> None:
    """`twistd -n godos` says where it is, is healthy, and SIGTERM ends it with exit code 0."""
    with Daemon(tmp_path, "godos", "--port", "0") as daemon:
        assert json.loads(get(f"{daemon.url}/-/health"))["status"] == "alive"
        assert daemon.end() == 0
    assert daemon.err == ""
    assert "Traceback" not in daemon.out


def test_ctrl_c(tmp_path: Path) -> None:
    """Ctrl-C ends it with exit code 0 as well."""
    with Daemon(tmp_path, "godos", "--port", "0") as daemon:
        daemon.address()
        assert daemon.end(signal.SIGINT) == 0


def test_idle_daemon_waits_for_nobody(tmp_path: Path) -> None:
    """An idle daemon waits for nobody at its end, also when clients keep connections open."""
    with Daemon(tmp_path, "godos", "--port", "0") as daemon:
        host, _, port = daemon.address().rpartition(":")
        with socket.create_connection((host, int(port))) as idle, socket.socket() as used:
            used.connect((host, int(port)))
            used.sendall(b"GET /-/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert used.recv(4096).startswith(b"HTTP/1.1 200")
            began = time.monotonic()
            assert daemon.end() == 0
            assert time.monotonic() - began < 5.0  # far from the 10 that requests would get
            assert idle.recv(1) == b""


def test_two_in_one_folder(tmp_path: Path) -> None:
    """Two daemons started in one folder do not clash, and leave no pid file there."""
    with (
        Daemon(tmp_path, "godos", "--port", "0", "--storage", "a") as one,
        Daemon(tmp_path, "godos", "--port", "0", "--storage", "b") as two,
    ):
        assert one.address() != two.address()
        assert not list(tmp_path.glob("*.pid"))


def test_background_on_a_port_in_use(tmp_path: Path) -> None:
    """What stands in the way is told on the terminal too, before the daemon leaves it."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = subprocess.run(
            command("godos", "--port", str(port)),
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr == f"godos: cannot listen on 127.0.0.1:{port}: Address already in use\n"
    assert not list(tmp_path.iterdir())


def test_background(tmp_path: Path) -> None:
    """Without -n it goes to the background, says how to stop it, and logs to its own file."""
    port = free_port()
    started = subprocess.run(
        command("godos", "--port", str(port)),
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    pid_file, log = tmp_path / f"godos-{port}.pid", tmp_path / f"godos-{port}.log"
    assert started.returncode == 0
    assert f"kill $(cat godos-{port}.pid)" in started.stdout
    try:
        until(lambda: "listens on" in (log.read_text() if log.exists() else ""))
        assert b"alive" in get(f"http://127.0.0.1:{port}/-/health")
    finally:
        os.kill(int(pid_file.read_text()), signal.SIGTERM)
    until(lambda: not pid_file.exists())


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["godos", "--port", "x"], "godos: --port: 'x' is no port: a number from 0 to 65535"),
        (["godos", "--nonsense"], "godos: option --nonsense not recognized"),
        (["godos-data", "--storage", "a", "-storage=./a"], "godos-data: --storage: "),
        (["godos-api", "--address", "0.0.0.0:1"], "godos-api: --address: no credentials are set"),
    ],
)
def test_wrong_option(tmp_path: Path, words: list[str], line: str) -> None:
    """A wrong option is one line on standard error, and exit code 1."""
    with Daemon(tmp_path, *words) as daemon:
        assert daemon.wait() == 1
    assert daemon.out == ""
    assert daemon.err.startswith(line)
    assert daemon.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_wrong_variable_and_file(tmp_path: Path) -> None:
    """So are a wrong variable and a wrong key of the file."""
    with Daemon(tmp_path, "godos", GODOS_PORT="x") as daemon:
        assert daemon.wait() == 1
    assert daemon.err.startswith("godos: GODOS_PORT: 'x' is no port")
    (tmp_path / "godos.toml").write_text("prot = 1\n")
    with Daemon(tmp_path, "godos", "--config", "godos.toml") as daemon:
        assert daemon.wait() == 1
    assert daemon.err.startswith("godos: godos.toml: 'prot' is no setting of this daemon; did you")


def test_port_in_use(tmp_path: Path) -> None:
    """A port that is in use is one line and exit code 1, although the reactor ran by then."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with Daemon(tmp_path, "godos", "--port", str(port)) as daemon:
            assert daemon.wait() == 1
    assert daemon.err == f"godos: cannot listen on 127.0.0.1:{port}: Address already in use\n"
    assert "Traceback" not in daemon.out


def test_help(tmp_path: Path) -> None:
    """`twistd --help` lists the three, and each explains its options."""
    listed = run(tmp_path, "--help")
    for name in ("godos", "godos-api", "godos-data"):
        assert f"\n    {name} " in listed
        explained = run(tmp_path, name, "--help")
        assert "GODOS_PORT" in explained
        assert explained.startswith(f"Usage: twistd [options of twistd] {name} [options]")


def run(folder: Path, *words: str) -> str:
    """What twistd prints and ends well after."""
    done = subprocess.run(
        command(*words),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return done.stdout


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def until(condition: object) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)
