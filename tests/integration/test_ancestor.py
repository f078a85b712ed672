"""What was written for the ancestor: its options, its Python client, its messages on its queues."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import boto3
import pytest
import requests

from tests.integration.cluster import PATIENCE, Cluster, Server, cluster, prepare, until
from tests.integration.contents import MIB, file_of
from tests.standins import StandIn

QUERIES, REPLIES = "godos-test", "godos-test-located"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, fauxqs: StandIn) -> Iterator[Cluster]:
    """Two data servers and an API server, started as the ancestor's were."""
    folder = tmp_path_factory.mktemp("ancestor")
    state, queue = f"sqlite:{folder / 'state.sqlite'}", f"sqs:godos-test?endpoint={fauxqs.url}"
    prepare(state, queue)
    common, port = ("--state", state, "--queue", queue), "127.0.0.1:0"
    with cluster(folder, state, queue) as made:
        for name in ("data-1", "data-2"):
            words = ("-storage", name, f"-address={port}", *common)
            made.servers[name] = Server(folder, name, "godos-data", *words).start()
        for server in made.servers.values():
            server.await_announced()
        words = ("-address", port, "-dps", made["data-1"].daemon.address(), *common)
        made.servers["api"] = Server(folder, "api", "godos-api", *words).start().await_ready()
        yield made


@pytest.fixture(scope="module")
def sqs(fauxqs: StandIn) -> Any:
    return boto3.client("sqs", endpoint_url=fauxqs.url, region_name="us-east-1")


def test_its_client(store: Cluster, tmp_path_factory: pytest.TempPathFactory) -> None:
    """`requests.put(url, data=file)` and `requests.get(url)`."""
    file = file_of(tmp_path_factory.mktemp("client") / "file", 3 * MIB)
    url = f"{store['api'].url}/objects/{file.name}"
    with file.open("rb") as opened:
        assert requests.put(url, data=opened, timeout=PATIENCE).status_code == 200
    assert requests.get(url, timeout=PATIENCE).content == file.read_bytes()


@pytest.mark.parametrize("name", ["hello.txt", "a folder/ü"])
def test_its_question(store: Cluster, sqs: Any, name: str) -> None:
    """Its three fields on the query queue get its three fields back, with a server that serves."""
    assert store["api"].put(requests.utils.quote(name), b"hello").status_code == 200
    reply = ask(sqs, name)
    assert set(reply) == {"uid", "addr", "name"}
    assert (reply["name"], reply["addr"]) == (name, store["api"].daemon.address())
    url = f"http://{reply['addr']}/objects/{reply['name']}"
    assert requests.get(url, timeout=PATIENCE).content == b"hello"


def test_its_question_for_nothing(store: Cluster, sqs: Any) -> None:
    """For an object that does not exist it gets no reply, and its message does not stay."""
    url = send(sqs, "no such object", str(uuid4()))
    until(lambda: waiting(sqs, url) == 0, "the question stays in the queue")
    assert waiting(sqs, sqs.get_queue_url(QueueName=REPLIES)["QueueUrl"]) == 0


def send(sqs: Any, name: str, uid: str) -> str:
    """Put its question on the query queue; answers the queue's URL."""
    url: str = sqs.get_queue_url(QueueName=QUERIES)["QueueUrl"]
    question = {"uid": uid, "addr": "127.0.0.1:9", "name": name}
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(question))
    return url


def ask(sqs: Any, name: str) -> dict[str, Any]:
    """Ask as the ancestor's API server does, and wait for the reply."""
    uid, found = str(uuid4()), []
    send(sqs, name, uid)
    replies = sqs.get_queue_url(QueueName=REPLIES)["QueueUrl"]

    def heard() -> bool:
        got = sqs.receive_message(QueueUrl=replies, WaitTimeSeconds=1, VisibilityTimeout=1)
        for message in got.get("Messages", ()):
            reply = json.loads(message["Body"])
            if reply["uid"] == uid:
                sqs.delete_message(QueueUrl=replies, ReceiptHandle=message["ReceiptHandle"])
                found.append(reply)
        return bool(found)

    until(heard, "no reply")
    answer: dict[str, Any] = found[0]
    return answer


def waiting(sqs: Any, url: str) -> int:
    """Messages in a queue, those included that somebody has just taken."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(told[name]) for name in names)
