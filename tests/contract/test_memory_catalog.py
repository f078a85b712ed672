"""The catalog in memory, as the other tests use it."""

from __future__ import annotations

import pytest

from godos.catalog.items import IItemStore
from tests.contract.catalog_all import WholeCatalogContract
from tests.memory_items import MemoryItems


class TestMemoryCatalog(WholeCatalogContract):
    """In memory."""

    @pytest.fixture
    def items(self) -> IItemStore:
        """An empty store."""
        return MemoryItems()


class TestMemoryCatalogThatSettles(TestMemoryCatalog):
    """In memory, with the rules for buckets of an engine that charges for checks."""

    settle = 0.002
