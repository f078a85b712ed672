"""Every byte of a node's volumes, verified: docs/disk-format.rst, "A volume"."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import apsw
from attrs import define, field, frozen

from godos.model.errors import CannotStart, FragmentDamaged
from godos.model.names import FragmentName
from godos.storage.check_files import opened, opened_again
from godos.storage.check_index import KnownIndex
from godos.storage.description import decode
from godos.storage.findings import Finding, Findings, Sort
from godos.storage.layout import Layout
from godos.storage.past_cache import PastCacheFiles
from godos.storage.records import (
    FIRST_RECORD,
    FORMAT,
    SECOND_COPY,
    Kind,
    Parsed,
    VolumeHeader,
    salt_check,
)
from godos.storage.recovery import VolumeFile, closed_numbers
from godos.storage.scan import Gap, Pages, damaged_block, find_end, record_at, scan

_STEP = 1 << 20  # bytes

Progress = Callable[[int], object]  # told how many more bytes were looked at


@frozen
class _Volume:
    """A volume under check: `name` is its path in the storage directory."""

    file: VolumeFile
    name: str
    header: VolumeHeader
    closed: bool

    @property
    def salted(self) -> int:
        return salt_check(self.header.salt)


@define
class VolumesCheck:
    """
    Checks the volumes of `numbers`.

    Call `run`; then `compare_index`, when the index could be opened.
    """

    files: PastCacheFiles
    layout: Layout
    findings: Findings
    progress: Progress
    index: KnownIndex | None
    _volumes: list[_Volume] = field(factory=list, init=False)
    _gaps: dict[int, list[Gap]] = field(factory=dict, init=False)  # by number
    _damaged: dict[tuple[FragmentName, int], Finding] = field(factory=dict, init=False)
    _shut: set[int] = field(factory=set, init=False)  # numbers of those that cannot be opened

    def run(self, numbers: Sequence[int]) -> None:
        """
        Read all of them.

        Raises:
            CannotStart: one was written by a newer godos.
        """
        found = [self._header(number) for number in sorted(numbers)]
        closed = closed_numbers(found)
        for file in found:
            self.findings.volumes += 1
            if file.number in self._shut:
                continue
            name = f"volumes/{file.number:016x}"
            header = file.header or self._noted_header(file.number)
            if header is None:
                self._read_only(file, name)
                continue
            volume = _Volume(file, name, header, file.number in closed)
            self._volumes.append(volume)
            with opened(self.files, self.findings, file.path, name) as fd:
                if fd is not None:
                    self._check(volume, fd)
        self._tell_damaged()

    # -- headers ------------------------------------------------------------------------
    def _header(self, number: int) -> VolumeFile:
        path, name = self.layout.volume(number), f"volumes/{number:016x}"
        header = None
        with opened(self.files, self.findings, path, name) as fd:
            if fd is None:
                self._shut.add(number)
                return VolumeFile(path, number, None)
            raw = self.files.read(fd, FIRST_RECORD, 0)
        copies = VolumeHeader.decode(raw[:SECOND_COPY]), VolumeHeader.decode(raw[SECOND_COPY:])
        for which, copy in enumerate(copies):
            if copy is None:
                what = f"copy {which + 1} of the header does not verify"
                self.findings.add(Sort.DAMAGED, name, which * SECOND_COPY, what)
            else:
                header = header or copy
        if header is not None and header.format > FORMAT:
            raise CannotStart(f"{path} was written by a newer godos (format {header.format})")
        if header is not None and header.number != number:
            what = f"its header calls it volume {header.number:016x}"
            self.findings.add(Sort.DAMAGED, name, 0, what)
        return VolumeFile(path, number, header)

    def _noted_header(self, number: int) -> VolumeHeader | None:
        """What the index knows of a volume whose own header is lost."""
        salts = self.index.salts(number) if self.index else []
        return VolumeHeader(number, salts[0], bytes(16), 0) if len(salts) == 1 else None

    def _read_only(self, file: VolumeFile, name: str) -> None:
        """Without a header nothing can be verified, but the disk can be tried."""
        with opened(self.files, self.findings, file.path, name) as fd:
            if fd is None:
                return
            size = self.files.size(fd)
            what = f"without a header none of its {size} bytes can be verified or served"
            self.findings.add(Sort.DAMAGED, name, 0, what)
            for offset in range(FIRST_RECORD, size, _STEP):
                self.progress(len(self.files.read(fd, _STEP, offset)))
            self.progress(min(size, FIRST_RECORD))
            self.findings.size += size

    # -- records ------------------------------------------------------------------------
    def _check(self, volume: _Volume, fd: int) -> None:
        size = self.files.size(fd)
        end = size if volume.closed else self._end(volume, fd, size)
        pages = Pages(self.files, fd, min(size, end))
        done = 0
        for found in scan(pages, FIRST_RECORD, volume.salted):
            if isinstance(found, Gap):
                self._gap(volume, found)
                stop = found.stop
            else:
                self._record(volume, fd, pages, found)
                stop = min(size, found.record.end)
            self.progress(stop - done)
            done = stop
        self.progress(size - done)
        self.findings.size += size

    def _end(self, volume: _Volume, fd: int, size: int) -> int:
        """Of the volume that grows: from there on nothing was ever acknowledged."""
        noted = self.index.mark(volume.file.number, volume.header.salt) if self.index else 0
        mark = max(noted, FIRST_RECORD)
        ending = find_end(Pages(self.files, fd, size), FIRST_RECORD, volume.salted, mark)
        if ending.mark > size:
            what = f"cut short: {ending.mark - size} bytes are missing"
            self.findings.add(Sort.DAMAGED, volume.name, size, what)
        elif ending.litter:
            what = "an unfinished write, which the next start cuts off"
            self.findings.add(Sort.LEFTOVER, volume.name, ending.end, what)
        return ending.end

    def _gap(self, volume: _Volume, gap: Gap) -> None:
        self._gaps.setdefault(volume.file.number, []).append(gap)
        what = f"no record verifies in {gap.stop - gap.start} bytes: what was there is lost"
        self.findings.add(Sort.DAMAGED, volume.name, gap.start, what)

    def _record(self, volume: _Volume, fd: int, pages: Pages, found: Parsed) -> None:
        record = found.record
        if record.kind != Kind.FRAGMENT or record.name is None:
            return
        self.findings.fragments += 1
        what = fault_of(pages, found)
        if any(
            each.start < record.end and record.offset < each.stop
            for each in self.files.troubles(fd)
        ):
            what = "its bytes cannot be read"
        if what is not None:
            finding = Finding(Sort.DAMAGED, volume.name, record.offset, what, record.name)
            self._damaged[record.name, record.sequence] = finding
        if self.index is not None:
            self._compare(self.index, volume, found)

    def _compare(self, index: KnownIndex, volume: _Volume, found: Parsed) -> None:
        try:
            index.compare(volume.file.number, volume.header.salt, found.record)
        except apsw.Error as error:
            self._give_index_up(error)

    def _give_index_up(self, error: apsw.Error) -> None:
        self.index = None
        self.findings.add(Sort.INDEX, "index.sqlite", 0, f"cannot be read: {error}")

    # -- what is damaged, and does it count? ----------------------------------------------
    def _tell_damaged(self) -> None:
        """Report damaged fragments; those that were removed or replaced are mere leftovers."""
        dead = self._dead() if self._damaged else set()
        for key, finding in self._damaged.items():
            if key in dead:
                what = f"{finding.what}, and it was removed or replaced already"
                finding = Finding(
                    Sort.LEFTOVER, finding.file, finding.offset, what, finding.fragment
                )
            self.findings.pass_on(finding)

    def _dead(self) -> set[tuple[FragmentName, int]]:
        """Which of the damaged records a tombstone removes, or a newer record replaces."""
        by_name: dict[FragmentName, list[int]] = {}
        for name, sequence in self._damaged:
            by_name.setdefault(name, []).append(sequence)
        dead = set()
        for found in self._all_records():
            record = found.record
            if record.name is None or record.name not in by_name:
                continue
            for sequence in by_name[record.name]:
                removed = record.kind == Kind.TOMBSTONE and record.killed == sequence
                if removed or (record.kind == Kind.FRAGMENT and record.sequence > sequence):
                    dead.add((record.name, sequence))
        return dead

    def _all_records(self) -> Iterator[Parsed]:
        for volume in self._volumes:
            with opened_again(self.files, volume.file.path) as fd:
                if fd is None:
                    continue
                pages = Pages(self.files, fd, self.files.size(fd))
                for found in scan(pages, FIRST_RECORD, volume.salted):
                    if isinstance(found, Parsed):
                        yield found

    # -- the index ----------------------------------------------------------------------
    def compare_index(self) -> None:
        """Report what the index has in these volumes, and they have not."""
        if self.index is None:
            return
        try:
            for volume in self._volumes:
                number, salt = volume.file.number, volume.header.salt
                if self.index.knows_more(number, salt):
                    with opened_again(self.files, volume.file.path) as fd:
                        if fd is not None:
                            self._compare_rows(self.index, volume, fd)
            self.index.strays()
        except apsw.Error as error:
            self._give_index_up(error)

    def _compare_rows(self, index: KnownIndex, volume: _Volume, fd: int) -> None:
        pages = Pages(self.files, fd, self.files.size(fd))
        gaps = self._gaps.get(volume.file.number, ())
        for name, offset, sequence in index.rows(volume.file.number, volume.header.salt):
            found = record_at(pages, offset, volume.salted)
            if found and (found.record.name, found.record.sequence) == (name, sequence):
                continue
            if offset >= pages.size or any(gap.start <= offset < gap.stop for gap in gaps):
                what = "its record is damaged or missing"
                self.findings.add(Sort.DAMAGED, volume.name, offset, what, name)
            else:
                index.lacks(name, volume.file.number, offset)


def fault_of(pages: Pages, found: Parsed) -> str | None:
    """What is wrong with a fragment whose record's head verifies; None: nothing."""
    record = found.record
    if record.name is None:
        return None
    try:
        decode(record.name, record.length, found.description)
    except FragmentDamaged:
        return "its description makes no sense"
    block = damaged_block(pages, found)
    return None if block is None else f"block {block} of its payload fails its check"
