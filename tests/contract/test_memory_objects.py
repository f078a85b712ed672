"""The objects in memory that tests of the web use."""

from __future__ import annotations

import pytest

from tests.contract.objects import ObjectsContract
from tests.contract.objects_copies import CopiesContract
from tests.contract.objects_locks import LocksContract
from tests.contract.objects_uploads import UploadsContract
from tests.memory_objects import MemoryObjects
from tests.unit.objects.stores import NOW, now


@pytest.fixture
def objects() -> MemoryObjects:
    """A store with a bucket."""
    objects = MemoryObjects(lambda: NOW)
    now(objects.create_bucket("objects", "me"))
    return objects


class TestObjects(ObjectsContract):
    """In memory."""


class TestCopies(CopiesContract):
    """In memory."""


class TestUploads(UploadsContract):
    """In memory."""


class TestLocks(LocksContract):
    """In memory."""
