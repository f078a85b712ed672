"""The store is broken on purpose under load: `python -m bench.chaos`, a short course of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.daemons import ROOT, environment

LONGEST = 900.0  # seconds on a busy machine


@pytest.mark.timeout(LONGEST + 60)
def test_a_short_course(tmp_path: Path) -> None:
    """
    Two of six servers are killed, one hangs, one has bits turned over, and one loses its
    directory: no byte is wrong, nothing is lost, and the store gets whole by itself.
    """
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "bench.chaos",
            "--short",
            "--seed",
            "11",
            "--clients",
            "2",
            "--folder",
            str(tmp_path / "chaos"),
        ],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "violations: 0" in done.stdout
