"""Two API servers on DynamoDB: whatever one has acknowledged, the other knows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
import requests

from tests.integration.cluster import PATIENCE, Cluster, Server, cluster, prepare, until
from tests.integration.contents import MIB, content
from tests.standins import StandIn

RACERS = 6


@pytest.fixture(scope="module")
def store(
    tmp_path_factory: pytest.TempPathFactory, dynamodb_local: StandIn, fauxqs: StandIn
) -> Iterator[Cluster]:
    """Two nodes, `api` and `other`."""
    name = f"two{os.getpid()}"
    state = f"dynamodb:{name}?endpoint={dynamodb_local.url}"
    queue = f"sqs:{name}?endpoint={fauxqs.url}"
    prepare(state, queue)
    with cluster(tmp_path_factory.mktemp("two"), state, queue) as made:
        made.start(2)
        made.api("other").start().await_ready()
        yield made


def test_read_and_list_after_write(store: Cluster) -> None:
    """A new object, a new version of it, and its deletion are seen at once through the other."""
    one, two = store["api"], store["other"]
    for number in range(10):
        name, body = f"seen-{number % 3}", content("seen", number, 20_000)
        assert one.put(name, body).status_code == 200
        assert two.get(name).content == body
        assert name in two.names("seen-")
        one, two = two, one
    assert one.delete("seen-0").status_code == 204
    assert two.get("seen-0").status_code == 404
    assert two.names("seen-") == ["seen-1", "seen-2"]


def test_a_bucket_made_by_the_other(store: Cluster) -> None:
    """It can be used at once, also where it was asked for in vain a moment before."""
    one, two = store["api"], store["other"]
    url = f"{two.url}/photos/cat"
    assert requests.put(url, data=b"early", timeout=PATIENCE).status_code == 404
    assert requests.put(f"{one.url}/photos", timeout=PATIENCE).status_code == 200
    assert requests.put(url, data=b"cat", timeout=PATIENCE).status_code == 200
    assert requests.get(f"{one.url}/photos/cat", timeout=PATIENCE).content == b"cat"


@pytest.mark.parametrize("size", [10, 2 * MIB])
def test_one_of_many_racing_writers_wins(store: Cluster, size: int) -> None:
    """With `If-None-Match: *`, and with `If-Match`, exactly one is told 200, and its bytes stay."""
    name = f"race-{size}"
    etag = race(store, name, size, {"If-None-Match": "*"})
    for _ in range(3):
        etag = race(store, name, size, {"If-Match": etag})


_generation = count()


def race(store: Cluster, name: str, size: int, condition: dict[str, str]) -> str:
    """Let many write at once on this condition; answers the winner's ETag."""
    bodies = [content(name, next(_generation), size) for _ in range(RACERS)]
    servers = [store["api"], store["other"]] * RACERS

    def put(server: Server, body: bytes) -> requests.Response:
        return server.put(name, body, headers=condition)

    with ThreadPoolExecutor(RACERS) as threads:
        answers = list(threads.map(put, servers[:RACERS], bodies))
    won = [number for number, answer in enumerate(answers) if answer.status_code == 200]
    assert len(won) == 1, [answer.status_code for answer in answers]
    assert {answer.status_code for answer in answers} == {200, 412}
    for server in (store["api"], store["other"]):
        assert server.get(name).content == bodies[won[0]]
    return answers[won[0]].headers["ETag"]


def test_an_api_server_dies_in_mid_upload(store: Cluster) -> None:
    """Nothing of the object is visible, and no data server keeps what it got of it."""
    other, body = store["other"], content("upload", size=20 * MIB)
    staged = [store.folder / name / "staging" for name in ("data-1", "data-2")]

    def until_killed() -> Iterator[bytes]:
        for start in range(0, len(body), MIB):
            if start == 15 * MIB:
                until(lambda: all(any(folder.iterdir()) for folder in staged), "nothing staged")
                other.kill()
            yield body[start : start + MIB]

    with pytest.raises(requests.RequestException):
        other.put("killed", until_killed())
    until(lambda: not any(any(folder.iterdir()) for folder in staged), "staged bytes stay")
    assert store["api"].get("killed").status_code == 404
    other.start().await_ready()
    assert other.put("killed", body).status_code == 200
    assert store["api"].get("killed").content == body
