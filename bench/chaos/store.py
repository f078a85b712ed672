"""The store under test: one API server and some data servers, as processes on loopback."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests

from bench.servers import free_port

ROOT = Path(__file__).parents[2]
START = 60.0  # seconds for a process to come up


def environment() -> dict[str, str]:
    """This process's variables without settings of godos, and with this tree's code."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GODOS_")}
    return kept | {"PYTHONPATH": str(ROOT)}


class Process:
    """`twistd -n` with these words; started and ended any number of times."""

    def __init__(self, name: str, folder: Path, words: Sequence[str]) -> None:
        self.name = name
        self._folder = folder
        self._words = words
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What it writes."""
        return self._folder / f"{self.name}.log"

    @property
    def pid(self) -> int:
        assert self._popen is not None
        return self._popen.pid

    @property
    def runs(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        script = "import sys; from twisted.scripts.twistd import run; sys.exit(run())"
        command = [sys.executable, "-c", script, "-n", *self._words]
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                command, cwd=self._folder, env=environment(), stdout=log, stderr=log
            )

    def send(self, number: int) -> None:
        """A signal."""
        os.kill(self.pid, number)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait, and answer the exit code."""
        assert self._popen is not None
        if self.runs:
            self.send(number)
        try:
            return self._popen.wait(60)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            return self._popen.wait()


class Node(Process):
    """A data server with one storage folder."""

    def __init__(self, number: int, folder: Path, state: str, options: Sequence[str]) -> None:
        self.storage = folder / f"disk-{number}"
        port = free_port()
        words = ["godos-data", "--address", f"127.0.0.1:{port}", "--storage", str(self.storage)]
        super().__init__(f"data-{number}", folder, [*words, "--state", state, *options])
        self.address = f"127.0.0.1:{port}"

    @property
    def id(self) -> str:
        """The node's id, once it has one."""
        document: dict[str, str] = json.loads((self.storage / "node.json").read_text())
        return document["node"]

    def await_up(self) -> None:
        """Wait until it answers."""
        _await(f"http://{self.address}/-/health", self)


class Store:
    """
    Args:
        folder: an empty one, for everything.
        state: what `--state` says.
    """

    def __init__(
        self,
        folder: Path,
        state: str,
        nodes: int,
        of_api: Sequence[str],
        of_data: Sequence[str],
    ) -> None:
        self.folder, self.state = folder, state
        self.nodes = [Node(number, folder, state, of_data) for number in range(1, nodes + 1)]
        port = free_port()
        words = ["godos-api", "--address", f"127.0.0.1:{port}", "--state", state, *of_api]
        self.api = Process("api", folder, words)
        self.url = f"http://127.0.0.1:{port}"

    def start(self) -> None:
        """All data servers, then the API server."""
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.await_up()
        self.api.start()
        _await(f"{self.url}/-/ready", self.api)

    def stop(self) -> None:
        """End all that runs, whatever its state."""
        for process in (self.api, *self.nodes):
            if process.runs:
                process.send(signal.SIGCONT)
                process.end()

    def godos(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the `godos` command."""
        script = "from godos.cli import main; main(prog_name='godos')"
        return subprocess.run(
            [sys.executable, "-c", script, *words],
            env=environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def status(self) -> dict[str, Any]:
        """What `GET /-/status` says."""
        answer = requests.get(f"{self.url}/-/status", timeout=30)
        answer.raise_for_status()
        document: dict[str, Any] = answer.json()
        return document

    def wipe(self, node: Node) -> str:
        """Kill a data server and remove its directory altogether; answers the lost node's id."""
        lost = node.id
        node.end(signal.SIGKILL)
        shutil.rmtree(node.storage)
        return lost


def _await(url: str, process: Process) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end:
        if not process.runs:
            raise SystemExit(f"{process.name} ended; its log is {process.log}")
        try:
            if requests.get(url, timeout=5).status_code == 200:
                return
        except requests.RequestException:
            pass  # not yet
        time.sleep(0.1)
    raise SystemExit(f"{url} does not answer; the log is {process.log}")
