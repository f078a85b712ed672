"""
Break things under load, and see whether the store keeps its promises.

    python -m bench.chaos                     6 nodes, ec=4+2, 2000 objects up to 200 MB
    python -m bench.chaos --short             the same in a few minutes, with fewer and smaller
    python -m bench.chaos --seed 7            another course of events

Real processes on loopback; under a mixed load of writes, overwrites, deletes, reads, ranges
and listings it kills two data servers (SIGKILL), stops one (SIGSTOP) and lets it come back,
turns bits over in files and volumes of another, and removes the directory of one altogether.
Between these it waits until the store says that no object is below target.  Then it reads
every object, stops all servers, and reads every byte of every disk.

Exit code 0: no wrong byte, no error that a retry did not cure, no lost object, and the disks
are as the catalog says.  The seed decides what is stored, broken and asked for; the
interleaving of processes is the machine's.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests

from bench.chaos.disks import corrupt
from bench.chaos.load import Client, Load, Tally
from bench.chaos.store import Node, Store, environment

# Periods short enough to be waited for; see `twistd godos-api --help` for what is usual.
OF_API = (
    *("--policy", "ec=4+2", "--repair-after", "8", "--census-every", "20"),
    *("--repair-rate", "0", "--collect-after", "30", "--stray-grace", "30"),
    *("--log-level", "info"),
)
OF_DATA = ("--scrub-days", "0.0003", "--scrub-rate", "0")
FOUND_WITHIN = 60.0  # seconds in which every disk is read again, at the rate of OF_DATA
RECOVERS = 600.0  # seconds within which no object may be below target any more


class Chaos:
    """One run."""

    def __init__(self, asked: argparse.Namespace, folder: Path) -> None:
        self._asked = asked
        self._chance = random.Random(f"chaos {asked.seed}")
        state = asked.state or f"sqlite:{folder / 'state.sqlite'}"
        self._store = Store(folder, state, asked.nodes, OF_API, OF_DATA)
        self._tally = Tally()
        self._load = Load(
            [
                Client(number, asked.seed, lambda: self._store.url, self._tally, asked.largest)
                for number in range(asked.clients)
            ]
        )
        self._began = time.monotonic()

    # -- the course of events -----------------------------------------------------------
    def run(self) -> list[str]:
        """Answers what went wrong."""
        self._say(
            f"seed {self._asked.seed}; {self._asked.nodes} data servers on {self._store.state}"
        )
        self._store.godos("state", "init", "--state", self._store.state).check_returncode()
        try:
            self._store.start()
            self._fill()
            self._load.start(Client.run)
            self._two_are_killed()
            self._one_hangs()
            self._one_is_corrupted()
            self._one_is_removed()
            self._load.stop()
            self._everything_is_read()
        except _Given as error:
            self._tally.violation(str(error))
        finally:
            self._store.stop()
        self._disks_are_counted()
        self._report()
        return self._tally.wrong

    def _fill(self) -> None:
        each = -(-self._asked.objects // len(self._load.clients))
        self._load.start(lambda client, stop: client.fill(each, stop))
        self._load.join()
        self._say(f"{self._tally.done['PUT']} objects, {self._tally.moved / 1e6:.0f} MB")

    def _two_are_killed(self) -> None:
        victims = self._chance.sample(self._store.nodes, 2)
        for node in victims:
            node.end(signal.SIGKILL)
        self._say(f"killed {_names(victims)}")
        self._pass(self._asked.pause)
        for node in victims:
            node.start()
            node.await_up()
        self._say(f"started {_names(victims)} again")
        self._until_whole()

    def _one_hangs(self) -> None:
        node = self._chance.choice(self._store.nodes)
        node.send(signal.SIGSTOP)
        self._say(f"stopped {node.name} (SIGSTOP)")
        self._pass(self._asked.pause)
        node.send(signal.SIGCONT)
        self._say(f"let {node.name} go on")
        self._until_whole()

    def _one_is_corrupted(self) -> None:
        node = self._chance.choice(self._store.nodes)
        files, places = corrupt(node.storage, self._chance, 0.2)
        self._say(
            f"turned bits over in {files} files and {places} places of volumes of {node.name}"
        )
        self._pass(max(self._asked.pause, FOUND_WITHIN))
        self._until_whole()

    def _one_is_removed(self) -> None:
        node = self._chance.choice(self._store.nodes)
        lost = self._store.wipe(node)
        self._say(f"killed {node.name} and removed its directory")
        self._pass(self._asked.pause)
        node.start()
        node.await_up()
        self._say(f"started {node.name} with an empty directory: it is node {node.id} now")
        removed = self._store.godos("node", "replace", lost, node.id, "--state", self._store.state)
        self._say(f"godos node replace: exit code {removed.returncode}: {_last(removed)}")
        if removed.returncode:
            self._tally.violation(f"godos node replace: {_last(removed)}")
        self._until_whole()

    # -- what is looked at --------------------------------------------------------------
    def _until_whole(self) -> None:
        """Wait until the store says of itself that all is well; the load goes on."""
        began = time.monotonic()
        shown = ""
        while True:
            told = self._judged()
            if told == "healthy":
                break
            if told != shown:
                self._say(f"  {told}")
                shown = told
            if time.monotonic() > began + RECOVERS:
                raise _Given(f"NOT HEALTHY after {RECOVERS:g} s: {told}")
            time.sleep(1)
        self._say(f"no object is below target, after {time.monotonic() - began:.0f} s")

    def _judged(self) -> str:
        try:
            status = self._store.status()
        except requests.RequestException as error:
            return f"the status is not answered ({type(error).__name__})"
        if status["health"] == "healthy":
            return "healthy"
        return f"{status['health']}: {'; '.join(status.get('reasons', ()))}"[:160]

    def _pass(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self._store.api.runs:
                raise _Given(f"the API server ended: see {self._store.api.log}")
            time.sleep(0.5)

    def _everything_is_read(self) -> None:
        before = self._tally.done["GET"]
        self._load.start(Client.check)
        self._load.join()
        self._say(f"read all {self._tally.done['GET'] - before} objects once more")
        self._until_whole()

    def _disks_are_counted(self) -> None:
        command = [sys.executable, "-m", "bench.chaos.disks", self._store.state]
        folders = [str(node.storage) for node in self._store.nodes]
        done = subprocess.run(
            [*command, *folders],
            env=environment(),
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            self._tally.violation(f"THE DISKS could not be counted: {done.stderr[-500:]}")
            return
        count: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        for trouble in count["troubles"]:
            self._tally.violation(f"ON DISK: {trouble}")
        self._say(
            f"on the disks: {count['blobs']} blobs of {count['bytes'] / 1e6:.0f} MB in "
            f"{count['fragments']} whole fragments, {count['strays']} of them wait for removal"
        )

    # -- what is told -------------------------------------------------------------------
    def _say(self, what: str) -> None:
        print(f"{time.monotonic() - self._began:7.1f} s  {what}", flush=True)

    def _report(self) -> None:
        print("\noperations that went well:")
        for what, count in sorted(self._tally.done.items()):
            print(f"  {count:8}  {what}")
        print("errors that a retry cured:")
        for what, count in sorted(self._tally.cured.items()):
            print(f"  {count:8}  {what}")
        if not self._tally.cured:
            print("         0")
        print(f"violations: {len(self._tally.wrong)}")
        for what in self._tally.wrong[:50]:
            print(f"  {what}")


class _Given(Exception):
    """The store did not get well; there is no sense in going on."""


def _names(nodes: Sequence[Node]) -> str:
    return " and ".join(node.name for node in nodes)


def _last(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[-1] if lines else ""


def main() -> int:
    """See the module's text; answers the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--objects", type=int, default=2000)
    parser.add_argument("--largest", type=int, default=200_000_000, help="bytes")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--nodes", type=int, default=6)
    parser.add_argument("--pause", type=float, default=30.0, help="seconds that a fault lasts")
    parser.add_argument("--state", help="a catalog other than a SQLite file")
    parser.add_argument("--folder", type=Path, help="to work in, and to keep")
    parser.add_argument("--short", action="store_true", help="120 objects up to 6 MB, 12 s")
    asked = parser.parse_args()
    if asked.short:
        asked.objects, asked.largest, asked.pause = 120, 6_000_000, 12.0
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="godos-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    wrong = Chaos(asked, folder).run()
    if wrong:
        print(f"logs and disks are kept in {folder}")
    elif asked.folder is None:
        shutil.rmtree(folder)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
