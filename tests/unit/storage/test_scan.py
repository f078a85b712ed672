"""Reading records over damage, and finding the end of a volume."""

from __future__ import annotations

from random import Random

import pytest
from attrs import define, field

from godos.model.fragments import BLOCK
from godos.model.names import FragmentName
from godos.storage import description
from godos.storage.active import padded
from godos.storage.checks import checks_of, pack_checks
from godos.storage.files import CREATE
from godos.storage.records import FIRST_RECORD, Kind, Parsed, Record, salt_check
from godos.storage.scan import Gap, Pages, damaged_block, find_end, scan
from tests.contract.fragment_store import header_of
from tests.simulation.disk import SimulatedDisk

SALTED = salt_check(b"salt" * 4)
RANDOM = Random(1)


@define
class Volume:
    """The bytes of a volume, put together by a test."""

    raw: bytearray = field(factory=lambda: bytearray(FIRST_RECORD))
    records: list[Record] = field(factory=list)

    def fragment(self, size: int = 500, synced: int = FIRST_RECORD) -> Record:
        payload = RANDOM.randbytes(size)
        name = FragmentName(RANDOM.randbytes(16).hex(), 0)
        described = description.encode(header_of(payload, name))
        record = Record(Kind.FRAGMENT, name, described=len(described), length=size)
        checks = pack_checks(checks_of(name, [payload]))
        return self._add(record, synced, described + checks, payload)

    def end(self) -> Record:
        return self._add(Record(Kind.END, None), len(self.raw))

    def _add(self, record: Record, synced: int, rest: bytes = b"", payload: bytes = b"") -> Record:
        record.sequence = len(self.records) + 1
        record.offset, record.synced = len(self.raw), synced
        self.raw += b"".join(padded(record, record.encode(SALTED, rest), [payload]))
        self.records.append(record)
        return record

    def pages(self) -> Pages:
        disk = SimulatedDisk()
        fd = disk.open("/volume", CREATE)
        disk.write(fd, [self.raw], 0)
        return Pages(disk, fd, len(self.raw))

    def scan(self) -> list[Record | Gap]:
        found = scan(self.pages(), FIRST_RECORD, SALTED)
        return [each.record if isinstance(each, Parsed) else each for each in found]

    def blur(self, start: int, stop: int) -> None:
        self.raw[start:stop] = bytes(byte ^ 0x55 for byte in self.raw[start:stop])


def three() -> Volume:
    """A volume with three fragments."""
    volume = Volume()
    for size in (500, BLOCK + 3, 0):
        volume.fragment(size)
    return volume


def test_all_records() -> None:
    """Records are found in order, and zeros behind them are no damage."""
    volume = three()
    volume.raw += bytes(600_000)
    assert volume.scan() == volume.records


@pytest.mark.parametrize("which", range(3))
def test_damaged_head(which: int) -> None:
    """Behind a damaged record the others are found."""
    volume = three()
    record = volume.records[which]
    volume.blur(record.offset + 20, record.offset + 30)
    expected: list[Record | Gap] = list(volume.records)
    expected[which] = Gap(record.offset, record.end)
    assert volume.scan() == expected


def test_wiped_records() -> None:
    """Zeros where records were are damage when records follow."""
    volume = three()
    first, last = volume.records[0], volume.records[-1]
    volume.raw[first.offset : last.offset] = bytes(last.offset - first.offset)
    assert volume.scan() == [Gap(first.offset, last.offset), last]


def test_garbage_at_the_end() -> None:
    """Something other than zeros behind the last record is told."""
    volume = three()
    size = len(volume.raw)
    volume.raw += b"\0" * 70_000 + b"x"
    assert volume.scan() == [*volume.records, Gap(size, size + 70_001)]


def test_volume_in_a_payload() -> None:
    """Records that a client stored as content are never taken for records."""
    inner = three()
    volume = Volume()
    name = FragmentName("ab" * 16, 0)
    payload = bytes(inner.raw)
    described = description.encode(header_of(payload, name))
    checks = pack_checks(checks_of(name, [payload]))
    record = Record(Kind.FRAGMENT, name, described=len(described), length=len(payload))
    volume._add(record, FIRST_RECORD, described + checks, payload)
    last = volume.fragment()
    volume.blur(record.offset, record.offset + 8)
    assert volume.scan() == [Gap(record.offset, record.end), last]


def test_damaged_payload() -> None:
    """Damage in a payload is told by its block, and does not hide what follows."""
    volume = three()
    record = volume.records[1]
    volume.blur(record.offset + record.head + BLOCK + 1, record.offset + record.head + BLOCK + 2)
    assert volume.scan() == volume.records
    blocks = [
        damaged_block(volume.pages(), found)
        for found in scan(volume.pages(), FIRST_RECORD, SALTED)
        if isinstance(found, Parsed)
    ]
    assert blocks == [None, 1, None]


def end_of(volume: Volume) -> tuple[int, int, bool, bool]:
    """End, mark, closed, litter."""
    ending = find_end(volume.pages(), FIRST_RECORD, SALTED, FIRST_RECORD)
    return ending.end, ending.mark, ending.closed, ending.litter


def test_clean_end() -> None:
    """An open volume ends behind its last record; zeros may follow."""
    volume = three()
    end = len(volume.raw)
    assert end_of(volume) == (end, FIRST_RECORD, False, False)
    volume.raw += bytes(300_000)
    assert end_of(volume) == (end, FIRST_RECORD, False, False)


def test_closed() -> None:
    """An end that is the last record closes a volume; it does not when more follows."""
    volume = three()
    end = volume.end()
    assert end_of(volume) == (end.end, end.offset, True, False)
    more = volume.fragment(synced=end.end)
    assert end_of(volume) == (more.end, end.end, False, False)


def test_torn_behind_the_mark() -> None:
    """The first record of the last group that is not whole, and all behind it, are cut."""
    volume = Volume()
    first = volume.fragment()
    mark = len(volume.raw)
    second, third, _ = (volume.fragment(synced=mark) for _ in range(3))
    volume.blur(third.offset + third.head, third.offset + third.head + 1)
    assert first.end == mark
    assert end_of(volume) == (second.end, mark, False, True)
    volume.blur(second.offset, second.offset + 1)
    assert end_of(volume) == (mark, mark, False, True)


def test_damage_before_the_mark() -> None:
    """What was synced is never cut, whatever became of it."""
    volume = Volume()
    first, second = volume.fragment(), volume.fragment()
    third = volume.fragment(synced=len(volume.raw))
    volume.blur(first.offset, first.offset + 8)
    volume.blur(second.offset + second.head, second.offset + second.head + 8)
    assert end_of(volume) == (third.end, second.end, False, False)


def test_lost_end_of_a_group() -> None:
    """A group of which only the last record reached the disk is cut as a whole."""
    volume = Volume()
    volume.fragment()
    mark = len(volume.raw)
    second, _ = volume.fragment(synced=mark), volume.fragment(synced=mark)
    volume.raw[mark : second.end] = bytes(second.end - mark)
    assert end_of(volume) == (mark, mark, False, True)
