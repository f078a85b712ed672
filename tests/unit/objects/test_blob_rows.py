"""Rows of blobs at hand."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from godos.model.blobs import Blob
from godos.model.errors import BytesNotFound
from godos.model.policy import Policy
from godos.objects import blob_rows
from godos.objects.blob_rows import FRESH, BlobRows
from tests.unit.objects.coded import Rows
from tests.unit.objects.stores import now

ROW = Blob("ab" * 16, 1, "0" * 64, Policy.copies(1), ())


def rows() -> tuple[BlobRows, Rows, Clock]:
    clock, catalog = Clock(), Rows(ROW)
    anything: Any = catalog
    return BlobRows(anything, clock), catalog, clock


def get(known: BlobRows, incarnation: str = ROW.incarnation) -> Blob:
    blob: Blob = now(Deferred.fromCoroutine(known.get(incarnation)))
    return blob


def again(known: BlobRows) -> Blob | None:
    blob: Blob | None = now(Deferred.fromCoroutine(known.again(ROW.incarnation)))
    return blob


def test_a_hot_object_costs_one_look_a_minute() -> None:
    """Its row is believed for so long, and no longer."""
    known, catalog, clock = rows()
    for _ in range(3):
        assert get(known) == ROW
    assert catalog.read == 1
    clock.advance(FRESH)
    get(known)
    assert catalog.read == 2


def test_a_row_that_is_read_anew() -> None:
    """All later readers have the new one."""
    known, catalog, _ = rows()
    get(known)
    assert again(known) == ROW
    get(known)
    assert catalog.read == 2


def test_a_row_that_is_gone() -> None:
    """The object names it, so its bytes are lost and not the object; nothing is remembered."""
    known, catalog, _ = rows()
    get(known)
    catalog.row = None
    assert again(known) is None
    with pytest.raises(BytesNotFound):
        get(known)
    catalog.row = ROW
    assert get(known) == ROW


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The row that came first goes first."""
    known, catalog, _ = rows()
    monkeypatch.setattr(blob_rows, "MOST", 3)
    for number in range(5):
        get(known, f"{number:032x}")
    get(known, f"{4:032x}")
    assert catalog.read == 5
    get(known, f"{0:032x}")
    assert catalog.read == 6
