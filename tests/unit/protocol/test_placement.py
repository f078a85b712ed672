"""Where fragments go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from godos.model.members import Node, NodeState
from godos.model.policy import Policy
from godos.protocol.placement import candidates, failure_domains, policy_of, rank


def node(number: int, zone: str = "z", capacity: int = 1000, free: int = 1000) -> Node:
    return Node(f"{number:032x}", "b", f"127.0.0.1:{number}", zone, capacity, free)


NODES = [node(i) for i in range(10)]
incarnations = st.text("0123456789abcdef", min_size=32, max_size=32)


@given(incarnations, st.permutations(NODES))
def test_order_of_the_rows_does_not_matter(incarnation: str, shuffled: list[Node]) -> None:
    """Every server that knows the same nodes answers alike."""
    assert rank(incarnation, shuffled) == rank(incarnation, NODES)


@given(incarnations, st.integers(0, 9))
def test_a_lost_node_moves_nothing_else(incarnation: str, lost: int) -> None:
    """Without one node the others keep their order."""
    rest = [n for n in NODES if n is not NODES[lost]]
    assert rank(incarnation, rest) == [n for n in rank(incarnation, NODES) if n in rest]


def test_capacity_draws() -> None:
    """A disk of three times the size gets about three times the blobs."""
    big, small = node(1, capacity=3000, free=3000), node(2)
    wins = sum(rank(f"{i:032x}", [big, small])[0] is big for i in range(4000))
    assert 2880 < wins < 3120  # 3000 expected, sigma 27


@given(incarnations)
def test_zones_come_before_rank(incarnation: str) -> None:
    """The first three of nodes in three zones are one of each."""
    nodes = [node(i, zone=f"z{i % 3}") for i in range(9)]
    assert len({n.zone for n in candidates(incarnation, nodes)[:3]}) == 3


@given(incarnations)
def test_full_failed_and_draining_nodes_take_nothing_new(incarnation: str) -> None:
    """They stay readable, but new fragments go elsewhere."""
    unfit = [
        node(1, free=40),  # 96 % full
        evolve(node(2), state=NodeState.FAILED),
        evolve(node(3), state=NodeState.DRAINING),
    ]
    assert candidates(incarnation, [*unfit, node(4)]) == [node(4)]


def test_a_node_without_figures_does_not_break_ranking() -> None:
    """A capacity of 0 is a weight of next to nothing, not an error."""
    assert rank("0" * 32, [node(1, capacity=0), node(2)])[0] == node(2)


def test_draining_nodes_do_not_count_for_auto() -> None:
    """The policy `auto` makes as many copies as nodes that will stay."""
    nodes = [node(1), evolve(node(2), state=NodeState.DRAINING), node(3)]
    assert failure_domains(nodes) == 2


def test_the_policy_auto_follows_the_nodes() -> None:
    """Whatever else is asked for is what it says, however many nodes there are."""
    assert policy_of("auto", [node(1), node(2)]) == Policy.copies(2)
    assert policy_of("ec=4+2", []) == Policy(4, 2)
    with pytest.raises(ValueError, match="is no policy"):
        policy_of("many", [])


# -- many blobs over many nodes -------------------------------------------------------------
WIDTH = 6


def blobs(count: int, seed: int) -> list[str]:
    random = Random(seed)
    return [f"{random.getrandbits(128):032x}" for _ in range(count)]


def placed(incarnations_: Sequence[str], nodes: Sequence[Node]) -> dict[str, set[str]]:
    """Where the fragments of blobs are: incarnation -> nodes."""
    return {
        incarnation: {n.id for n in candidates(incarnation, nodes)[:WIDTH]}
        for incarnation in incarnations_
    }


def test_a_hundred_nodes_get_equal_shares() -> None:
    """Every node has within 5 % of a hundredth of all fragments."""
    nodes = [node(i) for i in range(100)]
    held = Counter(id_ for ids in placed(blobs(70_000, 1), nodes).values() for id_ in ids)
    ideal = 70_000 * WIDTH / 100
    assert max(abs(held[n.id] - ideal) for n in nodes) < 0.05 * ideal


def test_twenty_zones_get_equal_shares() -> None:
    """Every zone of five nodes has within 5 % of a twentieth of all fragments."""
    nodes = [node(i, zone=f"z{i % 20}") for i in range(100)]
    zone_of = {n.id: n.zone for n in nodes}
    everywhere = placed(blobs(12_000, 2), nodes).values()
    held = Counter(zone_of[id_] for ids in everywhere for id_ in ids)
    ideal = 12_000 * WIDTH / 20
    assert max(abs(count - ideal) for count in held.values()) < 0.05 * ideal
    assert all(len({zone_of[id_] for id_ in ids}) == WIDTH for ids in everywhere)


def test_a_hundred_disks_of_three_sizes_fill_alike() -> None:
    """Disks of one size together have within 5 % of their share of the capacity."""
    sizes = (1000, 2000, 4000)
    nodes = [node(i, capacity=sizes[i % 3], free=sizes[i % 3]) for i in range(99)]
    held = Counter(id_ for ids in placed(blobs(10_000, 3), nodes).values() for id_ in ids)
    for size in sizes:
        found = sum(held[n.id] for n in nodes if n.capacity == size)
        ideal = 10_000 * WIDTH * size / sum(sizes)
        assert abs(found - ideal) < 0.05 * ideal


@given(st.integers(0, 2**32), st.integers(2, 40), st.integers(1, 5))
@settings(max_examples=20, deadline=None)
def test_what_a_new_node_gets_is_all_that_moves(seed: int, count: int, zones: int) -> None:
    """A blob changes only by one fragment going to the newcomer, in whichever zone it is."""
    nodes = [node(i, zone=f"z{i % zones}") for i in range(count)]
    newcomer = node(1000, zone=f"z{seed % (zones + 1)}")
    some = blobs(40, seed)
    before, after = placed(some, nodes), placed(some, [*nodes, newcomer])
    for incarnation in some:
        came = after[incarnation] - before[incarnation]
        gone = before[incarnation] - after[incarnation]
        assert came <= {newcomer.id}
        assert len(gone) <= len(came)


def test_how_much_moves() -> None:
    """The eleventh of equal nodes takes an eleventh of all fragments, and nobody else any."""
    nodes = [node(i, zone=f"z{i}") for i in range(11)]
    some = blobs(10_000, 11)
    before, after = placed(some, nodes[:10]), placed(some, nodes)
    moved = sum(len(after[one] - before[one]) for one in some)
    ideal = 10_000 * WIDTH / 11
    assert abs(moved - ideal) < 0.05 * ideal


@given(incarnations, st.integers(1, 8), st.lists(st.integers(1, 9), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_no_zone_has_more_than_it_must(incarnation: str, width: int, zones: list[int]) -> None:
    """Of any two zones, one with spare nodes has at most one fragment less than the other."""
    nodes = [
        node(100 * zone + number, zone=f"z{zone}")
        for zone, count in enumerate(zones)
        for number in range(count)
    ]
    chosen = Counter(n.zone for n in candidates(incarnation, nodes)[:width])
    for zone, count in enumerate(zones):
        if chosen[f"z{zone}"] < count:
            assert max(chosen.values(), default=0) <= chosen[f"z{zone}"] + 1
