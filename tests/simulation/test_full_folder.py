"""A disk that runs full while a large fragment is put in its place."""

from __future__ import annotations

import errno

import pytest

from godos.model.errors import NodeFull
from godos.model.names import FragmentName
from tests.contract.fragment_store import header_of
from tests.simulation.disk import SimulatedDisk
from tests.simulation.node import Node, now

NAME = FragmentName("a" * 32, 0)
DATA = b"x" * (3 << 20)


@pytest.mark.parametrize("operation", ["rename", "sync_directory"])
def test_a_folder_that_finds_no_room(operation: str) -> None:
    """The upload fails and leaves nothing in staging; the node serves on, and takes it later."""
    disk = SimulatedDisk()
    node = Node(disk).start()
    upload = now(node.store.upload(NAME, len(DATA)))
    now(upload.write([DATA]))

    def full(happening: str, path: str) -> OSError | None:
        place = path.removeprefix("/node/objects/aa")
        here = happening == operation and place in ("", f"/{NAME}")
        return OSError(errno.ENOSPC, "No space left on device") if here else None

    disk.fault = full
    with pytest.raises(NodeFull):
        now(upload.seal(header_of(DATA, NAME)))
    now(upload.abort())
    assert not node.failures
    assert not [path for path in disk.names("/node/staging") if path]
    disk.fault = lambda *_: None
    node.upload(NAME, DATA)
    assert now(node.store.verify(NAME)).length == len(DATA)
    node.stop()
