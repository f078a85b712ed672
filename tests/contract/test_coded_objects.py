"""The same use cases where bytes are coded: nobody who asks notices."""

from __future__ import annotations

import pytest

from godos.model.errors import NodeUnreachable
from godos.objects.objects import Objects
from tests.contract.objects import ObjectsContract
from tests.contract.objects_copies import CopiesContract
from tests.contract.objects_locks import LocksContract
from tests.contract.objects_uploads import UploadsContract
from tests.unit.objects.stores import Store


@pytest.fixture(params=[("ec=2+1", 3, 0), ("ec=2+1", 3, 1), ("ec=4+2", 7, 2)])
def objects(request: pytest.FixtureRequest) -> Objects:
    """A store with a bucket: its policy, its nodes, and how many of these are dead."""
    policy, nodes, dead = request.param
    store = Store(nodes, policy)
    for node in store.nodes[:dead]:
        store.cluster.dead.add(node.node_id)
        node.broken = NodeUnreachable("it is dead")
    return store.objects


class TestObjects(ObjectsContract):
    """On several nodes."""


class TestCopies(CopiesContract):
    """On several nodes."""


class TestUploads(UploadsContract):
    """On several nodes."""


class TestLocks(LocksContract):
    """On several nodes."""
