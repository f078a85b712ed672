"""What is told of where an object is: coded ones, ones in parts, in zones, and older versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from attrs import evolve

from godos.model.blobs import Blob
from godos.model.errors import NodeUnreachable, NoSuchVersion
from godos.model.members import NodeState
from godos.model.multipart import MIN_PART
from godos.model.names import FragmentName
from godos.model.objects import DeleteRequest, PutRequest
from godos.model.versions import Versioning
from godos.objects.upkeep.explain import ROW_LOST, Explainer
from godos.objects.upkeep.interview import before
from tests.unit.objects.stores import Body, Store, now
from tests.unit.objects.test_multipart import begin, completing, send


class Explained(Store):
    """A store that can be asked."""

    def __init__(self, nodes: int = 6, policy: str = "ec=4+2") -> None:
        super().__init__(nodes, policy)
        self.explainer = Explainer(self.catalog, self.cluster, self.clock)

    def put(self, key: str, body: bytes = b"x" * 300_000) -> Blob:
        version = now(self.objects.put("objects", key, Body(body), PutRequest()))
        blob: Blob = now(self.catalog.blob(version.incarnation))
        return blob

    def explain(self, key: str, **more: Any) -> Mapping[str, Any]:
        told: Mapping[str, Any] = now(self.explainer.explain("objects", key, **more))
        return told

    def lose(self, blob: Blob, *shards: int) -> None:
        """Take away the nodes of these fragments."""
        for placed in blob.layout:
            if placed.shard in shards:
                self.cluster.stores[placed.node].broken = NodeUnreachable("gone")


def test_a_coded_object() -> None:
    """Any K fragments suffice, and it is told how many more nodes may die."""
    store = Explained()
    blob = store.put("a")
    told = store.explain("a")
    [one] = told["blobs"]
    assert (one["policy"], one["needed"], one["wanted"], one["good"]) == ("ec=4+2", 4, 6, 6)
    assert told["losses"] == 2
    store.lose(blob, 1)
    told = store.explain("a")
    assert (told["losses"], told["blobs"][0]["missing"]) == (1, [1])
    assert {node["losses_then"] for node in told["nodes"]} == {0}
    store.lose(blob, 4)
    told = store.explain("a")
    assert (told["readable"], told["losses"]) == (True, 0)
    assert {node["readable_without"] for node in told["nodes"]} == {False}
    store.lose(blob, 0)
    told = store.explain("a")
    assert (told["readable"], told["losses"]) == (False, 0)
    assert "3 of the 4 fragments" in told["reasons"][0]
    assert told["reasons"][0].count(": gone") == 3


def test_a_small_object_where_others_are_coded() -> None:
    """It is told of as the copies that it is."""
    store = Explained()
    store.put("a", b"small")
    [one] = store.explain("a")["blobs"]
    assert (one["policy"], one["needed"], one["losses"]) == ("copies=3", 1, 2)


def test_zones() -> None:
    """Where zones come before the hash, that is why a fragment is where it is."""
    store = Explained(4, "copies=2")
    for number, (id_, row) in enumerate(sorted(store.cluster.rows.items())):
        store.cluster.rows[id_] = evolve(row, zone="left" if number < 3 else "right")
    reasons: list[str] = []
    for number in range(20):
        store.put(f"key {number}", b"%05d" % number * 60_000)
        fragments = store.explain(f"key {number}")["blobs"][0]["fragments"]
        assert {each["zone"] for each in fragments} == {"left", "right"}
        assert sorted(each["choice"] for each in fragments) == [1, 2]
        reasons += [each["why"] for each in fragments if each["rank"] != each["choice"]]
    assert reasons and all("zones come first" in why for why in reasons)


def test_a_node_that_takes_nothing_new() -> None:
    """What is on it stays there until it was moved."""
    store = Explained(3, "copies=3")
    blob = store.put("a")
    draining = blob.layout[0].node
    rows = store.cluster.rows
    rows[draining] = evolve(rows[draining], state=NodeState.DRAINING)
    first = store.explain("a")["blobs"][0]["fragments"][0]
    assert (first["node_state"], first["choice"]) == ("draining", None)
    assert "takes no new data" in first["why"]
    del rows[draining]
    first = store.explain("a")["blobs"][0]["fragments"][0]
    assert (first["node_state"], first["present"]) == ("not registered", "no")
    assert (first["rank"], first["address"]) == (None, "")


def test_a_fragment_beside_the_layout() -> None:
    """It is told of, and a reader would find it."""
    store = Explained(4, "copies=3")
    blob = store.put("a")
    placed = blob.layout[1]
    spare = next(n for n in store.nodes if n.node_id not in {p.node for p in blob.layout})
    name = FragmentName(blob.incarnation, placed.index)
    moved = store.cluster.stores[placed.node].fragments.pop(name)
    spare.keep(moved.header, bytes(moved.payload))
    [one] = store.explain("a")["blobs"]
    assert one["elsewhere"] == [{"index": 1, "shard": 1, "node": spare.node_id}]
    for node in store.nodes:
        if node is not spare:
            node.fragments.clear()
    told = store.explain("a")
    assert told["readable"] and told["blobs"][0]["good"] == 0


def test_an_object_in_parts() -> None:
    """All parts are told of, page by page; one that cannot be read makes it unreadable."""
    store = Explained(3, "copies=3")
    upload = begin(store, "big")
    parts = [send(store, upload, n, b"%d" % n * MIN_PART) for n in (1, 2)]
    parts += [send(store, upload, 7, b"end")]
    now(completing(store, upload, parts))
    whole = store.explain("big")
    assert [blob["part"] for blob in whole["blobs"]] == [1, 2, 7]
    assert (whole["version"]["parts"], whole["next"], whole["losses"]) == (3, None, 2)
    first = store.explain("big", limit=2)
    assert [blob["part"] for blob in first["blobs"]] == [1, 2]
    assert first["next"] == 2
    rest = store.explain("big", after=first["next"], limit=2)
    assert ([blob["part"] for blob in rest["blobs"]], rest["next"]) == ([7], None)
    for node in store.nodes:
        for name in [n for n in node.fragments if n.incarnation == whole["blobs"][1]["blob"]]:
            del node.fragments[name]
    told = store.explain("big")
    assert [blob["readable"] for blob in told["blobs"]] == [True, False, True]
    assert not told["readable"] and len(told["reasons"]) == 1
    assert {node["readable_without"] for node in told["nodes"]} == {False}


def test_versions() -> None:
    """An older one by its id; a delete marker has no bytes."""
    store = Explained(1, "copies=1")
    now(store.catalog.set_versioning("objects", Versioning.ENABLED))
    store.clock.advance(3)
    old, new = store.put("a", b"old"), store.put("a", b"newer")
    assert store.explain("a")["blobs"][0]["blob"] == new.incarnation
    bucket = now(store.catalog.bucket("objects"))
    versions = now(store.catalog.list_versions(bucket)).versions
    told = store.explain("a", version_id=versions[1].version_id)
    assert told["blobs"][0]["blob"] == old.incarnation
    assert (told["version"]["latest"], told["version"]["size"]) == (False, 3)
    marker = now(store.objects.delete("objects", "a", DeleteRequest()))
    told = store.explain("a", version_id=marker.version_id)
    assert told["version"]["delete_marker"] and told["blobs"] == []
    with pytest.raises(NoSuchVersion):
        store.explain("a", version_id="nonsense")


def test_a_row_that_is_lost() -> None:
    """Then nobody knows where the bytes are, and that is what a reader is told."""
    store = Explained(1, "copies=1")
    blob = store.put("a")
    now(store.objects.delete("objects", "a", DeleteRequest()))
    store.clock.advance(10)
    [removal] = now(store.catalog.removals(5.0))
    version = store.put("b")
    real = store.catalog.blob
    store.catalog.blob = lambda name: real(
        blob.incarnation if name == version.incarnation else name
    )
    now(store.catalog.removed(removal))
    told = store.explain("b")
    assert (told["readable"], told["reasons"], told["losses"]) == (False, [ROW_LOST], 0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (FragmentName("0" * 32, 0), None),
        (FragmentName("0" * 32, 5), FragmentName("0" * 32, 4)),
        (FragmentName("1" + "0" * 31, 0), FragmentName("0" + "f" * 31, 999)),
        (FragmentName("a" * 32, 100), FragmentName("a" * 32, 99)),
    ],
)
def test_the_name_before(name: FragmentName, expected: FragmentName | None) -> None:
    """A page of one that begins behind it is of the fragment itself."""
    assert before(name) == expected
