"""Rows and inventories side by side, whatever their pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from godos.model.blobs import Blob, BlobState, FragmentHeader, Placed
from godos.model.errors import NodeUnreachable
from godos.model.names import FragmentName
from godos.model.policy import Policy
from godos.objects.upkeep.merging import Merge, Sight
from godos.objects.upkeep.tally import Tally
from tests.memory_fragments import MemoryFragments
from tests.unit.objects.stores import Cluster, now


def incarnation(number: int) -> str:
    return f"{number:032x}"


def row(number: int, *nodes: str, size: int = 1) -> Blob:
    layout = tuple(Placed(index, node) for index, node in enumerate(nodes))
    return Blob(incarnation(number), size, "", Policy.parse("copies=3"), layout, rev=f"rev{number}")


@pytest.fixture
def tally() -> Iterator[Tally]:
    made = Tally()
    yield made
    made.close()


# -- rows --------------------------------------------------------------------------------------
def test_rows_come_back_sorted(tally: Tally) -> None:
    """In the order of incarnations, page by page, as they went in."""
    rows = [row(n, "a", "b") for n in range(100)]
    tally.add(rows[50:])
    tally.add(reversed(rows[:50]))
    found: list[Blob] = []
    while page := tally.page(found[-1].incarnation if found else "", 7):
        found += page
    assert found == rows


def test_a_row_that_comes_again(tally: Tally) -> None:
    """The later one is kept."""
    tally.add([row(1, "a"), row(2, "b")])
    tally.add([row(1, "c", size=9)])
    assert [blob.size for blob in tally.page("", 10)] == [9, 1]


def test_what_is_kept_of_a_row(tally: Tally) -> None:
    """All that a comparison with disks needs."""
    coded = Blob(
        incarnation(5),
        1 << 40,
        "f" * 64,
        Policy.parse("ec=4+2"),
        (Placed(105, "x" * 32),),
        codec="zstd-256k",
        state=BlobState.CONDEMNED,
        rev="r",
    )
    empty = Blob(incarnation(6), 0, "", Policy.copies(1), ())
    tally.add([coded, empty])
    first, second = tally.page("", 10)
    assert (first.size, first.policy, first.layout) == (coded.size, coded.policy, coded.layout)
    assert (first.state, first.rev, first.generation) == (BlobState.CONDEMNED, "r", 100)
    assert second.layout == ()


def test_its_file_goes(tmp_path: Path) -> None:
    """Whatever was in it; and who comes late finds nothing."""
    tally = Tally(str(tmp_path))
    tally.add([row(1)])
    assert list(tmp_path.iterdir())
    tally.close()
    tally.close()
    assert not list(tmp_path.iterdir())
    tally.add([row(2)])
    assert tally.page("", 10) == ()


# -- merging -----------------------------------------------------------------------------------
def merged(tally: Tally, nodes: list[MemoryFragments], limit: int) -> list[Sight]:
    merge = Merge(tally, maybeDeferred, Cluster(nodes), Clock(), [n.node_id for n in nodes], limit)
    sights: list[Sight] = []
    while (batch := now(Deferred.fromCoroutine(merge.next()))) is not None:
        assert batch.sights and batch.answered == {node.node_id for node in nodes}
        sights += batch.sights
    return sights


def keep(node: MemoryFragments, number: int, index: int) -> None:
    name = FragmentName(incarnation(number), index)
    node.keep(FragmentHeader(name, 1, 2, "", "ec=2+1"), b"x")


@settings(max_examples=60, deadline=None)
@given(
    st.sets(st.integers(0, 30)),
    st.lists(st.sets(st.tuples(st.integers(0, 30), st.integers(0, 12))), max_size=4),
    st.integers(1, 9),
)
def test_nothing_is_left_out(
    rows: set[int], fragments: list[set[tuple[int, int]]], limit: int
) -> None:
    """Each blob is seen once, in order, with all that all nodes have of it."""
    tally = Tally()
    tally.add([row(number) for number in rows])
    nodes = [MemoryFragments(f"n{number}") for number in range(len(fragments))]
    for node, held in zip(nodes, fragments, strict=True):
        for number, index in held:
            keep(node, number, index)
    sights = merged(tally, nodes, limit)
    tally.close()
    expected = sorted(rows.union(*({number for number, _ in held} for held in fragments)))
    assert [sight.incarnation for sight in sights] == [incarnation(n) for n in expected]
    for number, sight in zip(expected, sights, strict=True):
        assert (sight.row is not None) == (number in rows)
        assert {(node, index) for node, shelf in sight.held.items() for index in shelf} == {
            (node.node_id, index)
            for node, held in zip(nodes, fragments, strict=True)
            for other, index in held
            if other == number
        }


def test_a_node_that_is_silent_from_the_start(tally: Tally) -> None:
    """It is named in no batch."""
    nodes = [MemoryFragments("n0"), MemoryFragments("n1")]
    nodes[1].broken = NodeUnreachable("gone")
    for number in range(5):
        keep(nodes[0], number, 0)
    cluster = Cluster(nodes)
    cluster.suspect("n1")
    merge = Merge(tally, maybeDeferred, cluster, Clock(), ["n0", "n1"], 2)
    while (batch := now(Deferred.fromCoroutine(merge.next()))) is not None:
        assert batch.answered == {"n0"}
    assert merge.answered == {"n0"}


def test_a_node_that_answers_the_second_time(tally: Tally) -> None:
    """A failure that passes makes no node silent."""
    node = MemoryFragments("n0")
    keep(node, 1, 0)
    node.broken = NodeUnreachable("for a moment")
    clock = Clock()
    merge = Merge(tally, maybeDeferred, Cluster([node]), clock, ["n0"], 2)
    waiting = Deferred.fromCoroutine(merge.next())
    node.broken = None
    clock.advance(1.1)
    batch = now(waiting)
    assert [sight.incarnation for sight in batch.sights] == [incarnation(1)]
    assert merge.answered == {"n0"}
