"""
The memory that a large body costs, with fast, slow and stalling clients.

    python -m bench.bodies                    PUT and GET of 5 GiB, all clients (ten minutes)
    python -m bench.bodies --gib 1            smaller
    python -m bench.bodies --clients fast     only some of: fast, throttled, stalled

The peak is the server's VmHWM, reset before each transfer.  `throttled` moves 20 MB/s;
`stalled` stops reading, or sending, for a minute in the middle and then goes on at full
speed.  Every download is compared with what was uploaded, by SHA-256.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from attrs import frozen

from bench.processes import cpu_seconds, peak_memory
from bench.servers import Server, godos

MIB, GIB = 1 << 20, 1 << 30
PIECE = MIB
RATE = 20_000_000  # bytes a second of a throttled client
STALL = 60.0  # seconds that a stalled client does nothing
SEED = hashlib.sha256(b"godos").digest()

Pace = Callable[[int], None]  # told how many bytes have moved


@frozen
class Transfer:
    """What one transfer took."""

    what: str
    seconds: float
    cpu: float
    peak: int
    whole: bool


def pieces(size: int) -> Iterator[bytes]:
    """`size` bytes that do not compress and differ from MiB to MiB, at little cost."""
    base = bytearray(hashlib.shake_256(SEED).digest(PIECE))
    for number in range(0, size, PIECE):
        base[:8] = number.to_bytes(8, "big")
        yield bytes(base[: min(PIECE, size - number)])


def fast(_size: int) -> Pace:
    """As fast as it goes."""
    return lambda _moved: None


def throttled(_size: int) -> Pace:
    """RATE bytes a second."""
    begun = time.monotonic()

    def wait(moved: int) -> None:
        time.sleep(max(0.0, begun + moved / RATE - time.monotonic()))

    return wait


def stalled(size: int) -> Pace:
    """Once, in the middle, nothing for STALL seconds."""
    rested: list[bool] = []

    def rest(moved: int) -> None:
        if moved >= size // 2 and not rested:
            rested.append(True)
            time.sleep(STALL)

    return rest


CLIENTS = {"fast": fast, "throttled": throttled, "stalled": stalled}


def connection(server: Server) -> tuple[http.client.HTTPConnection, str]:
    """A connection to the server, and the path of the object."""
    url = urlsplit(server.base)
    assert url.hostname is not None
    return http.client.HTTPConnection(url.hostname, url.port, timeout=300), url.path + "large"


def put(server: Server, size: int, pace: Pace) -> bool:
    """Send the body; tells whether it was acknowledged."""
    wire, path = connection(server)
    wire.putrequest("PUT", path)
    wire.putheader("Content-Length", str(size))
    wire.endheaders()
    moved = 0
    for piece in pieces(size):
        wire.send(piece)
        moved += len(piece)
        pace(moved)
    return wire.getresponse().status == 200


def get(server: Server, size: int, pace: Pace) -> bool:
    """Read the body; tells whether it is the one that was sent."""
    wire, path = connection(server)
    wire.request("GET", path)
    answer = wire.getresponse()
    found, expected, moved = hashlib.sha256(), hashlib.sha256(), 0
    while piece := answer.read(PIECE):
        found.update(piece)
        moved += len(piece)
        pace(moved)
    for piece in pieces(size):
        expected.update(piece)
    return answer.status == 200 and found.digest() == expected.digest()


def measured(
    server: Server, what: str, verb: Callable[[Server, int, Pace], bool], size: int, pace: Pace
) -> Transfer:
    """One transfer, with the server's own peak of memory."""
    for pid in server.pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # resets VmHWM.  Source: proc(5)
    begun, before = time.monotonic(), cpu_seconds(server.pids)
    whole = verb(server, size, pace)
    return Transfer(
        what,
        time.monotonic() - begun,
        cpu_seconds(server.pids) - before,
        peak_memory(server.pids),
        whole,
    )


def main() -> int:
    """Measure, and print a table; exit code 1 when a body did not come back whole."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gib", type=float, default=5.0, help="size of the body")
    parser.add_argument("--clients", nargs="*", choices=sorted(CLIENTS), default=list(CLIENTS))
    parser.add_argument("--dir", type=Path, default=Path("bench-data"), help="where data goes")
    options = parser.parse_args()
    size = int(options.gib * GIB)
    options.dir.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=options.dir.resolve()))
    good = True
    print(f"{'transfer':<18} {'seconds':>8} {'CPU s':>7} {'peak MiB':>9}  whole", flush=True)
    try:
        with godos(place / "godos") as server:
            for name in options.clients:
                for verb in (put, get):
                    what = f"{verb.__name__.upper()} {name}"
                    one = measured(server, what, verb, size, CLIENTS[name](size))
                    good = good and one.whole
                    print(
                        f"{one.what:<18} {one.seconds:>8.1f} {one.cpu:>7.1f} "
                        f"{one.peak / MIB:>9.1f}  {'yes' if one.whole else 'NO'}",
                        flush=True,
                    )
    finally:
        shutil.rmtree(place)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
