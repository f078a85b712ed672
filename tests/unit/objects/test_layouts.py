"""Layouts, once it is known where fragments are."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail

from godos.model.blobs import Blob, Placed
from godos.model.errors import NodeUnreachable
from godos.model.policy import Policy
from godos.objects.layouts import Correction, joined
from tests.unit.objects.coded import World, content

CODED = Policy.parse("ec=2+1")


def blob(policy: Policy, *layout: tuple[int, str]) -> Blob:
    return Blob("ab" * 16, 9, "0" * 64, policy, tuple(Placed(*place) for place in layout))


def test_a_copy_that_was_found() -> None:
    """It joins; what its node says it lacks leaves; nobody else's silence changes anything."""
    row = blob(Policy.copies(3), (0, "a"), (1, "b"), (2, "c"))
    found = Placed(0, "d")
    assert joined(row, [found], {Placed(0, "a")}, ()) == (*row.layout[1:], found)
    assert joined(row, [found], (), ()) == (*row.layout, found)
    assert joined(row, [Placed(2, "a")], (), ()) == (*row.layout[1:], Placed(2, "a"))
    assert joined(row, [row.layout[0]], (), ()) == row.layout


def test_a_shard_that_was_found() -> None:
    """It takes the place of the same shard, unless that is where the layout says."""
    row = blob(CODED, (100, "a"), (101, "b"), (102, "c"))
    found = Placed(101, "d")
    assert joined(row, [found], (), ()) == (row.layout[0], found, row.layout[2])
    assert joined(row, [found], {row.layout[1]}, ()) == (row.layout[0], found, row.layout[2])
    assert joined(row, [found], (), {row.layout[1]}) == row.layout


def test_two_shards_on_one_node() -> None:
    """Better than one that nobody knows of."""
    row = blob(CODED, (0, "a"), (1, "b"))
    assert joined(row, [Placed(2, "a")], (), ()) == (*row.layout, Placed(2, "a"))


PLACES = st.builds(Placed, st.integers(0, 2), st.sampled_from("abcde"))


@given(st.sets(PLACES, max_size=6), st.sets(PLACES, max_size=6), st.sets(PLACES), st.sets(PLACES))
def test_a_coded_layout_stays_sensible(
    layout: set[Placed], found: set[Placed], lacking: set[Placed], holding: set[Placed]
) -> None:
    """No shard that is somewhere is lost from it, and what was found makes none double."""
    first = {placed.index: placed for placed in sorted(layout, key=lambda one: one.node)}
    row = blob(CODED, *((placed.index, placed.node) for placed in first.values()))
    lacking -= found | holding
    new = joined(row, sorted(found, key=str), lacking, holding)
    indexes = [placed.index for placed in new]
    assert len(indexes) == len(set(indexes))
    there = {placed.index for placed in row.layout if placed not in lacking}
    assert set(indexes) == there | {placed.index for placed in found}
    assert set(new) <= (set(row.layout) - lacking) | found


def moved(store: World, number: int) -> Placed:
    """The fragment of a node is on the spare node now."""
    store.nodes[-1].fragments.update(store.nodes[number].fragments)
    store.nodes[number].fragments.clear()
    return Placed(store.blob.layout[number].index, store.nodes[-1].node_id)


def test_what_was_found_is_verified_first() -> None:
    """A damaged fragment, and one of other bytes, do not come into the layout."""
    store = World("ec=2+1", content(300_000), spare=1)
    found = moved(store, 0)
    (name,) = store.nodes[-1].fragments
    store.nodes[-1].damage(name, 3)
    Correction(store.sources).found(store.blob, [found])
    store.nodes[-1].damage(name, 3)
    stored = store.nodes[-1].fragments[name]
    header, stored.header = stored.header, evolve(stored.header, blob_sha256="f" * 64)
    Correction(store.sources).found(store.blob, [found])
    assert store.rows.corrected == []
    stored.header = header
    Correction(store.sources).found(store.blob, [found])
    assert found in store.rows.row.layout


def test_a_node_that_is_gone_meanwhile() -> None:
    """It is left out, and the others are written down."""
    store = World("ec=2+1", content(300_000), spare=1)
    found = moved(store, 0)
    stranger = Placed(1, "f" * 32)
    Correction(store.sources).found(store.blob, [stranger, found])
    assert found in store.rows.row.layout
    assert stranger not in store.rows.row.layout
    store.nodes[-1].verify = lambda _: fail(NodeUnreachable("gone"))  # type: ignore
    Correction(store.sources).found(store.blob, [found])
    assert len(store.rows.corrected) == 1


@pytest.mark.parametrize("converted", [False, True])
def test_another_changes_the_row_at_the_same_time(converted: bool) -> None:
    """It is read again and corrected as it is then; unless other fragments are in it by now."""
    store = World("ec=2+1", content(300_000), spare=1)
    found = moved(store, 0)
    generation = 100 if converted else 0
    row = evolve(store.lay(CODED, generation), rev="another")
    store.rows.row = row
    Correction(store.sources).found(store.blob, [found])
    if converted:
        assert store.rows.row == row
    else:
        assert found in store.rows.row.layout


def test_found_while_another_is_written_down() -> None:
    """One after the other, and both are there."""
    store = World("ec=2+1", content(300_000), spare=2)
    waiting: list[Deferred[None]] = []
    first = moved(store, 0)
    verify = store.nodes[-1].verify

    def slowly(name: Any) -> Deferred[Any]:
        waiting.append(Deferred())
        return waiting[-1].addCallback(lambda _: verify(name))

    store.nodes[-1].verify = slowly  # type: ignore[method-assign]
    store.nodes[-2].fragments.update(store.nodes[1].fragments)
    store.nodes[1].fragments.clear()
    second = Placed(1, store.nodes[-2].node_id)
    correction = Correction(store.sources)
    correction.found(store.blob, [first])
    correction.found(store.blob, [second])
    waiting[0].callback(None)
    assert {first, second} <= set(store.rows.row.layout)


def test_nobody_answers_what_it_holds() -> None:
    """Silence takes no place off the layout."""
    store = World("copies=2", content(1000), spare=1)
    found = moved(store, 0)
    for node in store.nodes[:2]:
        node.holds = lambda _: fail(NodeUnreachable("gone"))  # type: ignore
    Correction(store.sources).found(store.blob, [found])
    assert set(store.rows.row.layout) == {*store.blob.layout, found}
