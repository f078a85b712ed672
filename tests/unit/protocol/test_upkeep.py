"""What is said of one blob, and of a whole store."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from godos.model.blobs import Blob, Placed
from godos.model.members import Cluster, Node, NodeState
from godos.model.policy import Policy
from godos.model.upkeep import Census
from godos.protocol.survival import losses, readable
from godos.protocol.upkeep import Facts, Health, assess, joined, judge, members_mark

ID = "a" * 32
NODES = [Node(f"n{n}", "boot", f"127.0.0.1:{n}", "z", 100, 50) for n in range(6)]
CLUSTER = Cluster("c" * 32, "s" * 64, "auto", 1, 0.0)


def blob(policy: str, *places: tuple[int, str]) -> Blob:
    return Blob(ID, 1000, "0" * 64, Policy.parse(policy), tuple(Placed(*p) for p in places))


CODED = blob("ec=2+1", (0, "n0"), (1, "n1"), (2, "n2"))
ALL = {"n0", "n1", "n2", "n3"}


def held(*places: tuple[int, str]) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for index, node in places:
        found.setdefault(node, {})[index] = 7.0
    return found


# -- one blob ----------------------------------------------------------------------------------
def test_whole() -> None:
    """All that its layout names is there."""
    verdict = judge(CODED, held((0, "n0"), (1, "n1"), (2, "n2")), ALL, ALL)
    assert verdict.plain and not verdict.below_target
    assert not verdict.lost and not verdict.unreachable
    assert verdict.since == 7.0


def test_missing_and_silent() -> None:
    """A node's "no" is not its silence."""
    verdict = judge(CODED, held((0, "n0")), ALL - {"n2"}, ALL)
    assert verdict.missing == (Placed(1, "n1"),) and verdict.silent == (Placed(2, "n2"),)
    assert (verdict.below_target, verdict.lost, verdict.unreachable) == (True, False, True)
    assert verdict.reason == "census: no 1 on node n1; node n2 is silent"
    verdict = judge(CODED, held((0, "n0")), ALL, ALL)
    assert (verdict.lost, verdict.unreachable) == (True, False)


def test_a_silent_node_may_have_what_is_nowhere_else() -> None:
    """Also one that the layout does not name: nothing is lost before all have answered."""
    verdict = judge(CODED, held(), ALL - {"n3"}, ALL)
    assert (verdict.lost, verdict.unreachable) == (False, True)


def test_a_node_that_left() -> None:
    """What was on it is missing, and nobody is waited for."""
    verdict = judge(CODED, held((0, "n0"), (1, "n1")), {"n0", "n1"}, {"n0", "n1"})
    assert verdict.missing == (Placed(2, "n2"),)
    assert verdict.below_target and not verdict.unreachable


def test_found_elsewhere() -> None:
    """A fragment beside the layout helps where its shard is not good, else it is surplus."""
    places = (0, "n0"), (1, "n1"), (2, "n3"), (1, "n3")
    verdict = judge(CODED, held(*places), ALL, ALL)
    assert verdict.found == (Placed(2, "n3"),) and verdict.surplus == (Placed(1, "n3"),)
    assert joined(CODED, verdict, verdict.found) == (
        Placed(0, "n0"),
        Placed(1, "n1"),
        Placed(2, "n3"),
    )


def test_fragments_of_another_generation() -> None:
    """What a conversion wrote, or left, is no part of the blob as it stands."""
    verdict = judge(CODED, held((0, "n0"), (1, "n1"), (102, "n2")), ALL, ALL)
    assert verdict.missing == (Placed(2, "n2"),)
    assert verdict.surplus == (Placed(102, "n2"),) and not verdict.found


def test_two_fragments_on_one_node() -> None:
    """They go together, so the blob is not as safe as it should be."""
    both = blob("copies=2", (0, "n0"), (1, "n0"))
    assert judge(both, held((0, "n0"), (1, "n0")), ALL, ALL).below_target


def test_bytes_that_are_only_beside_the_layout_are_not_lost() -> None:
    """Enough fragments anywhere can be read."""
    verdict = judge(CODED, held((0, "n3"), (1, "n2")), ALL, ALL)
    assert verdict.below_target and not verdict.lost


@given(
    st.sampled_from(["copies=1", "copies=3", "ec=2+1", "ec=4+2"]),
    st.sets(st.tuples(st.integers(0, 6), st.integers(0, 5))),
    st.sets(st.integers(0, 5)),
    st.sets(st.integers(0, 5)),
)
def test_verdicts_add_up(
    policy: str, there: set[tuple[int, int]], silent: set[int], registered: set[int]
) -> None:
    """Whatever is where: each entry of the layout is in one place, and so is each fragment."""
    width = Policy.parse(policy).width
    one = blob(policy, *((shard, f"n{shard % 6}") for shard in range(width)))
    nodes = {f"n{n}" for n in registered}
    answered = nodes - {f"n{n}" for n in silent}
    seen = held(*((shard, f"n{n}") for shard, n in there if f"n{n}" in answered))
    verdict = judge(one, seen, answered, nodes)
    assert {*verdict.good, *verdict.missing, *verdict.silent} == set(one.layout)
    assert len(verdict.good) + len(verdict.missing) + len(verdict.silent) == width
    on_disks = {Placed(index, node) for node, shelf in seen.items() for index in shelf}
    assert {*verdict.good, *verdict.found, *verdict.surplus} == on_disks
    assert len(on_disks) == len(verdict.good) + len(verdict.found) + len(verdict.surplus)
    assert not (verdict.lost and verdict.unreachable)
    assert not verdict.lost or answered == nodes
    after = evolve(one, layout=joined(one, verdict, verdict.found))
    assert len({placed.shard for placed in after.layout}) == len(after.layout) == width


# -- a store -----------------------------------------------------------------------------------
def census(**more: Any) -> Census:
    sums: dict[str, Any] = {
        "started": 1.0,
        "finished": 2.0,
        "members": members_mark(NODES),
        "epoch": 1,
        "blobs": 5,
        "bytes": 5,
        "fragments": 15,
        "below_target": 0,
        "lost": 0,
        "unverified": 0,
        "verify_days": 30.0,
        "strays": 0,
    }
    return Census(**{**sums, **more})


HEALTHY = Facts(CLUSTER, NODES, frozenset(), census(), 0)


def test_healthy() -> None:
    """A census of today's members found all, nothing waits, and nobody is silent."""
    assert assess(HEALTHY) == assess(evolve(HEALTHY, census=census(strays=9, unverified=3)))
    assert assess(HEALTHY).health is Health.HEALTHY and assess(HEALTHY).reasons == ()


@pytest.mark.parametrize(
    ("facts", "health", "said"),
    [
        (evolve(HEALTHY, census=None), Health.UNKNOWN, "No census"),
        (evolve(HEALTHY, nodes=NODES[1:]), Health.UNKNOWN, "since the last census"),
        (evolve(HEALTHY, silent={"n0"}), Health.DEGRADED, "Node n0 at 127.0.0.1:0 does not"),
        (evolve(HEALTHY, overdue=True), Health.UNKNOWN, "long ago"),
        (evolve(HEALTHY, waiting=1), Health.DEGRADED, "1 blob is waiting for repair"),
        (evolve(HEALTHY, waiting=2), Health.DEGRADED, "2 blobs are waiting"),
        (evolve(HEALTHY, census=census(below_target=1)), Health.DEGRADED, "below target"),
        (evolve(HEALTHY, census=census(lost=3)), Health.LOST, "3 blobs are lost"),
        (
            evolve(HEALTHY, census=census(unreachable=1, silent=("n0",))),
            Health.UNREACHABLE,
            "until silent nodes are back (n0)",
        ),
        (evolve(HEALTHY, cluster=evolve(CLUSTER, epoch=2)), Health.UNKNOWN, "--confirm-epoch 2"),
        (
            evolve(HEALTHY, cluster=evolve(CLUSTER, epoch=2, confirmed=2)),
            Health.UNKNOWN,
            "rebuilt since the last census",
        ),
        (
            evolve(HEALTHY, nodes=[evolve(NODES[0], state=NodeState.FAILED, reason="EIO")]),
            Health.DEGRADED,
            "Node n0 failed: EIO.",
        ),
    ],
)
def test_not_healthy(facts: Facts, health: Health, said: str) -> None:
    """Each thing that is missing is told in a sentence."""
    found = assess(facts)
    assert found.health is health
    assert any(said in reason for reason in found.reasons), found.reasons


def test_the_worst_word_wins() -> None:
    """All sentences are told, and the word is of the worst."""
    facts = evolve(HEALTHY, census=census(lost=1, below_target=2), waiting=2, silent={"n1"})
    found = assess(facts)
    assert found.health is Health.LOST and len(found.reasons) == 5


# -- what may die ------------------------------------------------------------------------------
@given(
    st.integers(1, 4),
    st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=10),
)
def test_losses(data: int, there: set[tuple[int, int]]) -> None:
    """That many nodes may die, whichever they are; of whole copies not one more."""
    good = [Placed(shard, f"n{node}") for shard, node in sorted(there)]
    may = losses(good, data)
    nodes = sorted({placed.node for placed in good})
    for dead in combinations(nodes, may) if readable(good, data) else ():
        left = [placed for placed in good if placed.node not in dead]
        assert readable(left, data)
    if data == 1 and good:
        assert may == len(nodes) - 1


def test_losses_of_a_code() -> None:
    """M nodes, while each has one fragment; fewer, where one has several."""
    spread = [Placed(shard, f"n{shard}") for shard in range(6)]
    assert losses(spread, 4) == 2
    assert losses([*spread[:5], Placed(5, "n0")], 4) == 1
    assert losses([Placed(shard, "n0") for shard in range(6)], 4) == 0
