"""The objects in memory that tests of the web use."""

from __future__ import annotations

import pytest

from tests.contract.objects import ObjectsContract
from tests.memory_objects import MemoryObjects
from tests.unit.objects.stores import NOW, now


class TestMemoryObjects(ObjectsContract):
    """In memory."""

    @pytest.fixture
    def objects(self) -> MemoryObjects:
        """A store with a bucket."""
        objects = MemoryObjects(lambda: NOW)
        now(objects.create_bucket("objects", "me"))
        return objects
