"""The real use cases and catalog, over items and nodes in memory."""

from __future__ import annotations

import pytest

from godos.objects.objects import Objects
from tests.contract.objects import ObjectsContract
from tests.unit.objects.stores import Store


class TestObjects(ObjectsContract):
    """On three nodes."""

    @pytest.fixture
    def objects(self) -> Objects:
        """A store with a bucket."""
        return Store().objects
