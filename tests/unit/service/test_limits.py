"""Open files."""

from __future__ import annotations

import resource
import subprocess
import sys

LOOK = """
import resource
from godos.service.limits import raise_open_files
print(raise_open_files(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def limited(soft: int, hard: int) -> list[int]:
    """What a process that starts with these limits ends up with."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
    )
    return [int(word) for word in done.stdout.split()]


def test_the_soft_limit_is_lifted_to_the_hard_one() -> None:
    """A shell's 1024 is no limit for a server."""
    assert limited(256, 512) == [512, 512]


def test_a_higher_limit_is_left_alone() -> None:
    """Nobody's limit is lowered."""
    assert limited(512, 512) == [512, 512]
