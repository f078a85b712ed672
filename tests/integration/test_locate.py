"""Locate among real processes, on stand-ins for SQS."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
import requests
from attrs import define, field

from godos.messaging.addresses import SqsAddress
from tests.standins import StandIn, free_port

ROOT = Path(__file__).parents[2]
POISON = ["{", "[]", '{"v":2}', '{"v":2,"t":"gossip"}', '{"v":77,"t":"locate"}', "\t"]
START = 60.0  # seconds for all processes, on a busy machine
EMPTY = 60.0  # seconds until the last swallowed message is out of the queues
LOCATE_TIMEOUT = 5.0 + 2.0  # seconds, with some for the machine to be slow in


@define
class Answer:
    """What one API server said of one blob."""

    api: str
    name: str
    started: float
    ended: float
    found: Mapping[str, Any] | None  # None: no answer, for the server died

    @property
    def holders(self) -> set[tuple[str, str]]:
        return {(h["node"], h["address"]) for h in (self.found or {}).get("holders", ())}

    @property
    def is_no(self) -> bool:
        return self.found is not None and self.found["complete"] and not self.holders


@define
class Cluster:
    """Processes by id, the blobs that nodes hold, and the queues they talk through."""

    sqs: Any
    address: SqsAddress
    nodes: dict[str, str]
    apis: dict[str, str]
    held: dict[str, list[str]]
    processes: dict[str, subprocess.Popen[str]] = field(factory=dict)
    answers: list[Answer] = field(factory=list)

    def start(self) -> None:
        for me in (*self.nodes, *self.apis):
            self.processes[me] = self._process(me)
        deadline = time.monotonic() + START
        for me, process in self.processes.items():
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", f"{me} did not start"
            assert time.monotonic() < deadline

    def _process(self, me: str) -> subprocess.Popen[str]:
        what = {
            "me": me,
            "endpoint": self.address.endpoint,
            "name": self.address.name,
            "mode": "own" if self.address.own else "shared",
            "rough": True,
            "nodes": self.nodes,
            "apis": self.apis,
            "held": self.held,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "bench.locate_server", json.dumps(what)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def holders(self, name: str) -> set[tuple[str, str]]:
        """The truth."""
        return {(n, self.nodes[n]) for n, names in self.held.items() if name in names}

    def ask(self, api: str, name: str) -> Answer:
        started, found = time.monotonic(), None
        try:
            url = f"http://{self.apis[api]}/-/ask"
            found = requests.post(url, json=[name], timeout=30).json()[name]
        except requests.RequestException:
            pass  # checked by whoever knows which server was killed
        answer = Answer(api, name, started, time.monotonic(), found)
        self.answers.append(answer)
        return answer

    def poison(self) -> None:
        for name in (self.address.queries, self.address.replies):
            url = self.sqs.get_queue_url(QueueName=name)["QueueUrl"]
            for body in POISON:
                self.sqs.send_message(QueueUrl=url, MessageBody=body)

    def kill(self, me: str) -> float:
        """At once, whatever it is doing; answers when."""
        self.processes[me].kill()
        return time.monotonic()

    def depths(self) -> dict[str, tuple[int, int]]:
        """Messages in each queue: those that can be seen, and those that are hidden."""
        found = {}
        for url in self.sqs.list_queues(QueueNamePrefix=self.address.name).get("QueueUrls", ()):
            said = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            seen = int(said["ApproximateNumberOfMessages"])
            hidden = int(said["ApproximateNumberOfMessagesNotVisible"])
            found[url.rpartition("/")[2]] = seen, hidden
        return found

    def await_empty(self) -> None:
        deadline = time.monotonic() + EMPTY
        while any(any(depth) for depth in self.depths().values()):
            assert time.monotonic() < deadline, f"left in the queues: {self.depths()}"
            time.sleep(0.5)

    def stop(self) -> None:
        """SIGTERM to those that live: they end well, and not by waiting for a poll."""
        living = {me: p for me, p in self.processes.items() if p.poll() is None}
        started = time.monotonic()
        for process in living.values():
            process.send_signal(signal.SIGTERM)
        codes = {me: process.wait(30) for me, process in living.items()}
        assert set(codes.values()) == {0}, codes
        assert time.monotonic() - started < 15, "a long poll of 20 seconds was waited for"


@pytest.fixture
def clusters(aws_environment: None) -> Iterator[Any]:
    """Makes clusters, and ends what is left of their processes."""
    with ExitStack() as stack:

        def make(stand_in: StandIn, nodes: int, apis: int, own: bool = False) -> Cluster:
            address = SqsAddress(f"l{uuid4().hex[:12]}", endpoint=stand_in.url, own=own)
            sqs = boto3.client("sqs", endpoint_url=stand_in.url, region_name="us-east-1")
            if not own:
                for name in (address.queries, address.replies):
                    sqs.create_queue(QueueName=name)
            cluster = Cluster(
                sqs,
                address,
                {f"n{n}": f"127.0.0.1:{free_port()}" for n in range(nodes)},
                {f"a{n}": f"127.0.0.1:{free_port()}" for n in range(apis)},
                {},
            )
            stack.callback(end, cluster)
            return cluster

        yield make


def end(cluster: Cluster) -> None:
    for process in cluster.processes.values():
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def names(first: int, count: int) -> list[str]:
    return [f"{n:032x}" for n in range(first, first + count)]


def fill(cluster: Cluster, blobs: list[str], copies: int) -> None:
    """Put each blob onto some nodes."""
    for name in blobs:
        for node in random.sample(sorted(cluster.nodes), copies):
            cluster.held.setdefault(node, []).append(name)


@pytest.mark.parametrize("service", ["fauxqs", "moto"])
def test_three_api_servers_and_six_data_servers(
    service: str, clusters: Any, request: pytest.FixtureRequest
) -> None:
    """
    With doubled, late and poisonous messages, and while a data server and an API server
    are killed: nobody is told that a blob is nowhere when it is somewhere, or gets a wrong
    address; what can be found is found, and the queues are empty in the end.
    """
    cluster: Cluster = clusters(request.getfixturevalue(service), nodes=6, apis=3)
    held, missing = names(0, 400), names(1000, 400)
    fill(cluster, held, copies=2)
    cluster.start()

    ask_all(cluster, held[:60] + missing[:20])
    for answer in cluster.answers:
        assert answer.holders <= cluster.holders(answer.name)
        assert answer.holders or answer.is_no, "all servers live: everything is known"
    cluster.answers.clear()

    killed: dict[str, float] = {}
    killer = threading.Timer(0.5, lambda: killed.update(n0=cluster.kill("n0")))
    killer2 = threading.Timer(1.5, lambda: killed.update(a0=cluster.kill("a0")))
    for timer in (killer, killer2):
        timer.start()
    cluster.poison()
    ask_all(cluster, held[60:] + missing[20:60])
    for timer in (killer, killer2):
        timer.join()
    check_answers(cluster, killed)

    cluster.await_empty()
    cluster.stop()


def ask_all(cluster: Cluster, blobs: list[str]) -> None:
    """Ask for each blob, some at a time, in no order, one API server or the other."""
    blobs = random.sample(blobs, len(blobs))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: cluster.ask(random.choice(sorted(cluster.apis)), name), blobs))


def check_answers(cluster: Cluster, killed: Mapping[str, float]) -> None:
    living = [n for n in cluster.nodes if n not in killed]
    wanted = found = 0
    for answer in cluster.answers:
        truth = cluster.holders(answer.name)
        if answer.found is None:
            assert answer.api in killed, "only a server that was killed does not answer"
            continue
        assert answer.ended - answer.started < LOCATE_TIMEOUT
        assert answer.holders <= truth, "a wrong address"
        assert not (answer.is_no and truth), "a false no"
        assert not (answer.is_no and answer.started > killed["n0"]), "n0 cannot have said no"
        if any(node in living for node, _ in truth):
            wanted += 1
            found += bool(answer.holders)
    assert wanted > 100
    assert found >= 0.97 * wanted, f"only {found} of {wanted} were found"


def test_queues_of_their_own(fauxqs: StandIn, clusters: Any) -> None:
    """The same where each server has its queue: no false "no", no wrong address."""
    cluster: Cluster = clusters(fauxqs, nodes=4, apis=2, own=True)
    held, missing = names(0, 100), names(1000, 12)
    fill(cluster, held, copies=2)
    cluster.start()
    ask_all(cluster, held[:40] + missing[:6])
    for answer in cluster.answers:
        assert answer.holders <= cluster.holders(answer.name)
        assert answer.holders or answer.is_no, "all servers live: everything is known"
    cluster.answers.clear()

    cluster.kill("n0")
    ask_all(cluster, held[40:] + missing[6:])
    for answer in cluster.answers:
        living = cluster.holders(answer.name) - {("n0", cluster.nodes["n0"])}
        assert not answer.is_no
        assert answer.holders <= living
        assert bool(answer.holders) == bool(living)

    url = cluster.sqs.get_queue_url(QueueName=cluster.address.of_node("n0"))["QueueUrl"]
    cluster.sqs.delete_queue(QueueUrl=url)  # nobody else reads it
    cluster.await_empty()
    cluster.stop()
