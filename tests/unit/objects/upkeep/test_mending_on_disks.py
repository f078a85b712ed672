"""Mending what is on real disks: files and volumes, damaged and removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from godos.model.blobs import Blob, Placed
from godos.model.names import FragmentName
from godos.model.policy import Policy
from godos.storage.store import DiskFragmentStore
from tests.unit.objects.stores import now
from tests.unit.objects.upkeep.wards import LARGE, SMALL, Ward, content
from tests.unit.storage.nodes import flip, opened, serving

NODES = 6


class Disks:
    """Nodes with a directory each, and a ward over them."""

    def __init__(self, folder: Path, policy: str, stack: ExitStack, nodes: int = NODES) -> None:
        self.folders = [folder / f"disk-{number}" for number in range(nodes)]
        self.stores = [stack.enter_context(serving(each)) for each in self.folders]
        self.ward = Ward(self.stores, policy)

    def folder_of(self, placed: Placed) -> Path:
        ids = [store.node_id for store in self.stores]
        return self.folders[ids.index(placed.node)]

    def store_of(self, placed: Placed) -> DiskFragmentStore:
        store: DiskFragmentStore = self.ward.cluster.stores[placed.node]
        return store

    def payload(self, blob: Blob, placed: Placed) -> bytes:
        reader: Any = now(self.store_of(placed).open(name_of(blob, placed), 0, None))
        pieces = []
        while piece := now(reader.read()):
            pieces.append(piece)
        now(reader.close())
        return b"".join(pieces)

    def damage(self, blob: Blob, placed: Placed, place: int) -> None:
        """Turn a bit of the payload, where it stands on the disk."""
        wanted = self.payload(blob, placed)[:64]
        for path in (*self.folder_of(placed).rglob("*.*"), *self.folder_of(placed).rglob("*")):
            if path.is_file() and (offset := path.read_bytes().find(wanted)) >= 0:
                flip(path, offset + place)
                return
        raise AssertionError("the payload is not on the disk")

    def check_at_target(self, blob: Blob) -> None:
        assert sorted(placed.shard for placed in blob.layout) == list(range(blob.policy.width))
        for placed in blob.layout:
            header = now(self.store_of(placed).verify(name_of(blob, placed)))
            assert (header.blob_sha256, header.policy) == (blob.sha256, str(blob.policy))
            assert header.origin
        assert self.held(blob) == {(placed.node, placed.index) for placed in blob.layout}
        staging = [p for each in self.folders for p in (each / "staging").rglob("*")]
        files = [path.read_bytes() for path in staging if path.is_file()]
        assert not any(data.strip(b"\0") for data in files)  # but for spare volumes

    def held(self, blob: Blob) -> set[tuple[str, int]]:
        """All fragments of the blob that there are."""
        return {
            (store.node_id, index)
            for store in self.stores
            for index in now(store.holds([blob.incarnation])).get(blob.incarnation, ())
        }


def name_of(blob: Blob, placed: Placed) -> FragmentName:
    return FragmentName(blob.incarnation, placed.index)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is closed at the end."""
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("policy", ["copies=3", "ec=4+2"])
@pytest.mark.parametrize("size", [1000, SMALL, LARGE, 5 << 20])
def test_damaged_fragments_are_replaced_where_they_are(
    tmp_path: Path, stack: ExitStack, policy: str, size: int
) -> None:
    """In volumes and in files; the new ones are read back, also by the next process."""
    disks = Disks(tmp_path, policy, stack, Policy.parse(policy).width)
    blob = disks.ward.put(size)
    for node in set(disks.ward.cluster.rows) - {placed.node for placed in blob.layout}:
        disks.ward.cluster.fill(node)
    damaged = blob.layout[: blob.policy.parity]
    for placed in damaged:
        disks.damage(blob, placed, 5)
    mended = disks.ward.mend(blob)
    assert (mended.fragments, mended.trouble) == (len(damaged), "")
    assert mended.blob.layout == blob.layout
    disks.check_at_target(mended.blob)
    assert disks.ward.read() == content(size)
    folder, store = disks.folder_of(damaged[0]), disks.store_of(damaged[0])
    now(store.close())
    again = opened(folder)
    stack.callback(lambda: now(again.close()))
    assert now(again.verify(name_of(blob, damaged[0]))).blob_sha256 == blob.sha256


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_files_and_folders_that_were_removed_are_made_anew(
    tmp_path: Path, stack: ExitStack, size: int
) -> None:
    """As after somebody's `rm`."""
    disks = Disks(tmp_path, "ec=4+2", stack)
    blob = disks.ward.put(size)
    for placed in blob.layout[:2]:
        assert now(disks.store_of(placed).remove(name_of(blob, placed)))
    mended = disks.ward.mend(blob)
    assert (mended.fragments, mended.trouble) == (2, "")
    disks.check_at_target(mended.blob)


def test_a_life_of_conversions_and_moves(tmp_path: Path, stack: ExitStack) -> None:
    """Nothing stays of what was before."""
    disks = Disks(tmp_path, "copies=2", stack)
    for size in (SMALL, LARGE):
        blob = disks.ward.put(size, f"k{size}")
        for policy in ("ec=4+2", "ec=2+1", "copies=3", "ec=4+2", "copies=1"):
            mended = now(disks.ward.mender.convert(blob, Policy.parse(policy)))
            assert mended.trouble == ""
            blob = mended.blob
            if blob.policy.width < NODES:
                mended = disks.ward.mend(blob, avoid=frozenset({blob.layout[0].node}))
                assert (mended.fragments, mended.trouble) == (1, "")
                blob = mended.blob
            disks.check_at_target(blob)
        assert disks.ward.read(f"k{size}") == content(size)
