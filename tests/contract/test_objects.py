"""The real use cases and catalog, over items and nodes in memory."""

from __future__ import annotations

import pytest

from godos.objects.objects import Objects
from tests.contract.objects import ObjectsContract
from tests.contract.objects_copies import CopiesContract
from tests.contract.objects_locks import LocksContract
from tests.contract.objects_uploads import UploadsContract
from tests.unit.objects.stores import Store


@pytest.fixture
def objects() -> Objects:
    """A store with a bucket."""
    return Store().objects


class TestObjects(ObjectsContract):
    """On three nodes."""


class TestCopies(CopiesContract):
    """On three nodes."""


class TestUploads(UploadsContract):
    """On three nodes."""


class TestLocks(LocksContract):
    """On three nodes."""
