"""Real twistd processes, each in a folder of its own, on ports of loopback that are free."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0  # seconds for a daemon to start or end on a busy machine
_WHERE = re.compile(r"(?:listens on|reached at) +(?:http://|https://)?(\S+:\d+)")


def environment(**more: str) -> dict[str, str]:
    """This process's variables without settings of godos, and with this tree's code."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GODOS_")}
    return kept | {"PYTHONPATH": str(ROOT), "COLUMNS": "80"} | more


def command(*words: str) -> list[str]:
    """The command line of twistd in the interpreter that runs the tests."""
    script = "import sys; from twisted.scripts.twistd import run; sys.exit(run())"
    return [sys.executable, "-c", script, *words]


class Daemon:
    """
    `twistd -n` with these words after it; a context manager that ends it.

    `out` and `err` hold what it has written so far.
    """

    def __init__(self, folder: Path, *words: str, **variables: str) -> None:
        self.process = subprocess.Popen(
            command("-n", *words),
            cwd=folder,
            env=environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: dict[str, list[str]] = {"out": [], "err": []}
        self._readers = [
            threading.Thread(target=self._read, args=(name, pipe), daemon=True)
            for name, pipe in (("out", self.process.stdout), ("err", self.process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str, pipe: Sequence[str]) -> None:
        for line in pipe:
            self._lines[name].append(line)

    @property
    def out(self) -> str:
        """Standard output."""
        return "".join(self._lines["out"])

    @property
    def err(self) -> str:
        """Standard error."""
        return "".join(self._lines["err"])

    def address(self) -> str:
        """`host:port` that it announces, once it runs."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = _WHERE.search(self.out)
            if found is not None:
                return found[1]
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"it did not start: {self.out}{self.err}")

    @property
    def url(self) -> str:
        """Its root, without a slash."""
        return f"http://{self.address()}"

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and wait for the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """The exit code, once all it wrote is read."""
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        return code

    def __enter__(self) -> Daemon:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
