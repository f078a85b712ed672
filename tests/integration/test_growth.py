"""A store grows and shrinks by real commands, beside real servers."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from shutil import rmtree

import pytest

from tests.integration.cluster import Cluster, cluster, godos, until

SIZES = (0, 10, 5000, 2_500_000)
OBJECTS = 20


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster whose catalog is a file; no server runs yet."""
    with cluster(tmp_path, f"sqlite:{tmp_path / 'catalog.sqlite'}") as made:
        yield made


def body(number: int) -> bytes:
    seed = sha256(b"%d" % number).digest()
    return (seed * (SIZES[number % len(SIZES)] // 32 + 1))[: SIZES[number % len(SIZES)]]


def fill(store: Cluster) -> None:
    for number in range(OBJECTS):
        assert store["api"].put(f"k{number}", body(number)).status_code == 200


def check(store: Cluster) -> None:
    """Every object can be read, byte for byte."""
    for number in range(OBJECTS):
        answer = store["api"].get(f"k{number}")
        assert (answer.status_code, answer.content) == (200, body(number)), number


def command(store: Cluster, *words: str, code: int = 0) -> str:
    done = godos(*words, "--state", store.state)
    assert done.returncode == code, done
    return done.stdout + done.stderr


def files(store: Cluster, name: str) -> int:
    """Large fragments on a node's disk."""
    return sum(path.is_file() for path in (store.folder / name / "objects").rglob("*"))


def test_a_node_is_emptied_and_removed(store: Cluster) -> None:
    """
    One command moves everything off it, a second one forgets it; its server stops serving
    it, is refused when it is started again, and all objects can be read without it.
    """
    with_policy(store, 4, "copies=2")
    fill(store)
    leaving = store.node_id("data-1")
    said = command(store, "node", "drain", leaving)
    assert "is drained: " in said
    assert "is drained: 0 " not in said
    assert f"godos node remove {leaving[:8]}" in said
    assert files(store, "data-1") == 0
    assert "is removed" in command(store, "node", "remove", leaving, "--yes")
    until(lambda: "its row was removed" in store["data-1"].log)
    store["data-1"].end()
    check(store)
    assert store["data-1"].start().wait() == 1
    assert f"godos node readmit {leaving}" in store["data-1"].log


def test_a_dead_node_is_replaced(store: Cluster) -> None:
    """Its disk is gone; a new one gets what it had, made anew from the other nodes' fragments."""
    with_policy(store, 3, "ec=2+1")
    fill(store)
    dead = store.node_id("data-1")
    store["data-1"].kill()
    rmtree(store.folder / "data-1")
    store.data("data-4").start().await_announced()
    new = store.node_id("data-4")
    assert "replaced, and forgotten" in command(store, "node", "replace", dead[:12], new)
    assert files(store, "data-4")
    check(store)
    store["data-2"].kill()
    check(store)
    assert dead not in command(store, "node", "list")


def test_a_new_node_gets_its_share(store: Cluster) -> None:
    """What is stored already moves to it in part; nothing is lost or doubled on the way."""
    with_policy(store, 3, "copies=2")
    fill(store)
    before = sum(files(store, f"data-{number}") for number in (1, 2, 3))
    store.data("data-4").start().await_announced()
    planned = int(command(store, "rebalance", "--dry-run").split()[0])
    assert planned
    assert f" {planned} fragments, " in command(store, "rebalance")
    until(lambda: sum(files(store, f"data-{number}") for number in (1, 2, 3, 4)) == before)
    check(store)


def test_another_policy(store: Cluster) -> None:
    """API servers that are started with another policy convert what is there, when asked."""
    with_policy(store, 3, "copies=1")
    fill(store)
    store["api"].end()
    store.api("api", "--policy", "ec=2+1").start().await_ready()
    assert "have the policy that is wanted of them" in command(store, "convert")
    store["data-2"].kill()
    check(store)


def with_policy(store: Cluster, nodes: int, policy: str) -> None:
    """Start nodes, and an API server with this policy."""
    data = [store.data(f"data-{number}").start() for number in range(1, nodes + 1)]
    for server in data:
        server.await_announced()
    store.api("api", "--policy", policy).start().await_ready()
