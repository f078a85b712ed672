"""
What coding costs: 64 MiB written and read over loopback, on copies and on a code.

    python -m bench.coding                    copies=1, copies=3 and ec=4+2; six data servers
    python -m bench.coding --policy ec=6+3    others; may be given several times
    python -m bench.coding --rounds 20

One API server and data servers of one disk each, as processes of their own on one machine;
CPU is of all of them together, per GB (10^9 bytes) of objects.  `degraded` reads while as many
data servers as the policy survives are dead (SIGKILL).  Every read is compared by SHA-256.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import requests
from attrs import frozen

from bench.chaos.store import Store
from bench.processes import cpu_seconds
from godos.model.policy import Policy

SIZE = 64 << 20  # bytes
POLICIES = ("copies=1", "copies=3", "ec=4+2")


@frozen
class Cost:
    """What one kind of request took, per GB of object."""

    policy: str
    what: str
    seconds: float
    cpu: float

    def line(self) -> str:
        """As the table prints it."""
        rate = 1000 / self.seconds
        return f"{self.policy:10} {self.what:12} {rate:8.0f} MB/s {self.cpu:8.2f} s/GB"


def measured(store: Store, policy: str, rounds: int) -> list[Cost]:
    """Write `rounds` objects, read each, and read each again without some data servers."""
    chance = hashlib.shake_128(policy.encode())
    body = chance.digest(SIZE)
    digest = hashlib.sha256(body).hexdigest()
    urls = [f"{store.url}/objects/o{number}" for number in range(rounds)]

    def put(url: str) -> None:
        requests.put(url, data=body, timeout=120).raise_for_status()

    def get(url: str) -> None:
        answer = requests.get(url, timeout=120)
        answer.raise_for_status()
        if hashlib.sha256(answer.content).hexdigest() != digest:
            raise SystemExit(f"{url} has other bytes than were written")

    put(f"{store.url}/objects/warm")
    get(f"{store.url}/objects/warm")
    costs = [_timed(store, policy, "PUT", put, urls), _timed(store, policy, "GET", get, urls)]
    lost = Policy.parse(policy).parity
    if lost:
        for node in store.nodes[:lost]:
            node.end(signal.SIGKILL)
        get(urls[0])  # who finds out that they are dead pays for it once
        costs.append(_timed(store, policy, "degraded GET", get, urls))
    return costs


def _timed(
    store: Store, policy: str, what: str, ask: Callable[[str], None], urls: list[str]
) -> Cost:
    pids = [process.pid for process in (store.api, *store.nodes) if process.runs]
    cpu, began = cpu_seconds(pids), time.monotonic()
    for url in urls:
        ask(url)
    per_gb = 1e9 / (SIZE * len(urls))
    return Cost(
        policy,
        what,
        (time.monotonic() - began) * per_gb,
        (cpu_seconds(pids) - cpu) * per_gb,
    )


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--policy", action="append", help="repeatable")
    parser.add_argument("--rounds", type=int, default=8, help="objects of 64 MiB for each")
    asked = parser.parse_args()
    print(f"{'policy':10} {'':12} {'speed':>13} {'CPU':>13}")
    for policy in asked.policy or POLICIES:
        folder = Path(tempfile.mkdtemp(prefix="godos-coding-"))
        state = f"sqlite:{folder / 'state.sqlite'}"
        nodes = max(6, Policy.parse(policy).width)
        store = Store(folder, state, nodes, ("--policy", policy, "--repair-after", "3600"), ())
        store.godos("state", "init", "--state", state).check_returncode()
        try:
            store.start()
            for cost in measured(store, policy, asked.rounds):
                print(cost.line(), flush=True)
        finally:
            store.stop()
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
