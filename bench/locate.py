"""
Locate: latency and requests to SQS, in each mode, beside the ancestor's protocol.

    python -m bench.locate                      on fauxqs, or moto where that is missing
    python -m bench.locate --endpoint URL       another service that speaks SQS
    python -m bench.locate --latency 0.007      each request takes 7 ms longer, as at AWS

Real processes: some data servers, each blob on one of them, and API servers that ask for
one blob after the other, of which one in ten is nowhere.  A request is what is paid for:
polls that brought nothing are among them.  fauxqs is looked for in GODOS_TEST_NODE_MODULES.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import boto3
import requests
from attrs import asdict, frozen

MODES = ("ancestor", "shared", "own", "direct")
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
START = 60.0  # seconds for a process to come up
ROOT = Path(__file__).parents[1]


@frozen
class Result:
    """One line of the table; times in milliseconds, shares of all locates."""

    mode: str
    nodes: int
    apis: int
    locates: int
    found_p50: float | None
    found_p99: float | None
    no_p50: float | None
    no_p99: float | None
    unknown: float
    wrong: int
    requests: float

    def line(self) -> str:
        """As the table prints it."""
        return (
            f"{self.mode:<9}{self.nodes:>3} x {self.apis}{self.locates:>6}"
            f"{shown(self.found_p50):>10} /{shown(self.found_p99):>6}"
            f"{shown(self.no_p50):>10} /{shown(self.no_p99):>6}"
            f"{100 * self.unknown:>9.0f} %{self.wrong:>7}{self.requests:>10.1f}"
        )


HEAD = (
    "mode  nodes x APIs  locates  found p50/p99 ms  no p50/p99 ms"
    "    unknown  wrong  requests/locate"
)


def shown(milliseconds: float | None) -> str:
    """A time in the table."""
    return "-" if milliseconds is None else f"{milliseconds:.0f}"


def percentile(values: Sequence[float], share: float) -> float | None:
    """Of seconds, in milliseconds; None of nothing."""
    return sorted(values)[int(len(values) * share)] * 1e3 if values else None


@contextmanager
def stand_in() -> Iterator[str]:
    """fauxqs or moto on a free port of loopback; its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    modules = Path(os.environ.get("GODOS_TEST_NODE_MODULES") or ROOT / "node_modules")
    fauxqs = modules / "fauxqs" / "dist" / "cli.js"
    if shutil.which("node") and fauxqs.exists():
        command = ["node", str(fauxqs)]
    else:
        start = "from moto.server import main; main()"
        command = [sys.executable, "-c", start, "-H", "127.0.0.1", "-p", port]
    environment = {**os.environ, "FAUXQS_PORT": port, "FAUXQS_LOGGER": "false"}
    with process(command, environment, stdout=subprocess.DEVNULL):
        deadline = time.monotonic() + START
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(port))) == 0:
                    break
            if time.monotonic() > deadline:
                raise SystemExit(f"{command[0]} did not come up")
            time.sleep(0.05)
        print("on", "fauxqs" if command[0] == "node" else "moto", flush=True)
        yield f"http://127.0.0.1:{port}"


@contextmanager
def process(command: Sequence[str], environment: Mapping[str, str], **more: Any) -> Iterator[Any]:
    """A program that is ended afterwards."""
    started = subprocess.Popen(
        command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL, text=True, **more
    )
    try:
        yield started
    finally:
        started.send_signal(signal.SIGKILL)
        started.wait()


class Cluster:
    """Servers of one mode, and their queues."""

    def __init__(self, mode: str, endpoint: str, nodes: int, apis: int, latency: float) -> None:
        self.mode, self.endpoint, self.latency = mode, endpoint, latency
        self.name = f"bench-{uuid.uuid4().hex[:12]}"
        self.nodes = {f"n{n}": f"127.0.0.1:{port}" for n, port in enumerate(ports(nodes))}
        self.apis = {f"a{n}": f"127.0.0.1:{port}" for n, port in enumerate(ports(apis))}
        self.held: dict[str, list[str]] = {node: [] for node in self.nodes}
        self.sqs = boto3.client("sqs", endpoint_url=endpoint, region_name="us-east-1")

    @contextmanager
    def running(self) -> Iterator[None]:
        """The queues exist, and all processes serve."""
        if self.mode in ("ancestor", "shared"):
            for name in (self.name, f"{self.name}-located"):
                self.sqs.create_queue(QueueName=name)
        module = "bench.locate_ancestor" if self.mode == "ancestor" else "bench.locate_server"
        with ExitStack() as stack:
            started = [
                stack.enter_context(
                    process(
                        [sys.executable, "-m", module, json.dumps(self._description(me))],
                        dict(os.environ),
                        stdout=subprocess.PIPE,
                    )
                )
                for me in (*self.nodes, *self.apis)
            ]
            for server in started:
                if server.stdout.readline() != "ready\n":
                    raise SystemExit("a server did not start")
            yield
        for url in self.sqs.list_queues(QueueNamePrefix=self.name).get("QueueUrls", ()):
            self.sqs.delete_queue(QueueUrl=url)

    def _description(self, me: str) -> Mapping[str, Any]:
        return {
            "me": me,
            "mode": self.mode,
            "endpoint": self.endpoint,
            "name": self.name,
            "nodes": self.nodes,
            "apis": self.apis,
            "held": self.held,
            "latency": self.latency,
        }

    def post(self, me: str, path: str, document: Any) -> Any:
        """Say something to a server."""
        address = {**self.nodes, **self.apis}[me]
        body = json.dumps(document)
        return requests.post(f"http://{address}/-/{path}", data=body, timeout=60).json()

    def requests(self) -> int:
        """What all servers together have asked of the queue service."""
        return sum(int(self.post(me, "requests", None)) for me in (*self.nodes, *self.apis))


def ports(number: int) -> list[int]:
    """Free ports of loopback, all different."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def measure(cluster: Cluster, locates: int, at_once: int) -> Result:
    """Let all API servers ask, each `at_once` questions at a time."""
    names = [uuid.uuid4().hex for _ in range(locates)]
    missing = frozenset(names[::10])
    for name in names:
        if name not in missing:
            cluster.held[random.choice(sorted(cluster.nodes))].append(name)
    answers: dict[str, Any] = {}
    with cluster.running():
        before = cluster.requests()
        apis = sorted(cluster.apis)

        def ask(turn: tuple[int, str]) -> None:
            number, name = turn
            answers.update(cluster.post(apis[number % len(apis)], "ask", [name]))

        with ThreadPoolExecutor(at_once * len(apis)) as pool:
            list(pool.map(ask, enumerate(names)))
        used = cluster.requests() - before
    return summary(cluster, answers, missing, used)


def summary(
    cluster: Cluster, answers: Mapping[str, Any], missing: frozenset[str], used: int
) -> Result:
    """The line of the table."""
    found = [a["took"] for a in answers.values() if a["holders"]]
    no = [a["took"] for a in answers.values() if a["complete"] and not a["holders"]]
    wrong = sum(
        1
        for name, answer in answers.items()
        for holder in answer["holders"]
        if name not in cluster.held[holder["node"]]
    ) + sum(
        1 for n, a in answers.items() if a["complete"] and not a["holders"] and n not in missing
    )
    return Result(
        mode=cluster.mode,
        nodes=len(cluster.nodes),
        apis=len(cluster.apis),
        locates=len(answers),
        found_p50=percentile(found, 0.5),
        found_p99=percentile(found, 0.99),
        no_p50=percentile(no, 0.5),
        no_p99=percentile(no, 0.99),
        unknown=1 - (len(found) + len(no)) / len(answers),
        wrong=wrong,
        requests=used / len(answers),
    )


def main() -> None:
    """Measure, print a table, and the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=RAW)
    parser.add_argument("--endpoint", help="URL of the queue service")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds, default 0")
    parser.add_argument("--nodes", default="3,6", help="data servers, default 3,6")
    parser.add_argument("--apis", type=int, default=3, help="API servers, default 3")
    parser.add_argument("--locates", type=int, default=150, help="for each line, default 150")
    parser.add_argument("--at-once", type=int, default=1, help="questions open at each API server")
    parser.add_argument("--modes", default=",".join(MODES), help="of %(default)s")
    options = parser.parse_args()
    if options.endpoint is None:
        os.environ.update(CREDENTIALS)
    results = []
    with ExitStack() as stack:
        endpoint = options.endpoint or stack.enter_context(stand_in())
        print(HEAD, flush=True)
        for nodes in map(int, options.nodes.split(",")):
            for mode in options.modes.split(","):
                locates = min(options.locates, 30) if mode == "ancestor" else options.locates
                cluster = Cluster(mode, endpoint, nodes, options.apis, options.latency)
                results.append(measure(cluster, locates, options.at_once))
                print(results[-1].line(), flush=True)
    print(json.dumps([asdict(result) for result in results]))


RAW = argparse.RawDescriptionHelpFormatter

if __name__ == "__main__":
    main()
