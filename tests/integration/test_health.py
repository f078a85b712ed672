"""A store of real processes says how it is: whole, without a node, with a fragment less."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.integration.cluster import PATIENCE, Cluster, cluster, godos, prepare, until
from tests.integration.contents import MIB, content

NODES = 4
OBJECTS = {f"object {n}": content(f"object {n}", size=9_000 * n) for n in range(12)}
LARGE = content("large", size=3 * MIB + 5)
QUICK = (
    "--policy=ec=2+1",
    "--census-every=2",
    "--repair-after=3",
    "--stray-grace=2",
    "--collect-after=2",
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Four nodes with objects; each test leaves all of them running and healthy."""
    folder = tmp_path_factory.mktemp("health")
    state = f"sqlite:{folder}/state.sqlite"
    prepare(state)
    with cluster(folder, state) as made:
        data = [made.data(f"data-{number}").start() for number in range(1, NODES + 1)]
        for server in data:
            server.await_announced()
        made.api("api", *QUICK).start().await_ready()
        for key, body in OBJECTS.items():
            assert made["api"].put(key, body).status_code == 200
        assert made["api"].put("large", LARGE).status_code == 200
        yield made


def status(store: Cluster) -> Any:
    answer = requests.get(f"{store['api'].url}/-/status", timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    return answer.json()


def await_healthy(store: Cluster) -> Any:
    until(lambda: status(store)["health"] == "healthy", "it does not get healthy")
    return status(store)


def explain(store: Cluster, *words: str) -> tuple[int, Any]:
    """What the command says of the large object."""
    done = godos("explain", "objects/large", "--json", "--endpoint", store["api"].url, *words)
    return done.returncode, json.loads(done.stdout)


def test_a_whole_store(store: Cluster) -> None:
    """It is healthy once it was counted, and every command says so."""
    told = await_healthy(store)
    stored = sum(1 for body in OBJECTS.values() if body) + 1
    assert told["census"]["blobs"] == stored
    assert told["census"]["fragments"] == 2 * (stored - 1) + 3
    done = godos("status", "--endpoint", store["api"].url)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "The store is healthy.")
    code, page = explain(store, "--verify")
    assert code == 0
    assert (page["readable"], page["losses"]) == (True, 1)
    [blob] = page["blobs"]
    assert [each["present"] for each in blob["fragments"]] == ["yes"] * 3
    metrics = requests.get(f"{store['api'].url}/-/metrics", timeout=PATIENCE).text
    assert 'godos_health{state="healthy"} 1' in metrics.splitlines()
    assert "godos_objects_below_target 0" in metrics.splitlines()


def test_a_node_that_dies(store: Cluster) -> None:
    """Its loss is told, repaired elsewhere, and its fragments are strays when it comes back."""
    await_healthy(store)
    _, page = explain(store)
    node = page["blobs"][0]["fragments"][0]["node"]
    [name] = [name for name in store.servers if name != "api" and store.node_id(name) == node]
    store[name].kill()
    code, page = explain(store)
    assert code == 0
    [first, *_] = page["blobs"][0]["fragments"]
    assert (first["present"], page["losses"]) == ("no answer", 0)

    def repaired() -> bool:
        told = status(store)
        census = told["census"]
        done = census["silent"] == [node] and not census["below_target"]
        return done and not told["repairs"]["waiting"]

    until(repaired, "it is not repaired without the node")
    assert status(store)["health"] == "degraded"  # for a node is silent
    assert godos("status", "--endpoint", store["api"].url).returncode == 1
    assert store["api"].get("large").content == LARGE
    code, page = explain(store)
    assert (code, page["losses"], page["blobs"][0]["missing"]) == (0, 1, [])

    store[name].start().await_announced()
    left = list((store.folder / name / "objects").rglob("*.?"))
    assert left, "nothing large was on it"
    await_healthy(store)
    until(lambda: not any(path.exists() for path in left), "its strays are not removed")
    until(lambda: not status(store)["census"]["strays"], "strays are left")
    assert store["api"].get("large").content == LARGE


def test_a_fragment_that_somebody_removed(store: Cluster) -> None:
    """The census misses it though nobody asks for the object, and it is made anew."""
    await_healthy(store)
    fragment = _fragments(store)[0]
    node, size = fragment.parts[len(store.folder.parts)], fragment.stat().st_size
    fragment.unlink()
    store[node].end()
    store[node].start().await_announced()
    assert godos("gc", "--yes", "--endpoint", store["api"].url).returncode == 0

    def whole() -> bool:
        found = _fragments(store)
        return len(found) == 3 and all(path.stat().st_size == size for path in found)

    until(whole, "the fragment is not made anew")
    await_healthy(store)
    code, page = explain(store, "--verify")
    assert (code, page["losses"]) == (0, 1)


def test_what_was_deleted(store: Cluster) -> None:
    """It is shown until its grace is over, and then it is gone from all disks."""
    assert store["api"].delete("large").status_code == 204
    done = godos("gc", "--dry-run", "--state", store.state, "--collect-after", "2")
    assert "nothing refers to it" in done.stdout or "its removal has begun" in done.stdout
    until(lambda: not _fragments(store), "its bytes stay")
    done = godos("gc", "--dry-run", "--state", store.state)
    assert done.stdout.startswith("0 blobs, 0 bytes, and 0 stray fragments")
    assert await_healthy(store)["census"]["lost"] == 0


def _fragments(store: Cluster) -> list[Path]:
    """The files of the large object's fragments, on all disks."""
    return sorted(store.folder.glob("data-*/objects/*/*"))
