"""API and data servers as processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.integration.daemons import PATIENCE, Daemon, environment
from tests.integration.test_embedded import LARGE, get, put
from tests.standins import StandIn

GODOS = [sys.executable, "-c", "from godos.cli import main; main(prog_name='godos')"]


@contextmanager
def cluster(folder: Path, *words: str) -> Iterator[tuple[Daemon, Sequence[Daemon]]]:
    """One API server and three data servers."""
    with ExitStack() as stack:
        data = []
        for number in range(3):
            where = ["--storage", f"d{number}", "--address", "127.0.0.1:0"]
            data.append(stack.enter_context(Daemon(folder, "godos-data", *where, *words)))
        for one in data:
            one.address()
        api = stack.enter_context(Daemon(folder, "godos-api", "--port", "0", *words))
        api.address()
        yield api, data


def check(api: Daemon, data: Sequence[Daemon]) -> None:
    """Objects come back, also after a node died, and every process ends well."""
    until_nodes(api, 3)
    put(f"{api.url}/objects/large", LARGE)
    put(f"{api.url}/objects/small", b"small")
    located = until_complete(api, "large")
    assert {holder["address"] for holder in located["holders"]} == {one.address() for one in data}
    data[0].end(signal.SIGKILL)
    assert get(f"{api.url}/objects/large") == LARGE
    assert get(f"{api.url}/objects/small") == b"small"
    for one in (api, data[1], data[2]):
        began = time.monotonic()
        assert one.end() == 0
        assert time.monotonic() - began < 5.0  # far from the 20 seconds of a long poll
        assert one.err == ""


def until_complete(api: Daemon, key: str) -> dict[str, object]:
    """
    What locate says once all nodes were asked: a data server that passes a question on learns
    of nodes that are newer than itself within two seconds.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        located: dict[str, object] = json.loads(get(f"{api.url}/-/locate/objects/{key}"))
        if located["complete"]:
            return located
        assert time.monotonic() < deadline
        time.sleep(0.2)


def until_nodes(api: Daemon, number: int) -> None:
    """Wait until the API server knows so many nodes: an object is kept by all of them."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            put(f"{api.url}/objects/probe", b"p")
        except OSError:
            holders: list[object] = []
        else:
            holders = json.loads(get(f"{api.url}/-/locate/objects/probe"))["holders"]
        if len(holders) == number:
            return
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_named_data_servers(tmp_path: Path) -> None:
    """Of the data servers that --dps names, the log tells which are there."""
    where = ["--storage", "d", "--address", "127.0.0.1:0"]
    with Daemon(tmp_path, "godos-data", *where) as data:
        named = f"{data.address()},127.0.0.1:1"
        with Daemon(tmp_path, "godos-api", "--port", "0", "-dps", named) as api:
            api.address()
            deadline = time.monotonic() + PATIENCE
            while "127.0.0.1:1 is no help" not in api.out:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            api.end()
    assert f"--dps: {data.address()} has 1 nodes" in api.out


def test_on_one_machine(tmp_path: Path) -> None:
    """With one SQLite file for all processes, and nothing else."""
    with cluster(tmp_path) as (api, data):
        check(api, data)


@pytest.mark.usefixtures("aws_environment")
def test_on_dynamodb_and_sqs(tmp_path: Path, ministack: StandIn, fauxqs: StandIn) -> None:
    """With the catalog in DynamoDB and questions over SQS; nothing starts before `state init`."""
    state = f"dynamodb:cluster{os.getpid()}?endpoint={ministack.url}"
    words = ["--state", state, "--queue", f"sqs:cluster{os.getpid()}?endpoint={fauxqs.url}"]
    with Daemon(tmp_path, "godos-api", "--port", "0", *words) as early:
        assert early.wait() == 1
    assert "godos state init" in early.err
    assert early.err.count("\n") == 1
    for expected in ("made queue", "is the catalog of cluster"):  # the second changes nothing
        done = subprocess.run(
            [*GODOS, "state", "init", *words],
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE,
        )
        assert expected in done.stdout
    with cluster(tmp_path, *words) as (api, data):
        check(api, data)
