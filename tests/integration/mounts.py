"""Small and read-only disks, for which a test needs to be root."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.standins import missing


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[None]:
    """Let `folder`, which is empty, be a disk of this size."""
    _mount("-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder))
    try:
        yield
    finally:
        _unmount(folder)


def enlarge(folder: Path, mebibytes: int) -> None:
    """Give a `small_disk` more room."""
    _mount("-o", f"remount,size={mebibytes}m", str(folder))


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let nobody write to `folder`."""
    _mount("--bind", str(folder), str(folder))
    try:
        _mount("-o", "remount,ro,bind", str(folder))
        yield
    finally:
        _unmount(folder)


def _mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True)
    if done.returncode:
        missing(f"the permission to mount ({done.stderr.strip()})")


def _unmount(folder: Path) -> None:
    # lazily: a server that was killed a moment ago may not have let go of it
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
