"""What a daemon asks of the kernel, told by strace: flushes, names, and when it answers."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

from attrs import define, field, frozen

from tests.standins import missing

_PATIENCE = 30.0  # seconds
_CALLS = "fsync,fdatasync,sync_file_range,rename,renameat,renameat2,recvfrom,sendto,sendmsg"
_BEGUN = re.compile(r"(\d+) +(\w+)\((.*)")
_RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)")
_FLUSHES = frozenset({"fsync", "fdatasync"})
_SENDS = frozenset({"sendto", "sendmsg"})


@frozen
class Call:
    """
    One system call, in the order of their ends; of what is sent, of their beginnings.

    `text` is its arguments and result; of descriptors it has the paths.
    """

    name: str
    text: str

    def flushes(self, part: str) -> bool:
        """Whether it made a file or folder durable with `part` in its path."""
        return self.name in _FLUSHES and part in self.text and self.text.endswith("= 0")

    def renames(self, part: str) -> bool:
        """Whether it gave a file a name with `part` in it."""
        return self.name.startswith("rename") and part in self.text.split(", ")[-1]

    def receives(self, beginning: str) -> bool:
        """Whether bytes came that begin so."""
        return self.name == "recvfrom" and f', "{beginning}' in self.text

    def sends(self, beginning: str) -> bool:
        """Whether bytes were sent that begin so."""
        return self.name in _SENDS and f'"{beginning}' in self.text


@define
class Trace:
    """`calls` is complete once the block of `traced` has ended."""

    calls: list[Call] = field(factory=list)


@contextmanager
def traced(pid: int, folder: Path) -> Iterator[Trace]:
    """Watch a process and all its threads; the trace is kept in `folder` meanwhile."""
    if which("strace") is None:
        missing("strace")
    path, trace = folder / f"trace-{pid}-{time.monotonic_ns()}", Trace()
    with _strace(pid, "-y", "-s", "40", "-e", f"trace={_CALLS}", "-o", str(path)):
        yield trace
    trace.calls += _read(path.read_text(errors="replace"))


@contextmanager
def failing_flush(pid: int, file: Path) -> Iterator[None]:
    """Let the next flush of `file` by this process fail, as that of a dying disk does."""
    if which("strace") is None:
        missing("strace")
    inject = "inject=fdatasync:error=EIO:when=1"
    with _strace(pid, "-e", "trace=fdatasync", "-e", inject, "-P", str(file), "-o", os.devnull):
        yield


@contextmanager
def _strace(pid: int, *words: str) -> Iterator[None]:
    command = ["strace", "-f", *words, "-p", str(pid)]
    strace = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        _await_attached(strace, pid)
        yield
    finally:
        strace.terminate()  # it lets the process go on
        strace.wait(_PATIENCE)


def _await_attached(strace: subprocess.Popen[str], pid: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while strace.poll() is None:
        assert time.monotonic() < deadline, "strace does not attach"
        tasks = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
        if all(re.search(r"TracerPid:\s+[1-9]", task) for task in tasks):
            return
        time.sleep(0.05)
    assert strace.stderr is not None
    missing(f"the permission to trace processes ({strace.stderr.read().strip()})")


def _read(text: str) -> Iterator[Call]:
    open_calls: dict[str, str] = {}
    for line in text.splitlines():
        if begun := _BEGUN.match(line):
            thread, name, rest = begun.groups()
            if rest.endswith("<unfinished ...>") and name not in _SENDS:
                open_calls[thread] = rest.removesuffix("<unfinished ...>")
            else:
                yield Call(name, rest)
        elif (resumed := _RESUMED.match(line)) and resumed[2] not in _SENDS:
            yield Call(resumed[2], open_calls.pop(resumed[1], "") + resumed[3])
