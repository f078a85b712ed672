"""How a daemon treats its memory."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest


def run(program: str) -> str:
    """In a process of its own: both settings are for good."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_freed_buffers_stay_in_the_heap() -> None:
    """A second buffer of the same size costs no page faults."""
    program = """
import resource
from godos.service.memory import reuse_buffers
assert reuse_buffers()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
bytes(8 << 20)
before = faults()
for _ in range(20):
    bytes(8 << 20)
print(faults() - before)
"""
    assert int(run(program)) < 2048  # one buffer alone has 2048 pages


def test_what_lives_is_not_looked_at_again() -> None:
    """After the start a full collection has almost nothing to look at."""
    program = """
import gc
from godos.service.memory import spare_the_collector
spare_the_collector()
print(gc.get_freeze_count() > 1000, len(gc.get_objects()) < 1000)
"""
    assert run(program) == "True True"
