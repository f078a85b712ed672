"""What a node finds when it starts: torn writes, damage, and an index that is behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import apsw
import pytest

from godos.model.errors import CannotStart, FragmentDamaged
from godos.model.names import FragmentName
from godos.storage.files import CREATE, READ, WRITE
from godos.storage.records import FIRST_RECORD, SECOND_COPY, Record, VolumeHeader, salt_check
from godos.storage.scan import Pages, Parsed, scan
from tests.contract.fragment_store import header_of
from tests.simulation.disk import Picture, SimulatedDisk
from tests.simulation.node import VOLUME, Node, now

RANDOM = Random(5)
FIRST_VOLUME = "/node/volumes/0000000000000001"


@pytest.fixture
def node() -> Iterator[Node]:
    """A node that was just made."""
    node = Node(SimulatedDisk()).start()
    yield node
    node.disk.unplug()


def small(size: int = 500) -> tuple[FragmentName, bytes]:
    """A new fragment."""
    return FragmentName(RANDOM.randbytes(16).hex(), 0), RANDOM.randbytes(size)


def write(disk: SimulatedDisk, path: str, data: bytes, offset: int) -> None:
    """Overwrite some bytes of a file, durably."""
    fd = disk.open(path, WRITE)
    disk.write(fd, [data], offset)
    disk.sync(fd)
    disk.close(fd)


def content(disk: SimulatedDisk, path: str) -> bytes:
    """All bytes of a file."""
    fd = disk.open(path, READ)
    try:
        return disk.read(fd, disk.size(fd), 0)
    finally:
        disk.close(fd)


def records(disk: SimulatedDisk, path: str) -> list[Record]:
    """All that stand in a volume."""
    raw = content(disk, path)
    header = VolumeHeader.decode(raw)
    assert header is not None
    fd = disk.open(path, READ)
    try:
        found = scan(Pages(disk, fd, len(raw)), FIRST_RECORD, salt_check(header.salt))
        return [each.record for each in found if isinstance(each, Parsed)]
    finally:
        disk.close(fd)


def restart(node: Node, lose_index: bool = False) -> None:
    """Stop and start, with or without the index."""
    node.stop()
    if lose_index:
        node.disk.delete_database("")
    node.start()


# -- power cuts -------------------------------------------------------------------------
def cut_in_last_group(node: Node, *groups: list[tuple[FragmentName, bytes]]) -> Picture:
    """The disk just before the last of these groups is synced."""
    pictures: list[Picture] = []
    for group in groups:
        pictures.clear()
        node.disk.before = lambda operation, path: pictures.append(node.disk.picture())
        node.put(*group)
    return pictures[-1]


def test_torn_group_does_not_come_back(node: Node) -> None:
    """
    What a power cut left of a group that was never acknowledged stays away for ever, also
    when new fragments fill exactly the room before it.
    """
    kept, lost, ghost, later = small(), small(), small(), small()
    node.put(kept)
    torn = cut_in_last_group(node, [lost, ghost])
    disk = SimulatedDisk(torn)
    place = next(each for each in records(disk, FIRST_VOLUME) if each.name == lost[0])
    write(disk, FIRST_VOLUME, bytes(place.size), place.offset)  # that part was not written

    again = Node(disk).start()
    assert again.store.counters.cuts == 1
    assert [again.find(name) for name, _ in (kept, lost, ghost)] == [kept[1], None, None]
    again.put(later)
    assert [each.name for each in records(disk, FIRST_VOLUME)] == [kept[0], later[0]]
    restart(again, lose_index=True)
    assert [again.find(name) for name, _ in (kept, later, ghost)] == [kept[1], later[1], None]


def test_index_behind(node: Node) -> None:
    """Fragments that the index does not know yet are found in the log."""
    first, second = small(), small()
    node.put(first)
    node.writer.log.flush()
    node.put(second)
    node.remove(first[0])
    again = Node(SimulatedDisk(node.disk.picture())).start()  # the process was killed
    assert (again.find(first[0]), again.find(second[0])) == (None, second[1])


@pytest.mark.parametrize("rubbish", [b"", b"no database at all" * 500])
def test_index_damaged(rubbish: bytes, tmp_path: Path) -> None:
    """An index that is no database any more is made anew."""
    path = tmp_path / "index.sqlite"

    class RealDatabase(SimulatedDisk):
        def database(self, _: str) -> apsw.Connection:
            return apsw.Connection(str(path))

        def delete_database(self, _: str) -> None:
            for each in path.parent.iterdir():
                each.unlink()

    disk = RealDatabase()
    kept = small()
    node = Node(disk).start()
    node.put(kept)
    node.stop()
    path.write_bytes(rubbish)
    node.start()
    assert node.find(kept[0]) == kept[1]
    node.stop()


# -- damage -----------------------------------------------------------------------------
def test_damaged_payload(node: Node) -> None:
    """A fragment with a flipped bit is an error to its readers, and harms no other."""
    fragments = [small() for _ in range(3)]
    node.put(*fragments)
    place = records(node.disk, FIRST_VOLUME)[1]
    write(node.disk, FIRST_VOLUME, b"!", place.offset + place.head + 77)
    for lose_index in (False, True):
        with pytest.raises(FragmentDamaged):
            now(node.store.open(fragments[1][0], 0, None))
        with pytest.raises(FragmentDamaged):
            now(node.store.verify(fragments[1][0]))
        assert node.store.counters.damaged == 2
        assert node.find(fragments[0][0]) == fragments[0][1]
        assert node.find(fragments[2][0]) == fragments[2][1]
        assert {held.name for held in now(node.store.inventory())} == {
            name for name, _ in fragments
        }
        restart(node, lose_index)


def test_damaged_fragment_is_replaced(node: Node) -> None:
    """A damaged fragment becomes good when it is put again, as repair does."""
    name, payload = small()
    node.put((name, payload))
    place = records(node.disk, FIRST_VOLUME)[0]
    write(node.disk, FIRST_VOLUME, b"!", place.offset + place.head + 77)
    node.put((name, payload))
    assert node.find(name) == payload
    restart(node, lose_index=True)
    assert node.find(name) == payload
    node.remove(name)
    restart(node, lose_index=True)
    assert node.find(name) is None


def test_damaged_record(node: Node) -> None:
    """Where a record's head is damaged, that one is lost and reported, and no other."""
    fragments = [small() for _ in range(4)]
    for fragment in fragments:
        node.put(fragment)
    place = records(node.disk, FIRST_VOLUME)[1]
    write(node.disk, FIRST_VOLUME, b"!!!", place.offset + 30)
    with pytest.raises(FragmentDamaged):
        now(node.store.open(fragments[1][0], 0, None))
    restart(node, lose_index=True)
    assert node.store.counters.damaged == 1
    assert node.find(fragments[1][0]) is None
    for name, payload in (fragments[0], *fragments[2:]):
        assert node.find(name) == payload
    assert len(content(node.disk, FIRST_VOLUME)) > records(node.disk, FIRST_VOLUME)[-1].offset


def test_damaged_record_of_the_last_group(node: Node) -> None:
    """What the node marked as synced when it fell idle is damage, and not an unfinished write."""
    first, last = small(), small()
    node.put(first)
    node.put(last)
    node.writer.log.idle()
    place = records(node.disk, FIRST_VOLUME)[1]
    write(node.disk, FIRST_VOLUME, b"!!!", place.offset + 30)
    size = len(content(node.disk, FIRST_VOLUME))
    again = Node(SimulatedDisk(node.disk.picture()))
    again.disk.delete_database("")
    again.start()
    assert (again.store.counters.damaged, again.store.counters.cuts) == (1, 0)
    assert len(content(again.disk, FIRST_VOLUME)) == size


def test_damaged_header(node: Node) -> None:
    """A volume is read although one copy of its header is damaged."""
    name, payload = small()
    node.put((name, payload))
    node.stop()
    write(node.disk, FIRST_VOLUME, b"!!!", 20)
    node.disk.delete_database("")
    node.start()
    assert node.find(name) == payload
    assert node.store.counters.damaged == 0


def test_both_headers_damaged(node: Node) -> None:
    """
    Without both copies a volume is read as long as the index knows its salt; else it is
    reported, left alone, and its number is not used again.
    """
    name, payload = small()
    node.put((name, payload))
    node.stop()
    write(node.disk, FIRST_VOLUME, b"!!!", 20)
    write(node.disk, FIRST_VOLUME, b"!!!", SECOND_COPY + 20)
    before = content(node.disk, FIRST_VOLUME)
    node.start()
    assert (node.find(name), node.store.counters.damaged) == (payload, 1)
    node.stop()
    node.disk.delete_database("")
    node.start()
    assert (node.find(name), node.store.counters.damaged) == (None, 1)
    other = small()
    node.put(other)
    assert node.find(other[0]) == other[1]
    assert sorted(node.disk.names("/node/volumes")) == ["0000000000000001", "0000000000000002"]
    assert content(node.disk, FIRST_VOLUME)[:SECOND_COPY] == before[:SECOND_COPY]


def test_missing_volume(node: Node) -> None:
    """When a volume's file is gone its fragments are not there, and the node serves the rest."""
    node.put(*(small(3000) for _ in range(30)))
    node.put(kept := small())
    node.stop()
    node.disk.unlink(FIRST_VOLUME)
    node.start()
    names = {held.name for held in now(node.store.inventory())}
    assert kept[0] in names and 0 < len(names) < 31
    for name in names:
        assert node.find(name) == node.kept[name]


def test_newer_volume(node: Node) -> None:
    """A volume of a newer format makes the node refuse to start, and nothing changes."""
    node.put(small())
    node.stop()
    raw = content(node.disk, FIRST_VOLUME)
    header = VolumeHeader.decode(raw)
    assert header is not None
    newer = VolumeHeader(header.number, header.salt, header.node, 1, format=2)
    write(node.disk, FIRST_VOLUME, newer.encode(), 0)
    picture = node.disk.picture()
    with pytest.raises(CannotStart, match="newer godos"):
        node.start()
    assert node.disk.picture().files == picture.files
    assert node.disk.picture().pending == picture.pending


def test_strange_files_are_left_alone(node: Node) -> None:
    """Files with other names are neither touched nor served."""
    node.put(fragment := small())
    node.upload(large := small()[0], RANDOM.randbytes(1_100_000))
    shelf = f"/node/objects/{large.incarnation[:2]}"
    strange = ["/node/volumes/readme", f"{shelf}/{'0' * 32}.0.bak", f"{shelf}/{'f' * 33}.1"]
    for path in strange:
        fd = node.disk.open(path, CREATE)
        node.disk.sync(fd)
        node.disk.close(fd)
    restart(node, lose_index=True)
    assert {held.name for held in now(node.store.inventory())} == {fragment[0], large}
    for path in strange:
        assert content(node.disk, path) == b""


def test_volumes_follow_each_other(node: Node) -> None:
    """Volumes keep to their size, and a full one is closed and loses its zeros."""
    fragments = [small(2000) for _ in range(60)]
    for fragment in fragments:
        node.put(fragment)
    node.stop()
    paths = sorted(node.disk.names("/node/volumes"))
    assert len(paths) > 3
    for path in paths[:-1]:
        raw = content(node.disk, f"/node/volumes/{path}")
        assert len(raw) <= VOLUME
        assert records(node.disk, f"/node/volumes/{path}")[-1].end == len(raw)
    node.start()
    for name, payload in fragments:
        assert node.find(name) == payload


def test_sequences_go_on(node: Node) -> None:
    """Sequence numbers never repeat, also when the index was lost."""
    for _ in range(3):
        node.put(small(), small())
        restart(node, lose_index=True)
    numbers = [each.sequence for each in records(node.disk, FIRST_VOLUME)]
    assert numbers == sorted(set(numbers))


def test_header_of_record_says_who(node: Node) -> None:
    """A record says all of its fragment, so that no other file is needed to use it."""
    name, payload = small()
    header = header_of(payload, name, origin=b'{"key": "x"}')
    now(node.store.put(header, [payload]))
    assert now(node.store.verify(name)) == header
