"""A store of real processes on loopback, whose servers are killed, frozen and moved at will."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import Any

import requests

from tests.integration.daemons import Daemon, environment
from tests.standins import missing

PATIENCE = 60.0  # seconds for something to happen on a busy machine
ANYWHERE = ("--address", "127.0.0.1:0")  # any free port of loopback
STARTED: list[Server] = []  # of the test that runs and of its fixtures, for its report


class Server:
    """
    One daemon, started and ended any number of times with the same words.

    Args:
        folder: where it runs.
        words: what follows `twistd -n`.
        variables: more of its environment.
    """

    def __init__(self, folder: Path, name: str, *words: str, **variables: str) -> None:
        self.name = name
        self.folder = folder
        self.words = words
        self._variables = variables
        self._past = ""  # what former processes wrote
        self._daemon: Daemon | None = None

    # -- life ---------------------------------------------------------------------------
    def start(self) -> Server:
        """Start it; answers itself.  `await_announced` waits until it runs."""
        assert self._daemon is None, f"{self.name} runs already"
        self._daemon = Daemon(self.folder, *self.words, **self._variables)
        if self not in STARTED:
            STARTED.append(self)
        return self

    def await_announced(self) -> Server:
        """Wait until it has said where it is; answers itself."""
        self.daemon.address()
        return self

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and wait; answers the exit code."""
        daemon = self.daemon
        if daemon.process.poll() is None:
            daemon.process.send_signal(number)
        return self._ended()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.end(signal.SIGKILL)

    def wait(self) -> int:
        """The exit code, when it ends by itself."""
        return self._ended()

    def _ended(self) -> int:
        daemon = self.daemon
        code = daemon.wait()
        self._past += f"{daemon.out}{daemon.err}-- ended with {code}\n"
        self._daemon = None
        return code

    def freeze(self) -> None:
        """Let it do nothing at all, as a machine that hangs."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """End it whatever its state."""
        if self._daemon is not None:
            self.kill()  # which ends a frozen one as well

    # -- what is known of it ------------------------------------------------------------
    @property
    def daemon(self) -> Daemon:
        """The process that runs."""
        assert self._daemon is not None, f"{self.name} does not run"
        return self._daemon

    @property
    def runs(self) -> bool:
        """Whether it was started and not ended by us."""
        return self._daemon is not None

    @property
    def pid(self) -> int:
        return self.daemon.process.pid

    @property
    def unsent(self) -> int:
        """Bytes that wait in its TCP connections for receivers that are slow."""
        tables = [Path(f"/proc/{self.pid}/net/{table}") for table in ("tcp", "tcp6")]
        lines = [line.split() for table in tables for line in table.read_text().splitlines()[1:]]
        waiting = {f"socket:[{f[9]}]": int(f[4].split(":")[0], 16) for f in lines if f[3] == "01"}
        links = [os.readlink(fd) for fd in Path(f"/proc/{self.pid}/fd").iterdir()]
        return sum(waiting.get(link, 0) for link in links)

    @property
    def url(self) -> str:
        """Its root, without a slash."""
        return self.daemon.url

    @property
    def log(self) -> str:
        """All that it and its former processes wrote."""
        now = "" if self._daemon is None else f"{self._daemon.out}{self._daemon.err}"
        return f"{self._past}{now}"

    # -- for those that serve clients ------------------------------------------------------
    def await_ready(self) -> Server:
        """Wait until objects can be stored and read; answers itself."""
        self.await_announced()
        until(lambda: requests.get(f"{self.url}/-/ready", timeout=PATIENCE).status_code == 200)
        return self

    def at(self, key: str, bucket: str = "objects") -> str:
        """The URL of an object; `key` is percent-encoded already."""
        return f"{self.url}/{bucket}/{key}"

    def put(self, key: str, body: Any, **more: Any) -> requests.Response:
        return requests.put(self.at(key), data=body, timeout=PATIENCE, **more)

    def get(self, key: str, **more: Any) -> requests.Response:
        return requests.get(self.at(key), timeout=PATIENCE, **more)

    def head(self, key: str, **more: Any) -> requests.Response:
        return requests.head(self.at(key), timeout=PATIENCE, **more)

    def delete(self, key: str, **more: Any) -> requests.Response:
        return requests.delete(self.at(key), timeout=PATIENCE, **more)

    def names(self, prefix: str = "") -> list[str]:
        """The names of all objects that begin with `prefix`, over all pages."""
        found: list[str] = []
        page = {"list-type": "2", "format": "json", "prefix": prefix}
        while True:
            answer = requests.get(f"{self.url}/objects", params=page, timeout=PATIENCE).json()
            found += [entry["Key"] for entry in answer["Contents"]]
            if not answer["IsTruncated"]:
                return found
            page["continuation-token"] = answer["NextContinuationToken"]

    def locate(self, key: str) -> dict[str, Any]:
        """What `GET /-/locate` says of an object."""
        answer = requests.get(f"{self.url}/-/locate/objects/{key}", timeout=PATIENCE)
        answer.raise_for_status()
        document: dict[str, Any] = answer.json()
        return document

    def locate_for_sure(self, key: str) -> dict[str, Any]:
        """
        The same, once all nodes were asked: a data server that passes a question on learns
        of nodes that are newer than itself within two seconds.
        """
        answers: list[dict[str, Any]] = []

        def complete() -> bool:
            answers.append(self.locate(key))
            return bool(answers[-1]["complete"])

        until(complete, "not all nodes are asked")
        return answers[-1]


class Cluster:
    """
    API servers and data servers on one catalog.

    Args:
        folder: an empty one, for all of them; the storage of `data-1` is `folder/data-1`.
        state, queue: what `--state` and `--queue` say.
    """

    def __init__(self, folder: Path, state: str, queue: str = "none") -> None:
        self.folder = folder
        self.state = state
        self.queue = queue
        self.servers: dict[str, Server] = {}

    def data(self, name: str, *words: str, storage: str | None = None) -> Server:
        """Make a data server, not started yet; `words` are more options."""
        return self._server(name, "godos-data", "--storage", storage or name, *words)

    def api(self, name: str = "api", *words: str) -> Server:
        """Make an API server, not started yet."""
        return self._server(name, "godos-api", *words)

    def _server(self, name: str, daemon: str, *words: str) -> Server:
        common = ("--state", self.state, "--queue", self.queue, *ANYWHERE)
        server = Server(self.folder, name, daemon, *common, *words)
        self.servers[name] = server
        return server

    def __getitem__(self, name: str) -> Server:
        return self.servers[name]

    def start(self, nodes: int = 3) -> Cluster:
        """Start `data-1` … and then `api`, which sees all of them from its first moment."""
        data = [self.data(f"data-{number}").start() for number in range(1, nodes + 1)]
        for server in data:
            server.await_announced()
        self.api().start().await_ready()
        return self

    def node_id(self, name: str) -> str:
        """The id of the node that a data server keeps."""
        return node_id(self.folder / name)

    def close(self) -> None:
        for server in self.servers.values():
            server.close()


@contextmanager
def cluster(folder: Path, state: str, queue: str = "none") -> Iterator[Cluster]:
    """A cluster without servers yet; all that is started ends with the block."""
    made = Cluster(folder, state, queue)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def embedded(folder: Path, *words: str) -> Iterator[Server]:
    """`twistd -n godos`, not started yet, with its storage in `folder/godos-data`."""
    server = Server(folder, "godos", "godos", *ANYWHERE, *words)
    try:
        yield server
    finally:
        server.close()


def need_curl() -> None:
    """Skip the test where there is no curl."""
    if which("curl") is None:
        missing("curl")


def node_id(storage: Path) -> str:
    """The id in `node.json`."""
    document: dict[str, str] = json.loads((storage / "node.json").read_text())
    return document["node"]


def until(condition: Callable[[], object], what: str = "") -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what or "it did not happen"
        time.sleep(0.05)


def godos(*words: str) -> subprocess.CompletedProcess[str]:
    """The `godos` command; its output is text."""
    script = "from godos.cli import main; main(prog_name='godos')"
    return subprocess.run(
        [sys.executable, "-c", script, *words],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def prepare(state: str, queue: str = "none") -> None:
    """`godos state init`."""
    done = godos("state", "init", "--state", state, "--queue", queue)
    assert done.returncode == 0, done
