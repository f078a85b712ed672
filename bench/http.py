"""
PUT and GET over HTTP: operations a second, latency, CPU and memory of the server.

    python -m bench.http                      godos and nginx, one after the other
    python -m bench.http --only godos         one of them
    python -m bench.http --endpoint URL --pid PID [--pid PID]
                                              a server that runs already

Small bodies are sent by wrk, large ones by curl.  CPU is user and system time of all
server processes divided by operations: on a busy machine trust it before operations a
second.  The data goes to --dir, which should be on the disk that you mean to measure.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from bench.processes import cpu_seconds, peak_memory
from bench.servers import Server, godos, nginx

KIB, MIB = 1 << 10, 1 << 20
SMALL = [("4 KiB", 4 * KIB, 32), ("1 MiB", MIB, 8)]  # by wrk: size and connections
LARGE = [("64 MiB", 64 * MIB, 2)]  # by curl
SERVERS = {"nginx": nginx, "godos": godos}

WRK = """
local body = string.rep("{letter}", {size})
local n, thread = 0, 0
local threads = 0
function setup(t) t:set("id", threads); threads = threads + 1 end
function request()
  n = n + 1
  local name = "{path}{size}-" .. id .. "-"
  if "{method}" == "PUT" then return wrk.format("PUT", name .. n % {puts}, nil, body) end
  return wrk.format("GET", name .. n % {gets} + {first})
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('JSON{{"requests":%d,"duration":%f,"p50":%f,"p99":%f,"errors":%d}}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@frozen
class Result:
    """One line of the table."""

    server: str
    what: str
    operations: int
    ops_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms_per_op: float
    peak_mib: float
    errors: int


def wrk(server: Server, method: str, size: int, connections: int, seconds: float) -> dict[str, Any]:
    """Load with small bodies; each of the two threads uses names of its own."""
    host, _, path = server.base.removeprefix("http://").partition("/")
    # New small objects each time; few large ones, to spare the disk.  What is read is
    # little enough to have been written before.
    # wrk throws a thread's first request away, so that small names begin with 2.
    puts, gets, first = (32, 32, 0) if size >= MIB else (1 << 30, 500, 2)
    path = "/" + path
    names = {"path": path, "puts": puts, "gets": gets, "first": first}
    script = WRK.format(letter="x", size=size, method=method, **names)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["wrk", "-t2", f"-c{connections}", f"-d{max(1, int(seconds))}s", "-s", file.name]
        output = subprocess.run(
            [*command, f"http://{host}/"], check=True, capture_output=True, text=True
        ).stdout
    line = next(line for line in output.splitlines() if line.startswith("JSON"))
    answer: dict[str, Any] = json.loads(line[4:])
    return answer


def curl(command: list[str], expected: int) -> tuple[float, bool]:
    """One transfer: seconds, and whether it was whole."""
    begun = time.perf_counter()
    form = "%{http_code} %{size_download} %{size_upload}"
    done = subprocess.run(
        ["curl", "-sS", "-o", "/dev/null", "-w", form, *command], capture_output=True, text=True
    )
    took = time.perf_counter() - begun
    code, _, sizes = done.stdout.partition(" ")
    moved = max(map(int, sizes.split())) if sizes else 0
    return took, code.startswith("2") and moved == expected


def curls(
    server: Server, method: str, size: int, connections: int, count: int, file: Path
) -> dict[str, Any]:
    """Load with large bodies: `count` transfers, `connections` at a time."""

    def one(number: int) -> tuple[float, bool]:
        url = f"{server.base}{size}-{number % 4}"
        return curl(["-T", str(file), url] if method == "PUT" else [url], size)

    begun = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        transfers = list(pool.map(one, range(count)))
    times = sorted(seconds for seconds, _ in transfers)
    return {
        "requests": count,
        "duration": time.perf_counter() - begun,
        "p50": times[len(times) // 2] * 1e3,
        "p99": times[-1] * 1e3,
        "errors": sum(not whole for _, whole in transfers),
    }


def measured(server: Server, what: str, load: Callable[[], dict[str, Any]]) -> Result:
    """Run a load, and read what the server used for it."""
    before = cpu_seconds(server.pids)
    got = load()
    cpu = cpu_seconds(server.pids) - before
    count = max(1, got["requests"])
    return Result(
        server.name,
        what,
        got["requests"],
        got["requests"] / got["duration"],
        got["p50"],
        got["p99"],
        cpu / count * 1e3,
        peak_memory(server.pids) / MIB,
        got["errors"],
    )


def measure(server: Server, seconds: float, count: int, place: Path) -> list[Result]:
    """All lines of one server.  Names are written before they are read."""
    results = []

    def add(result: Result) -> None:
        results.append(result)
        print(row(result), flush=True)

    for label, size, connections in SMALL:
        for method in ("PUT", "GET"):
            add(
                measured(
                    server,
                    f"{method} {label} c{connections}",
                    lambda m=method, s=size, c=connections: wrk(server, m, s, c, seconds),
                )
            )
    for label, size, connections in LARGE:
        file = place / f"body-{size}"
        with file.open("wb") as body, Path("/dev/urandom").open("rb") as random:
            body.write(random.read(size))
        for method in ("PUT", "GET"):
            add(
                measured(
                    server,
                    f"{method} {label} c{connections}",
                    lambda m=method, s=size, c=connections, f=file: curls(
                        server, m, s, c, count, f
                    ),
                )
            )
        file.unlink()
    return results


HEAD = f"{'server':<10} {'what':<15} {'ops/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'CPU ms/op':>10} "
HEAD += f"{'peak MiB':>9} {'errors':>6}"


def row(result: Result) -> str:
    """A line for people."""
    return (
        f"{result.server:<10} {result.what:<15} {result.ops_per_second:>9.1f} "
        f"{result.p50_ms:>8.2f} {result.p99_ms:>8.2f} {result.cpu_ms_per_op:>10.3f} "
        f"{result.peak_mib:>9.1f} {result.errors:>6}"
    )


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=sorted(SERVERS), help="measure only this server")
    parser.add_argument("--endpoint", help="URL that object names are appended to")
    parser.add_argument("--pid", type=int, action="append", default=[], help="its processes")
    parser.add_argument("--seconds", type=float, default=5.0, help="a small load's duration")
    parser.add_argument("--count", type=int, default=12, help="transfers of a large load")
    parser.add_argument("--dir", type=Path, default=Path("bench-data"), help="where data goes")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    return parser.parse_args()


def main() -> int:
    """Measure, print a table and JSON; exit code 1 when a request failed."""
    options = arguments()
    for program in ("wrk", "curl"):
        if shutil.which(program) is None:
            sys.exit(f"bench.http needs {program}; on Debian: apt-get install {program}")
    options.dir.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=options.dir.resolve()))
    place.chmod(0o755)  # nginx's workers run as another user
    results: list[Result] = []
    print(HEAD)
    try:
        if options.endpoint:
            servers: list[Any] = [
                nullcontext(Server("endpoint", options.endpoint, tuple(options.pid)))
            ]
        else:
            names = [options.only] if options.only else list(SERVERS)
            servers = [SERVERS[name](place / name) for name in names]
        for context in servers:
            with context as server:
                results += measure(server, options.seconds, options.count, place)
    finally:
        shutil.rmtree(place)
    text = json.dumps([asdict(result) for result in results], indent=1)
    if options.json:
        options.json.write_text(text + "\n")
    else:
        print(text)
    return 1 if any(result.errors for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
