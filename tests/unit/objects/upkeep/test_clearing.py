"""Fragments that no layout names are removed, and none that one names."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from godos.model.blobs import Blob, Placed
from godos.model.names import FragmentName
from godos.objects.upkeep.clearing import Clearing
from tests.unit.objects.stores import now
from tests.unit.objects.upkeep.wards import SMALL, Ward


def unused(ward: Ward, blob: Blob, *places: Placed) -> Any:
    clearing = Clearing(ward.catalog, ward.cluster, ward.clock)
    return now(Deferred.fromCoroutine(clearing.unused(blob, places)))


def test_what_the_row_names_by_now_stays() -> None:
    """Another server wrote the same fragment, and was first."""
    ward = Ward(6, "ec=4+2")
    blob = ward.put(SMALL)
    unused(ward, blob, *blob.layout)
    ward.check_at_target(ward.blob_of())


def test_what_is_named_while_it_is_removed_waits_for_repair() -> None:
    """Or the store would be called healthy, with a layout that says what is not true."""
    ward = Ward(6, "ec=4+2")
    blob = ward.put(SMALL)
    placed = blob.layout[0]
    standing = now(ward.catalog.correct_layout(blob, blob.layout[1:]))
    (work,) = now(ward.catalog.repairs())
    node = ward.store_of(placed)
    remove = node.remove

    def named(name: FragmentName) -> Deferred[bool]:
        assert now(ward.catalog.correct_layout(standing, blob.layout)) is not None
        assert now(ward.catalog.repaired(work))
        return remove(name)

    node.remove = named  # type: ignore[method-assign]
    unused(ward, standing, placed)
    (work,) = now(ward.catalog.repairs())
    assert work.incarnation == blob.incarnation
