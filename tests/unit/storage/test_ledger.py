"""Which fragments the volumes hold, while the index does not know it all yet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attrs import define

from godos.model.names import FragmentName
from godos.storage.index import Index, Place, Tombstone, key_of, name_of
from godos.storage.ledger import Ledger
from godos.storage.records import VolumeHeader
from godos.storage.volumes import Shelf, Volume
from tests.simulation.disk import SimulatedDisk

KEY = key_of(FragmentName("ab" * 16, 1))
SIZE = 240  # bytes of each record


def place(sequence: int, volume: int = 1) -> Place:
    """Where a fragment's record is."""
    return Place(volume, 8192 + SIZE * sequence, 140, 100, sequence)


def tombstone(killed: int, sequence: int) -> Tombstone:
    """Of `KEY`."""
    return Tombstone(KEY, killed, sequence, 1)


@define
class Books:
    """A ledger, and what it is kept with."""

    disk: SimulatedDisk
    index: Index
    shelf: Shelf
    ledger: Ledger

    @property
    def live(self) -> int:
        """Records that count in volume 1."""
        volume = self.shelf.get(1)
        assert volume is not None and volume.live % SIZE == 0
        return volume.live // SIZE


@pytest.fixture
def books() -> Iterator[Books]:
    """Empty, with two volumes."""
    disk = SimulatedDisk()
    index, shelf = Index(disk, "/index"), Shelf(disk)
    for number in (1, 2):
        shelf.add(Volume(number, f"/{number}", VolumeHeader(number, b"s" * 16, b"n" * 16, 1)))
    yield Books(disk, index, shelf, Ledger(index, shelf))
    index.close()
    disk.unplug()


@pytest.mark.parametrize("flushed", [True, False])
def test_put_and_removed(books: Books, flushed: bool) -> None:
    """A fragment is found from when it is put until it is removed, whatever the index knows."""
    ledger = books.ledger
    ledger.put(KEY, place(1))
    if flushed:
        ledger.flush()
    assert (ledger.find(KEY), ledger.page(b"", None, 9), books.live) == (place(1), [KEY], 1)
    ledger.kill(tombstone(1, 2))
    if flushed:
        ledger.flush()
    assert (ledger.find(KEY), ledger.page(b"", None, 9), books.live) == (None, [], 0)
    ledger.put(KEY, place(3))
    assert (ledger.find(KEY), ledger.owed, books.live) == (place(3), {}, 1)
    ledger.flush()
    assert (ledger.find(KEY), ledger.owed, books.live) == (place(3), {}, 1)


@pytest.mark.parametrize("flushed", [True, False])
def test_replaced(books: Books, flushed: bool) -> None:
    """The record that another has replaced needs a tombstone, and counts until it has one."""
    ledger = books.ledger
    ledger.put(KEY, place(1))
    if flushed:
        ledger.flush()
    ledger.put(KEY, place(2))
    ledger.flush()
    assert (ledger.find(KEY), list(ledger.owed), books.live) == (place(2), [(KEY, 1)], 2)
    assert sorted(each.sequence for each in ledger.standing(KEY)) == [1, 2]
    ledger.kill(tombstone(1, 3))
    assert (ledger.find(KEY), ledger.owed, books.live) == (place(2), {}, 1)
    ledger.kill(tombstone(2, 4))
    ledger.flush()
    assert (ledger.find(KEY), ledger.standing(KEY), books.live) == (None, [], 0)


def test_owed_is_remembered(books: Books) -> None:
    """What needs a tombstone is known after a restart, until it has one."""
    for sequence in (1, 2):
        books.ledger.put(KEY, place(sequence))
        books.ledger.flush()
    again = Ledger(books.index, books.shelf)
    again.load()
    assert again.owed == {(KEY, 1): place(1)}
    again.kill(tombstone(1, 3))
    again.flush()
    last = Ledger(books.index, books.shelf)
    last.load()
    assert last.owed == {}


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 3, 1), (3, 2, 1)])
@pytest.mark.parametrize("flushed", [True, False])
def test_replay_in_any_order(books: Books, order: tuple[int, ...], flushed: bool) -> None:
    """Read in any order, the newest record counts, and the others need tombstones."""
    for sequence in order:
        books.ledger.replay(KEY, place(sequence))
        if flushed:
            books.ledger.flush()
    books.ledger.flush()
    assert books.ledger.find(KEY) == place(3)
    assert sorted(books.ledger.owed) == [(KEY, 1), (KEY, 2)]


@pytest.mark.parametrize("tombstone_first", [True, False])
@pytest.mark.parametrize("flushed", [True, False])
def test_replay_of_tombstone(books: Books, tombstone_first: bool, flushed: bool) -> None:
    """A tombstone removes its record, and no other, whichever is read first."""
    steps = [lambda: books.ledger.replay(KEY, place(1)), lambda: books.ledger.kill(tombstone(1, 5))]
    for step in reversed(steps) if tombstone_first else steps:
        step()
        if flushed:
            books.ledger.flush()
    assert (books.ledger.find(KEY), books.live) == (None, 0)
    books.ledger.replay(KEY, place(3))
    books.ledger.flush()
    assert (books.ledger.find(KEY), books.ledger.owed, books.live) == (place(3), {}, 1)


def test_replay_of_a_copy(books: Books) -> None:
    """A record that stands in two volumes, as after an interrupted compaction, counts once."""
    books.ledger.replay(KEY, place(1))
    books.ledger.replay(KEY, place(1, volume=2))
    books.ledger.flush()
    assert (books.ledger.find(KEY), books.ledger.owed) == (place(1), {})
    assert [volume.live for volume in books.shelf] == [SIZE, 0]


def test_pages(books: Books) -> None:
    """Names are listed in order, from the index and from memory, without those removed."""
    keys = [key_of(FragmentName(f"{n:032x}", n % 3)) for n in range(20)]
    for sequence, key in enumerate(keys[::2], 1):
        books.ledger.put(key, place(sequence))
    books.ledger.flush()
    for sequence, key in enumerate(keys[1::2], 100):
        books.ledger.put(key, place(sequence))
    for key in keys[:6]:
        standing = books.ledger.standing(key)
        books.ledger.kill(Tombstone(key, standing[0].sequence, 200, 1))
    assert books.ledger.page(b"", None, 100) == keys[6:]
    assert books.ledger.page(b"", None, 5) == keys[6:11]
    assert books.ledger.page(keys[3], keys[9], 100) == keys[6:9]
    assert [name_of(key) for key in keys] == sorted(name_of(key) for key in keys)
