"""Which fragments move when nodes come and go, and that nothing is at risk meanwhile."""

from __future__ import annotations

from collections import Counter
from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, maybeDeferred

from godos.model.blobs import Blob, Placed
from godos.model.members import Node, NodeState
from godos.model.names import new_id
from godos.model.objects import PutRequest
from godos.model.policy import Policy
from godos.model.upkeep import Job, JobKind, JobState
from godos.objects.redundancy import Redundancy
from godos.objects.upkeep.kinds import job_runner
from godos.objects.upkeep.rebalancing import Imbalance, moves
from godos.protocol import placement
from tests.unit.objects.stores import Body, Store, now
from tests.unit.objects.upkeep.menders import mender_of

POLICIES = st.sampled_from([Policy.copies(1), Policy.copies(3), Policy.parse("ec=4+2")])


def nodes(number: int, zones: int) -> list[Node]:
    return [Node(f"{n:032x}", "b", f"a:{n}", f"z{n % zones}", 1000, 1000) for n in range(number)]


def placed(incarnation: str, policy: Policy, there: list[Node]) -> Blob:
    """A blob as it is uploaded while these nodes live."""
    chosen = placement.candidates(incarnation, there)[: policy.width]
    layout = tuple(Placed(index, node.id) for index, node in enumerate(chosen))
    return Blob(incarnation, 1 << 20, "", policy, layout)


@settings(max_examples=60)
@given(st.integers(6, 20), st.integers(1, 4), POLICIES, st.uuids())
def test_nothing_moves_where_nothing_changed(n: int, zones: int, policy: Policy, id_: Any) -> None:
    """A blob is where it was uploaded to."""
    there = nodes(n, zones)
    assert moves(placed(id_.hex, policy, there), there) == []


@settings(max_examples=60)
@given(st.integers(6, 20), st.integers(1, 4), POLICIES, st.uuids())
def test_a_new_node_moves_what_it_gains(n: int, zones: int, policy: Policy, id_: Any) -> None:
    """After the moves the blob is where it would be uploaded to now, on as many nodes."""
    there = nodes(n + 1, zones)
    blob = placed(id_.hex, policy, there[:-1])
    planned = moves(blob, there)
    holding = {each.node for each in blob.layout}
    assert len({move.left for move in planned}) == len({move.entered for move in planned})
    after = holding - {move.left for move in planned} | {move.entered for move in planned}
    ideal = placement.candidates(id_.hex, there)[: policy.width]
    assert after == {node.id for node in ideal}
    if zones == 1:
        assert {move.entered for move in planned} <= {there[-1].id}


def test_dead_and_missing_fragments_do_not_move() -> None:
    """They are for repair."""
    there = nodes(8, 8)
    blob = placed(new_id(), Policy.copies(3), there)
    gone = blob.layout[0].node
    live = [node for node in there if node.id != gone]
    assert all(move.left != gone for move in moves(blob, live))
    assert moves(evolve(blob, layout=()), live) == []


def test_what_would_move_is_counted() -> None:
    """In fragments and bytes, of a code as of copies."""
    there = nodes(12, 12)
    counted = Imbalance()
    blob = placed("a" * 32, Policy.parse("ec=4+2"), there)
    away = [node for node in there if node.id not in {each.node for each in blob.layout}]
    layout = tuple(Placed(index, node.id) for index, node in enumerate(away))
    counted.add(evolve(blob, layout=layout), there)
    counted.add(blob, there)
    assert counted == Imbalance(2, 1, 6, 6 * (256 << 10))


def test_never_below_target() -> None:
    """Whenever a layout is written, all fragments of the old one and the new one can be read."""
    store = Store(5, "ec=2+1")
    away = {node: store.cluster.rows.pop(node) for node in list(store.cluster.rows)[3:]}
    for number in range(12):
        data = bytes([number]) * 200_000
        now(store.objects.put("objects", f"k{number}", Body(data), PutRequest()))
    store.cluster.rows |= away
    corrected: list[Blob] = []
    real: Any = store.catalog.correct_layout

    def correct_layout(blob: Blob, layout: tuple[Placed, ...]) -> Deferred[Blob | None]:
        for each in (*blob.layout, *layout):
            name = blob.name(each.shard)
            now(store.cluster.stores[each.node].verify(name))
        corrected.append(evolve(blob, layout=layout))
        return real(blob, layout)

    store.catalog.correct_layout = correct_layout  # type: ignore[method-assign]
    now(store.catalog.put_job(Job(new_id(), JobKind.REBALANCE)))
    redundancy = Redundancy({}, lambda: "ec=2+1")
    now(
        job_runner(
            store.catalog,
            store.cluster,
            mender_of(store),
            redundancy,
            store.clock,
            maybeDeferred,
            "me",
        ).round()
    )
    (job,) = now(store.catalog.jobs())
    assert (job.state, job.failed) == (JobState.DONE, 0)
    assert corrected
    assert all({each.shard for each in blob.layout} == {0, 1, 2} for blob in corrected)
    for blob in now(store.catalog.blobs()).blobs:
        assert moves(blob, store.cluster.live()) == []
        assert len({each.node for each in blob.layout}) == 3
    on_disks = Counter(name for node in store.nodes for name in node.fragments)
    assert set(on_disks.values()) == {1}
    assert store.fragments == 36


def test_a_node_that_is_drained_is_left_too() -> None:
    """It takes nothing new, so placement would put nothing there."""
    there = nodes(5, 5)
    blob = placed(new_id(), Policy.copies(2), there)
    leaving = blob.layout[0].node
    states = [
        evolve(node, state=NodeState.DRAINING if node.id == leaving else NodeState.UP)
        for node in there
    ]
    (move,) = moves(blob, states)
    assert move.left == leaving
