"""`godos state init` on a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.integration.daemons import PATIENCE, environment


def init(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run it."""
    script = "from godos.cli import main; main(prog_name='godos')"
    return subprocess.run(
        [sys.executable, "-c", script, "state", "init", *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def test_twice(tmp_path: Path) -> None:
    """It makes the file, and what stands then is not changed by doing it again."""
    first = init(tmp_path, "--state", "sqlite:s", "--policy", "copies=2")
    assert first.returncode == 0
    assert first.stdout.endswith("policy copies=2\n")
    second = init(tmp_path, "--state", "sqlite:s", "--policy", "copies=3")
    assert second.returncode == 0
    assert second.stdout == first.stdout + (
        "The cluster was there already: its policy is not changed to copies=3.\n"
    )


def test_refused(tmp_path: Path) -> None:
    """A file that cannot be made is one line, and exit code 1."""
    done = init(tmp_path, "--state", "sqlite:nowhere/s")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: cannot open the catalog")
    assert done.stderr.count("\n") == 1
