"""The rows of servers."""

from __future__ import annotations

from twisted.internet.task import Clock

from godos.catalog.catalog import Catalog
from godos.catalog.members import API_KEPT
from godos.catalog.places import APIS
from godos.model.members import ApiServer
from tests.memory_items import MemoryItems
from tests.unit.objects.stores import now


def test_an_api_server_that_was_killed_is_forgotten() -> None:
    """Its row expires long after its last beat, and each beat puts that off."""
    clock, items = Clock(), MemoryItems()
    catalog = Catalog(items, clock, monotonic=clock.seconds)
    for beat in range(2):
        clock.advance(1000)
        now(catalog.beat_api(ApiServer("api", "127.0.0.1:8030", beat)))
        item = now(items.get(APIS, b"api"))
        assert item.expires == clock.seconds() + API_KEPT
