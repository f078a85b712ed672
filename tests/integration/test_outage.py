"""AWS is out: what is unknown is a 503 and never a 404, and all goes on when it is back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.integration.cluster import PATIENCE, Cluster, cluster, prepare, until
from tests.integration.contents import MIB, content
from tests.integration.gateway import Gateway, gateway
from tests.standins import StandIn

BODY = content("body", size=2 * MIB)


@pytest.fixture(scope="module")
def dynamodb(dynamodb_local: StandIn) -> Iterator[Gateway]:
    with gateway(dynamodb_local) as gate:
        yield gate


@pytest.fixture(scope="module")
def sqs(fauxqs: StandIn) -> Iterator[Gateway]:
    with gateway(fauxqs) as gate:
        yield gate


@pytest.fixture(scope="module")
def store(
    tmp_path_factory: pytest.TempPathFactory, dynamodb: Gateway, sqs: Gateway
) -> Iterator[Cluster]:
    """Two nodes, and the object `there`."""
    name = f"outage{os.getpid()}"
    state, queue = f"dynamodb:{name}?endpoint={dynamodb.url}", f"sqs:{name}?endpoint={sqs.url}"
    prepare(state, queue)
    with cluster(tmp_path_factory.mktemp("outage"), state, queue) as made:
        made.start(2)
        assert made["api"].put("there", BODY).status_code == 200
        yield made


def test_the_queues_are_out(store: Cluster, sqs: Gateway) -> None:
    """Reading and writing do not need them."""
    api = store["api"]
    sqs.out = True
    try:
        assert api.get("there").content == BODY
        assert api.put("new", BODY).status_code == 200
        assert api.get("new").content == BODY
        assert api.get("not there").status_code == 404
        assert api.locate("there")["complete"] is False
    finally:
        sqs.out = False
    until(lambda: api.locate("there")["complete"], "it does not ask any more")


def test_the_catalog_is_out(store: Cluster, dynamodb: Gateway) -> None:
    """Every answer that needs it is a 503; afterwards each object is the old one or the new one."""
    api = store["api"]
    asked: dict[str, Callable[[], requests.Response]] = {
        "get": lambda: api.get("there"),
        "get of nothing": lambda: api.get("not there"),
        "head of nothing": lambda: api.head("not there"),
        "put": lambda: api.put("there", b"another"),
        "delete": lambda: api.delete("there"),
        "list": lambda: requests.get(f"{api.url}/objects?list-type=2", timeout=PATIENCE),
        "ready": lambda: requests.get(f"{api.url}/-/ready", timeout=PATIENCE),
    }
    dynamodb.out = True
    try:
        with ThreadPoolExecutor(len(asked)) as threads:
            answers = dict(zip(asked, threads.map(lambda ask: ask(), asked.values()), strict=True))
        assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(
            asked, 503
        )
        assert requests.get(f"{api.url}/-/health", timeout=PATIENCE).status_code == 200
    finally:
        dynamodb.out = False
    api.await_ready()
    assert api.get("not there").status_code == 404
    assert api.get("there").content == BODY
    until(lambda: api.put("there", b"another").status_code == 200, "it does not write again")
    assert api.get("there").content == b"another"


def test_told_to_stop_while_all_is_out(store: Cluster, dynamodb: Gateway, sqs: Gateway) -> None:
    """Servers end with exit code 0 although they can tell nobody."""
    dynamodb.out = sqs.out = True
    try:
        assert [server.end() for server in store.servers.values()] == [0, 0, 0]
    finally:
        dynamodb.out = sqs.out = False
