"""An index that cannot be read any more: what was promised stays, and nothing else is."""

from __future__ import annotations

from typing import Any

import apsw
import pytest

from godos.model.errors import NodeFailed
from godos.model.names import FragmentName
from tests.contract.fragment_store import header_of
from tests.simulation.disk import SimulatedDisk
from tests.simulation.node import Node, now

A, B = (FragmentName(digit * 32, 0) for digit in "ab")


def test_an_index_that_fails_in_the_middle_of_a_group() -> None:
    """The node leaves service; nobody in the group hears that all went well."""
    disk = SimulatedDisk()
    node = Node(disk).start()
    node.put((A, b"first"))
    index: Any = node.store._parts.holdings.ledger._index

    def broken(*_: object) -> bool:
        raise apsw.IOError("disk I/O error")

    index.tombstone_now = broken
    with node.writer.group():
        answers = [
            node.store.remove(A),
            node.store.put(header_of(b"second", B), [b"second"]),
            node.store.remove(A),  # has the first two written before it
        ]
    for answer in answers:
        with pytest.raises(NodeFailed):
            now(answer)
    assert len(node.failures) == 1
    node.writer.log.flush()
    index.__dict__.pop("tombstone_now")
    node.stop()
    disk.unlink("/node/failed.json")
    after = Node(disk).start()
    assert now(after.store.verify(B)).length == len(b"second")
    after.stop()
