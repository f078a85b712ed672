"""One API server and three data servers on DynamoDB and SQS, of which some die, hang or return."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import islice

import pytest

from tests.integration.catalog_rows import layout, waits_for_repair
from tests.integration.cluster import Cluster, Server, cluster, prepare, until
from tests.integration.contents import MIB, content
from tests.standins import StandIn

SIZES = (0, 1, 70_000, MIB, 5 * MIB + 7)
DATA = ("data-1", "data-2", "data-3")
BOUNDED = 30.0  # seconds that a request may take while a node hangs


@pytest.fixture(scope="module")
def store(
    tmp_path_factory: pytest.TempPathFactory, dynamodb_local: StandIn, fauxqs: StandIn
) -> Iterator[Cluster]:
    """Three nodes; each test leaves all of them running."""
    name = f"loss{os.getpid()}"
    state = f"dynamodb:{name}?endpoint={dynamodb_local.url}"
    queue = f"sqs:{name}?endpoint={fauxqs.url}"
    prepare(state, queue)
    with cluster(tmp_path_factory.mktemp("loss"), state, queue) as made:
        made.start()
        await_whole(made)
        yield made


def nodes(store: Cluster, *without: str) -> set[str]:
    """The ids of all three, but for some."""
    return {store.node_id(name) for name in DATA if name not in without}


def come_back(store: Cluster, *names: str) -> None:
    """Start data servers again, and wait until new objects are given to all three."""
    for name in names:
        store[name].start()
    await_whole(store)


def await_whole(store: Cluster) -> None:
    def whole() -> bool:
        put = store["api"].put("whole", b"whole")
        return put.ok and layout(store.state, "whole") == nodes(store)

    until(whole, "not all nodes are used again")


def test_every_get_is_right(store: Cluster) -> None:
    """Objects of all sizes are on all three nodes, and what was never put is a 404."""
    api = store["api"]
    for size in SIZES:
        name, body = f"sized-{size}", content("sized", size=size)
        assert api.put(name, body).status_code == 200
        assert api.get(name).content == body
        if size:
            assert layout(store.state, name) == nodes(store)
            assert not waits_for_repair(store.state, name)
            located = api.locate_for_sure(name)
            assert {holder["node"] for holder in located["holders"]} == nodes(store)
            assert located["complete"] is True
    part = api.get(name, headers={"Range": f"bytes={MIB - 5}-{4 * MIB + 4}"})
    assert (part.status_code, part.content) == (206, body[MIB - 5 : 4 * MIB + 5])
    assert api.get("never-put").status_code == 404
    assert api.head("never-put").status_code == 404


def test_one_of_three_is_killed(store: Cluster) -> None:
    """Reading and writing go on; what is written now waits for repair."""
    api, body = store["api"], content("large", size=6 * MIB)
    assert api.put("before", body).status_code == 200
    store["data-1"].kill()
    other = content("another large", size=6 * MIB)
    for name, bytes_ in (("large-without", other), ("small-without", b"small")):
        assert api.put(name, bytes_).status_code == 200
        assert api.get(name).content == bytes_
        assert layout(store.state, name) == nodes(store, "data-1")
        assert waits_for_repair(store.state, name)
    assert api.get("before").content == body
    assert api.get("never-put").status_code == 404
    come_back(store, "data-1")
    assert api.get("before").content == body


def test_one_of_three_hangs(store: Cluster) -> None:
    """It delays some requests by seconds, and all are answered right; it serves again later."""
    api, body = store["api"], content("hanging", size=3 * MIB)
    assert api.put("before-hanging", body).status_code == 200
    store["data-2"].freeze()
    others = [content("hanging too", number, 3 * MIB) for number in range(2)]
    for number, bytes_ in enumerate((others[0], b"small", others[1], b"small")):
        name, began = f"hanging-{number}", time.monotonic()
        assert api.put(name, bytes_).status_code == 200
        assert api.get(name).content == bytes_
        assert api.get("before-hanging").content == body
        assert time.monotonic() - began < 3 * BOUNDED
        assert layout(store.state, name) == nodes(store, "data-2")
        assert waits_for_repair(store.state, name)
    store["data-2"].thaw()
    await_whole(store)


@pytest.mark.parametrize("how", ["killed", "hangs"])
def test_a_node_goes_in_mid_download(store: Cluster, how: str) -> None:
    """A client that reads slowly gets every byte, from another node and without noticing."""
    api, body = store["api"], content("slow", size=64 * MIB)
    assert api.put("slow", body).status_code == 200
    with api.get("slow", stream=True) as answer:
        pieces = answer.iter_content(64 * 1024)
        received = bytearray().join(islice(pieces, 16))  # and now the client rests
        source = _source(store)
        source.kill() if how == "killed" else source.freeze()
        for piece in pieces:
            received += piece
    assert received == body
    if how == "killed":
        come_back(store, source.name)
    else:
        source.thaw()
        await_whole(store)


def _source(store: Cluster) -> Server:
    """The data server whose answer waits for a slow client."""
    sending: list[Server] = []

    def found() -> bool:
        sending[:] = [store[name] for name in DATA if store[name].unsent]
        return len(sending) == 1

    until(found, "no data server waits for the client")
    return sending[0]


def test_a_node_is_killed_in_mid_upload(store: Cluster) -> None:
    """The upload goes on to the other two, and the object is whole."""
    api, body = store["api"], content("upload", size=24 * MIB)

    def slowly() -> Iterator[bytes]:
        for start in range(0, len(body), MIB):
            if start == 8 * MIB:
                store["data-3"].kill()
            yield body[start : start + MIB]

    assert api.put("mid-upload", slowly()).status_code == 200
    assert api.get("mid-upload").content == body
    assert layout(store.state, "mid-upload") == nodes(store, "data-3")
    assert waits_for_repair(store.state, "mid-upload")
    come_back(store, "data-3")


def test_two_of_three_are_killed(store: Cluster) -> None:
    """Writing is refused with the reason, and changes nothing; reading goes on."""
    api, body = store["api"], content("third", size=2 * MIB)
    assert api.put("third", body).status_code == 200
    store["data-1"].kill()
    store["data-2"].kill()
    for name, bytes_ in (("third", b"another"), ("third", body + b"!"), ("fresh", b"x")):
        refused = api.put(name, bytes_)
        assert refused.status_code == 503
        assert "nodes" in refused.text
    for _ in range(3):
        assert api.get("third").content == body
    assert api.get("fresh").status_code == 404
    come_back(store, "data-1", "data-2")


def test_all_are_killed(store: Cluster) -> None:
    """Bytes that nobody can give are a 503 with the reason, and never a 404."""
    api = store["api"]
    assert api.put("all", b"small").status_code == 200
    for name in DATA:
        store[name].kill()
    got = api.get("all")
    assert got.status_code == 503
    assert all(node in got.text for node in nodes(store)), got.text
    assert api.head("all").status_code == 200
    assert api.get("never-put").status_code == 404
    assert api.put("all", b"new").status_code == 503
    come_back(store, *DATA)
    assert api.get("all").content == b"small"
