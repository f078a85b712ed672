"""
How fast a store repairs itself: what a dead data server held is made anew on the others.

    python -m bench.repair                            16 objects of 64 MiB, ec=4+2
    python -m bench.repair --policy copies=3          another policy
    python -m bench.repair --size 100k --objects 500  small ones

One API server and one data server more than the policy needs, as processes of their own on
one machine.  One data server is killed (SIGKILL); the rest follows by itself: a census, the
repair rows, and mending, of which every fragment is read back.  Each blob has lost one
fragment; the time is from the first new one to the last, CPU is of all processes.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import signal
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import requests
from attrs import frozen

from bench.chaos.store import Store
from bench.processes import cpu_seconds
from godos.model.policy import Policy

SILENCE, CENSUS = 5, 10  # seconds of --repair-after and --census-every
PATIENCE = 240.0  # seconds for all of it
LOOK = 0.1  # seconds between two looks
UNITS = {"k": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@frozen
class Seen:
    """How far repair was at one moment."""

    at: float
    cpu: float
    fragments: float
    bytes: float


def size_of(text: str) -> int:
    """`100k`, `64M` or a number of bytes."""
    return int(text.rstrip("kMG")) * UNITS.get(text[-1], 1)


def counters(store: Store) -> Mapping[str, float]:
    """What `/-/metrics` says."""
    lines = requests.get(f"{store.url}/-/metrics", timeout=30).text.splitlines()
    told = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, value in told}


def seen(store: Store) -> Seen:
    """How far it is now."""
    told = counters(store)
    pids = [process.pid for process in (store.api, *store.nodes) if process.runs]
    return Seen(
        time.monotonic(),
        cpu_seconds(pids),
        told.get("godos_repair_fragments_total", 0.0),
        told.get("godos_repair_bytes_total", 0.0),
    )


def fill(store: Store, objects: int, size: int) -> None:
    """Write objects that are all different."""
    body = hashlib.shake_128(b"repair").digest(size)
    for number in range(objects):
        data = number.to_bytes(8, "big") + body[8:]
        url = f"{store.url}/objects/o{number}"
        requests.put(url, data=data, timeout=120).raise_for_status()


def mended(store: Store) -> tuple[Seen, Seen]:
    """The first and the last moment of repair, once a data server is dead."""
    store.nodes[0].end(signal.SIGKILL)
    end, first, last = time.monotonic() + PATIENCE, None, None
    while time.monotonic() < end:
        now = seen(store)
        if now.fragments and first is None:
            first = now
        if last is None or now.fragments > last.fragments:
            last = now
        if first is not None and not store.status()["repairs"]["waiting"]:
            return first, last
        time.sleep(LOOK)
    raise SystemExit(f"it was not repaired within {PATIENCE:.0f} s; see {store.api.log}")


def measure(policy: str, objects: int, size: int, folder: Path) -> None:
    """Print how fast one store is repaired."""
    state = f"sqlite:{folder / 'state.sqlite'}"
    options = ["--policy", policy, "--repair-rate", "0"]
    options += ["--repair-after", str(SILENCE), "--census-every", str(CENSUS)]
    store = Store(folder, state, Policy.parse(policy).width + 1, options, ())
    store.godos("state", "init", "--state", state).check_returncode()
    try:
        store.start()
        fill(store, objects, size)
        first, last = mended(store)
    finally:
        store.stop()
    blobs, written = last.fragments - first.fragments, last.bytes - first.bytes
    seconds = max(last.at - first.at, LOOK)
    if not blobs:
        raise SystemExit("too few objects to time their repair: ask for more --objects")
    print(f"policy        {policy}, {objects} objects of {size} bytes")
    print(f"made anew     {last.fragments:.0f} fragments, {last.bytes / 1e6:.1f} MB")
    print(f"blobs         {blobs / seconds:.1f} /s")
    print(f"objects' data {blobs * size / seconds / 1e6:.0f} MB/s")
    print(f"new fragments {written / seconds / 1e6:.0f} MB/s")
    print(f"CPU           {(last.cpu - first.cpu) / (blobs * size / 1e9):.2f} s/GB of objects")


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--policy", default="ec=4+2")
    parser.add_argument("--objects", type=int, default=16)
    parser.add_argument("--size", type=size_of, default=64 << 20, help="such as 100k or 64M")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="godos-repair-"))
    try:
        measure(asked.policy, asked.objects, asked.size, folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
