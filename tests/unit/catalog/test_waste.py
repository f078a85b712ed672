"""What waits for the collector, looked at without touching it."""

from __future__ import annotations

import pytest

from godos.model.catalog import Waste
from godos.model.objects import CopyRequest, CopySource, DeleteRequest, PutRequest
from tests.unit.objects.stores import NOW, Body, Store, now


@pytest.fixture
def store() -> Store:
    return Store(1)


def put(store: Store, key: str, body: bytes = b"meow") -> str:
    version = now(store.objects.put("objects", key, Body(body), PutRequest()))
    incarnation: str = version.incarnation
    return incarnation


def waste(store: Store, limit: int = 1000) -> list[Waste]:
    """All of it, page by page."""
    found: list[Waste] = []
    cursor = None
    while True:
        page = now(store.catalog.waste(cursor, limit))
        found += page.waste
        cursor = page.cursor
        if cursor is None:
            return found


def test_nothing_was_removed(store: Store) -> None:
    """What is in use does not wait."""
    put(store, "a")
    assert waste(store) == []


def test_what_was_removed(store: Store) -> None:
    """Since when nothing refers to it, how large it is and where."""
    name = put(store, "a")
    store.clock.advance(50)
    now(store.objects.delete("objects", "a", DeleteRequest()))
    [one] = waste(store)
    assert (one.id, one.since, one.referred, one.parts) == (name, NOW + 50, False, False)
    assert (one.size, one.condemned, one.nodes) == (4, False, (store.nodes[0].node_id,))


def test_what_others_refer_to(store: Store) -> None:
    """A blob that a copy still has is shown as one that stays."""
    put(store, "a")
    source = CopySource("objects", "a")
    request = CopyRequest(lambda version: version.attributes)
    now(store.objects.copy(source, "objects", "b", request))
    now(store.objects.delete("objects", "a", DeleteRequest()))
    assert [one.referred for one in waste(store)] == [True]


def test_what_is_going(store: Store) -> None:
    """A blob whose removal has begun is shown as such, until it is gone."""
    put(store, "a")
    now(store.objects.delete("objects", "a", DeleteRequest()))
    store.clock.advance(10)
    [removal] = now(store.catalog.removals(5.0))
    assert [one.condemned for one in waste(store)] == [True]
    now(store.catalog.removed(removal))
    assert waste(store) == []


@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_pages(store: Store, limit: int) -> None:
    """Each is told of once, whatever the pages."""
    names = {put(store, f"key {number}") for number in range(40)}
    for number in range(40):
        now(store.objects.delete("objects", f"key {number}", DeleteRequest()))
    found = [one.id for one in waste(store, limit)]
    assert len(found) == 40 and set(found) == names
    assert len(waste(store)) == 40  # looking changes nothing
