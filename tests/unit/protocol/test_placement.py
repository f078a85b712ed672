"""Where fragments go."""

from __future__ import annotations

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from godos.model.members import Node, NodeState
from godos.protocol.placement import candidates, failure_domains, rank


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
