"""Reading the records of a volume in order, over damage: docs/disk-format.rst, "Start"."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, frozen

from godos.storage.checks import first_bad_block
from godos.storage.files import IFiles
from godos.storage.records import (
    ALIGN,
    FIXED,
    RECORD_MAGIC,
    Kind,
    Parsed,
    head_size,
    parse_head,
)

_WINDOW = 256 << 10  # bytes read at a time
_ZEROS = bytes(_WINDOW)


@frozen
class Gap:
    """Bytes [start, stop) in which no record verifies, and which are not just zeros."""

    start: int
    stop: int


class Pages:
    """A file's bytes, read in larger pieces than they are asked for."""

    def __init__(self, files: IFiles, fd: int, size: int) -> None:
        self._files = files
        self._fd = fd
        self.size = size
        self._start = 0
        self._held = b""

    def get(self, offset: int, size: int) -> bytes:
        """`size` bytes, fewer at the end of the file."""
        first = offset - self._start
        if first < 0 or first + size > len(self._held):
            length = max(0, min(max(size, _WINDOW), self.size - offset))
            self._held = self._files.read(self._fd, length, offset)
            self._start, first = offset, 0
        return self._held[first : first + size]


def record_at(pages: Pages, offset: int, salted: int) -> Parsed | None:
    """The record that begins there; None when its head does not verify."""
    size = head_size(pages.get(offset, FIXED))
    if size is None:
        return None
    head = pages.get(offset, size)
    return parse_head(head, offset, salted) if len(head) == size else None


def scan(pages: Pages, start: int, salted: int) -> Iterator[Parsed | Gap]:
    """All records from `start` on, and the gaps between them."""
    offset = start
    while offset < pages.size:
        found = record_at(pages, offset, salted)
        if found is not None:
            yield found
            offset = found.record.end
            continue
        resumed = _next_record(pages, offset + ALIGN, salted)
        if not _only_zeros(pages, offset, resumed):
            yield Gap(offset, resumed)
        elif resumed < pages.size:
            yield Gap(offset, resumed)  # zeros, and yet a record behind them
        offset = resumed


def _next_record(pages: Pages, offset: int, salted: int) -> int:
    """Offset of the next record that verifies; the end of the file when there is none."""
    while offset < pages.size:
        window = pages.get(offset, min(_WINDOW, pages.size - offset))
        at = window.find(RECORD_MAGIC)
        while at >= 0:
            place = offset + at
            if place % ALIGN == 0 and record_at(pages, place, salted) is not None:
                return place
            at = window.find(RECORD_MAGIC, at + 1)
        if len(window) < ALIGN:
            break
        offset += len(window) - len(RECORD_MAGIC) + 1  # it may lie across the border
    return pages.size


def _only_zeros(pages: Pages, start: int, stop: int) -> bool:
    while start < stop:
        piece = pages.get(start, min(_WINDOW, stop - start))
        if not piece:
            break
        if piece != _ZEROS[: len(piece)]:
            return False
        start += len(piece)
    return True


def damaged_block(pages: Pages, found: Parsed) -> int | None:
    """The first block of a record's payload that fails its check; None: all are good."""
    record = found.record
    if record.name is None or not record.length:
        return None
    payload = pages.get(record.offset + record.head, record.length)
    if len(payload) < record.length:
        return 0
    return first_bad_block(record.name, 0, payload, found.block_checks)


@define
class Ending:
    """
    Where an open volume ends: bytes from `end` on were never acknowledged.

    `mark` is the synced mark; `closed`: the last record says so; `litter`: something
    other than zeros follows the end.
    """

    end: int
    mark: int
    closed: bool = False
    litter: bool = False


def find_end(pages: Pages, start: int, salted: int, mark: int) -> Ending:
    """
    Find the end of a volume whose records up to `start` are known and good.

    `mark` is the synced mark as far as it is known.
    """
    ending = Ending(end=max(start, mark), mark=mark)
    unsure: list[Parsed | Gap] = []  # at or behind the mark
    for found in scan(pages, start, salted):
        if isinstance(found, Parsed):
            ending.mark = max(ending.mark, found.record.synced)
        unsure.append(found)
        if len(unsure) > 1 and _place(unsure[0]) < ending.mark:
            unsure = [each for each in unsure if _place(each) >= ending.mark]
    unsure = [each for each in unsure if _place(each) >= ending.mark]
    ending.end = max(start, ending.mark)
    for each in unsure:
        if isinstance(each, Gap) or damaged_block(pages, each) is not None:
            ending.litter = True
            break
        ending.end, ending.closed = each.record.end, each.record.kind == Kind.END
    if not ending.litter:
        ending.litter = not _only_zeros(pages, ending.end, pages.size)
    return ending


def _place(found: Parsed | Gap) -> int:
    return found.start if isinstance(found, Gap) else found.record.offset
