"""The store that tests use keeps the promises of the real ones."""

from __future__ import annotations

import pytest

from godos.catalog.items import IItemStore
from tests.contract.items import ItemStoreContract
from tests.memory_items import MemoryItems


class TestMemoryItems(ItemStoreContract):
    """In memory."""

    @pytest.fixture
    def items(self) -> IItemStore:
        """An empty store."""
        return MemoryItems()
