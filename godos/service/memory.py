"""
How this process treats its memory; both settings are measured (docs/benchmarks.rst).

Neither changes what the program does, only what it costs.
"""

from __future__ import annotations

import ctypes
import gc

from twisted.logger import Logger

# Source: mallopt(3), glibc's malloc.h
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

# Buffers of a body up to this size are taken from the heap again and again; by default
# glibc gives each back to the kernel, and the next one costs a fault for every page.
REUSED = 64 << 20  # bytes
KEPT = 32 << 20  # bytes of free heap that are not given back, in each arena
ARENAS = 2  # by default one for each thread, and each keeps buffers of its own

_log = Logger()


def reuse_buffers() -> bool:
    """Tell the allocator to keep freed buffers; False where it is not glibc's."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    wanted = ((_M_ARENA_MAX, ARENAS), (_M_MMAP_THRESHOLD, REUSED), (_M_TRIM_THRESHOLD, KEPT))
    return all(bool(mallopt(*setting)) for setting in wanted)


def spare_the_collector() -> None:
    """
    Take all that lives now out of the collector's sight: code and singletons stay anyway.

    A full collection then costs 1 ms instead of 80; called once, when the daemon runs.
    """
    gc.collect()
    gc.freeze()
    _log.debug("{count} objects are no business of the collector", count=gc.get_freeze_count())
