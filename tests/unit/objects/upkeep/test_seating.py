"""Which fragments of a blob stay, and where the others are to be."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from godos.model.blobs import Blob, Placed
from godos.model.members import Node
from godos.model.policy import Policy
from godos.objects.upkeep.examining import Finding, State
from godos.objects.upkeep.seating import layout_of, missing_of, seating, seats, trouble_of

INCARNATION = "0123456789abcdef" * 2


def node(number: int, zone: str = "") -> Node:
    return Node(f"n{number}", "boot", "h:1", zone or f"z{number}", 1000, 1000)


def blob(policy: str, layout: tuple[Placed, ...]) -> Blob:
    return Blob(INCARNATION, 1 << 20, "00" * 32, Policy.parse(policy), layout)


def findings(*some: tuple[int, str, State]) -> list[Finding]:
    return [Finding(Placed(index, at), state, "why") for index, at, state in some]


def test_what_is_good_stays() -> None:
    """Nothing is wanted of a blob at target."""
    found = findings((0, "n0", State.GOOD), (1, "n1", State.GOOD))
    plan = seating(blob("copies=2", tuple(f.placed for f in found)), found)
    assert (plan.kept, plan.awaited, plan.wants) == ((Placed(0, "n0"), Placed(1, "n1")), (), ())


def test_a_second_fragment_of_a_shard_is_no_help() -> None:
    """One is kept, and rather one on a node that is preferred."""
    found = findings((0, "n0", State.GOOD), (0, "n1", State.GOOD))
    plan = seating(blob("copies=1", ()), found, prefer=("n1",))
    assert plan.kept == (Placed(0, "n1"),)
    assert not plan.wants


def test_nodes_are_shared_so_that_the_most_can_stay() -> None:
    """A shard that could be on two nodes leaves the one that another one needs."""
    found = findings((0, "n0", State.GOOD), (0, "n1", State.GOOD), (1, "n0", State.GOOD))
    plan = seating(blob("copies=2", ()), found)
    assert plan.kept == (Placed(0, "n1"), Placed(1, "n0"))


def test_what_cannot_be_replaced_stays_in_the_layout() -> None:
    """Its node may come back; what is known not to be there goes, when the others suffice."""
    found = findings(
        (0, "n0", State.GOOD),
        (1, "n1", State.GONE),
        (2, "n2", State.MISSING),
        (3, "n3", State.DAMAGED),
    )
    whole = blob("copies=4", tuple(f.placed for f in found))
    plan = seating(whole, found)
    kept = (Placed(0, "n0"), Placed(1, "n1"), Placed(3, "n3"))
    assert layout_of(whole, plan, found) == kept
    assert missing_of(plan) == (1, 2, 3)
    assert "no other node takes fragment 1, 2, 3" in trouble_of(plan, found, [])


def test_the_layout_of_a_lost_blob_stays() -> None:
    """It says where the bytes were, for whoever has a backup of a disk."""
    found = findings((0, "n0", State.MISSING), (1, "n1", State.MISSING))
    whole = blob("copies=2", tuple(f.placed for f in found))
    assert layout_of(whole, seating(whole, found), found) == whole.layout


STATES = st.sampled_from(list(State))
NODES = st.integers(0, 9)


@given(
    found=st.lists(st.tuples(st.integers(0, 5), NODES, STATES), max_size=14),
    live=st.sets(NODES),
    avoid=st.sets(NODES, max_size=4),
    prefer=st.lists(NODES, max_size=2),
    zones=st.integers(1, 10),
)
def test_whatever_is_found_the_plan_is_sound(
    found: list[tuple[int, int, State]],
    live: set[int],
    avoid: set[int],
    prefer: list[int],
    zones: int,
) -> None:
    """
    No two fragments on one node, none on a node that is to be left, every shard accounted
    for, only what is good counted as such, and no node idle while a shard wants one.
    """
    unique = list({(shard, at): (shard, at, state) for shard, at, state in found}.values())
    told = findings(*((shard, f"n{at}", state) for shard, at, state in unique))
    whole = blob("ec=4+2", tuple(finding.placed for finding in told))
    left, wanted = frozenset(f"n{at}" for at in avoid), tuple(f"n{at}" for at in prefer)
    plan = seating(whole, told, left, wanted)
    nodes = [node(number, f"z{number % zones}") for number in sorted(live)]
    chosen = seats(whole, plan, told, nodes, left, wanted)
    good = {finding.placed for finding in told if finding.state is State.GOOD}
    assert set(plan.kept) <= good
    assert {want.source for want in plan.wants if want.source} <= good
    shards = [p.shard for p in (*plan.kept, *plan.awaited)] + [want.shard for want in plan.wants]
    assert sorted(shards) == list(range(6))
    kept = [placed.node for placed in plan.kept]
    occupied = [*kept, *(target.id for target in chosen.values())]
    assert max(Counter(occupied).values(), default=0) <= 1
    assert not left.intersection(occupied)
    awaited = {placed.node for placed in plan.awaited}
    free = {n.id for n in nodes} - left - set(kept) - awaited
    assert len(chosen) == min(len(plan.wants), len(free))
    assert {target.id for target in chosen.values()} <= free
    layout = layout_of(whole, plan, told)
    assert {*plan.kept, *plan.awaited} <= set(layout)
    readable = {placed.shard for placed in good}
    assert readable <= {placed.shard for placed in layout}
