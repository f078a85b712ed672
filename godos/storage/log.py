"""
The volume log: durable small fragments, many to a flush.  docs/disk-format.rst, "A volume".

One thread at a time may use it; `group.py` has it.  Everything here blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import apsw
from attrs import define, field
from twisted.logger import Logger

from godos.model.errors import GodosError, NodeFailed, NodeFull
from godos.model.fragments import Pieces
from godos.storage.active import ActiveVolume, Piece, padded
from godos.storage.checks import checks_of, pack_checks
from godos.storage.counters import Counters
from godos.storage.description import encode as describe
from godos.storage.health import Health
from godos.storage.index import Place, Tombstone, key_of, name_of
from godos.storage.ledger import FLUSH_AT, Ledger
from godos.storage.records import FIXED, TOMBSTONE, Kind, Record, aligned
from godos.storage.requests import Job, Put, Remove, Request
from godos.storage.volumes import Volume

_UNFLUSHED = 64 * FLUSH_AT  # changes that may wait while the index finds no room on the disk


@define
class _Group:
    """Records to be written at once, from `start` to `offset`, and what they mean."""

    start: int
    offset: int
    pieces: list[Piece] = field(factory=list)
    sequences: list[int] = field(factory=list)
    puts: list[tuple[bytes, Place]] = field(factory=list)
    tombstones: list[Tombstone] = field(factory=list)
    names: set[bytes] = field(factory=set)
    requests: list[Request] = field(factory=list)


class VolumeLog:
    """
    Writes what is asked, in groups, and notes in the ledger where it is.

    `sequence` is that of the next record.
    """

    log = Logger()

    def __init__(
        self,
        active: ActiveVolume,
        ledger: Ledger,
        health: Health,
        counters: Counters,
        sequence: int = 1,
    ) -> None:
        self._active = active
        self._ledger = ledger
        self._health = health
        self._counters = counters
        self.sequence = sequence
        self._unmarked = False  # no record carries the newest synced mark
        self._refusal: NodeFull | None = None
        self._rotting = True  # records died, or a volume was closed, since the last flush
        self.on_rot: Callable[[], None] = lambda: None  # called when the index knows of such
        self._group = self._new_group()

    # -- what the writer's thread calls -------------------------------------------------
    def commit(self, requests: Sequence[Request]) -> None:
        """Do all that is asked, durably; afterwards each request is settled."""
        self._group = self._new_group()
        try:
            self._health.check()
            self._begin(requests)
            for request in requests:
                self._place(request)
            self._write()
        except GodosError as error:
            for request in requests:
                request.fail(error)

    def settle(self) -> None:
        """Between two groups: hand changes to the index when enough of them wait."""
        if self._ledger.waiting >= FLUSH_AT:
            self.flush()

    def idle(self) -> None:
        """Nobody wants anything: hand all changes to the index, and leave a mark."""
        if self._health.reason is not None:
            return
        self.flush()
        if self._ledger.owed:
            self.commit([])
            self.flush()
        self._mark()

    def flush(self) -> None:
        """Bring the index up to date.  It may stay behind, the log is the truth."""
        if self._health.reason is not None:
            return  # it must not say that it knows what could not be noted
        try:
            self._ledger.flush()
        except apsw.FullError:
            self.log.warn("the disk is full: the index waits in memory")
        except apsw.Error as error:
            self._health.fail("writing the index", error)
        else:
            if self._rotting:
                self._rotting = False
                self.on_rot()

    def close(self) -> None:
        """Leave a mark and an index that are up to date."""
        self.idle()
        if self._active.volume is not None and self._health.reason is None:
            self._active.sync()
            self._ledger.touch(self._active.volume)
            self.flush()

    # -- placing ------------------------------------------------------------------------
    def _begin(self, requests: Sequence[Request]) -> None:
        """Before a group: use a zeroed volume as soon as there is one, and pay what is owed."""
        self._refusal = self._refuse(requests)
        with suppress(NodeFull):  # neither is urgent
            if self._active.look_ahead():
                self._roll()
            for key, killed in list(self._ledger.owed):
                self._tombstone(key, killed)

    def _refuse(self, requests: Sequence[Request]) -> NodeFull | None:
        """Why no fragment can be taken now."""
        if self._ledger.waiting > _UNFLUSHED:
            return NodeFull("the index finds no room on the disk")
        size = sum(request.header.length for request in requests if isinstance(request, Put))
        try:
            self._active.check_room(size)
        except NodeFull as full:
            return full
        return None

    def _place(self, request: Request) -> None:
        """Add to the group what a request asks for."""
        try:
            if isinstance(request, Put):
                self._put(request)
            elif isinstance(request, Remove):
                self._remove(request)
            elif isinstance(request, Job):
                self._write()
                request.succeed(request.work())
        except NodeFailed:
            raise
        except Exception as error:  # the asker gets it
            request.fail(error)
        finally:
            if self._group.start != self._end:
                self._group = self._new_group()  # a job wrote

    def _put(self, request: Put) -> None:
        if self._refusal is not None:
            raise self._refusal
        header = request.header
        description = describe(header)
        checks = pack_checks(checks_of(header.name, request.payload))
        self._make_room(aligned(FIXED + len(description) + len(checks) + header.length))
        record = self._append(
            Record(
                Kind.FRAGMENT,
                header.name,
                described=len(description),
                length=header.length,
            ),
            description + checks,
            request.payload,
        )
        key = key_of(header.name)
        place = Place(self._volume.id, record.offset, record.head, record.length, record.sequence)
        self._group.puts.append((key, place))
        self._group.names.add(key)
        self._group.requests.append(request)

    def _remove(self, request: Remove) -> None:
        key = key_of(request.name)
        if key in self._group.names:
            self._write()
        standing = self._ledger.standing(key)
        for place in standing:
            self._tombstone(key, place.sequence)
        if standing:
            self._group.requests.append(request)
        else:
            request.succeed(False)

    def _tombstone(self, key: bytes, killed: int) -> None:
        self._make_room(TOMBSTONE, tombstone=True)
        record = self._append(Record(Kind.TOMBSTONE, name_of(key), killed=killed))
        self._group.tombstones.append(Tombstone(key, killed, record.sequence, self._volume.id))
        self._group.names.add(key)

    def _append(self, record: Record, rest: bytes = b"", payload: Pieces = ()) -> Record:
        """Give a record its place behind the others."""
        volume = self._volume
        record.sequence, record.offset, record.synced = (
            self.sequence,
            self._group.offset,
            volume.synced,
        )
        self.sequence += 1
        self._group.pieces.extend(padded(record, record.encode(volume.salted, rest), payload))
        self._group.offset += record.size
        self._group.sequences.append(record.sequence)
        return record

    # -- writing ------------------------------------------------------------------------
    @property
    def _volume(self) -> Volume:
        if self._active.volume is None:
            raise RuntimeError("no volume was begun")
        return self._active.volume

    @property
    def _end(self) -> int:
        return 0 if self._active.volume is None else self._active.volume.end

    def _new_group(self) -> _Group:
        return _Group(self._end, self._end)

    def _make_room(self, size: int, tombstone: bool = False) -> None:
        """Begin another volume when a record of `size` bytes does not fit into this one."""
        if not self._active.fits(self._group.offset, size, tombstone):
            self._write()
            self._roll()

    def _roll(self) -> None:
        """Begin the next volume.  Nothing is in the group."""
        old = self._active.volume
        try:
            self._active.roll(self.sequence)
        finally:
            self.sequence += 1
            self._group = self._new_group()
        self._rotting = True
        for volume in (old, self._active.volume):
            if volume is not None:
                self._ledger.touch(volume)

    def _write(self) -> None:
        """Write the group, and settle its requests.  Raises NodeFailed only."""
        group = self._group
        if not group.pieces:
            return
        try:
            self._active.write(group.pieces, group.offset - group.start)
        except NodeFull as full:
            self._group = self._new_group()
            self._give_up(group, full)
        except GodosError as error:
            for request in group.requests:
                request.fail(error)
            raise
        else:
            try:
                self._note(group)
            except Exception as error:  # the log has it all, for the next start to read
                raise self._health.fail("noting what was written", error) from error
            self._group = self._new_group()

    def _give_up(self, group: _Group, full: NodeFull) -> None:
        """A group found no room: what it frees may still fit without what it adds."""
        for request in group.requests:
            if isinstance(request, Put) or not group.puts:
                request.fail(full)
        for request in group.requests:
            if isinstance(request, Remove) and not request.settled:
                try:
                    self._remove(request)
                except NodeFull as still_full:
                    request.fail(still_full)
        self._write()

    def _note(self, group: _Group) -> None:
        """A group is durable."""
        volume = self._volume
        volume.saw(group.sequences[0])
        volume.saw(group.sequences[-1])
        for tombstone in group.tombstones:
            self._ledger.kill(tombstone)
            self._rotting = True
        for key, place in group.puts:
            self._ledger.put(key, place)
            self._counters.put_bytes += place.length
        self._ledger.touch(volume)
        self._counters.groups += 1
        self._counters.puts += len(group.puts)
        self._counters.removals += sum(isinstance(each, Remove) for each in group.requests)
        for request in group.requests:
            request.succeed(isinstance(request, Remove) or None)
        self._unmarked = True

    def _mark(self) -> None:
        """Note the synced mark in a record, which need not be durable itself."""
        volume = self._active.volume
        if not self._unmarked or volume is None or not self._active.fits(volume.end, 0, True):
            return
        record = Record(Kind.MARK, None, self.sequence, volume.end, volume.synced)
        self.sequence += 1
        with suppress(GodosError):  # the next write meets the same disk, and somebody waits
            self._active.write([record.encode(volume.salted)], FIXED, sync=False)
            volume.saw(record.sequence)
            self._unmarked = False
