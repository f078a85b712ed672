"""Repairs that readers ask for."""

from __future__ import annotations

from attrs import evolve

from godos.model.policy import Policy
from godos.objects.reports import MOST, SILENT
from tests.unit.objects.coded import World

REASON = "FragmentDamaged on node x"


def test_one_finding_is_told_once() -> None:
    """However many readers meet it; and again when it is met later."""
    store = World("copies=3", b"hello")
    for _ in range(5):
        store.sources.reports.trouble(store.blob, store.blob.layout[0], REASON)
        store.clock.advance(SILENT / 10)
    assert store.rows.repairs == [REASON]
    store.clock.advance(SILENT)
    store.sources.reports.trouble(store.blob, store.blob.layout[0], REASON)
    assert len(store.rows.repairs) == 2


def test_each_fragment_is_a_finding() -> None:
    """Two places of one blob are two."""
    store = World("copies=3", b"hello")
    for placed in store.blob.layout:
        store.sources.reports.trouble(store.blob, placed, REASON)
    assert len(store.rows.repairs) == 3


def test_what_the_layout_does_not_name_needs_no_repair() -> None:
    """The reader's row was old: the blob was moved, converted or removed since."""
    store = World("copies=3", b"hello", spare=4)
    old = store.blob
    for row in (None, evolve(store.lay(Policy.parse("ec=4+2"), generation=100), rev="n")):
        store.rows.row = row
        store.sources.reports.trouble(old, old.layout[0], REASON)
        store.clock.advance(SILENT)
    assert store.rows.repairs == []


def test_memory_is_bounded() -> None:
    """The oldest findings are forgotten."""
    store = World("copies=1", b"hello")
    for number in range(MOST + 10):
        blob = evolve(store.blob, incarnation=f"{number:032x}")
        store.sources.reports.trouble(blob, blob.layout[0], REASON)
    assert len(store.sources.reports._told) == MOST
