"""
Compaction: win back what is dead in the volumes.  docs/disk-format.rst, "Compaction".

Copying runs in pool threads, a piece at a time; what changes the node's volumes runs as jobs
of the writer.  It may be stopped between any two steps.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from attrs import evolve, frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from godos.deferreds import Background, InThread, deferred
from godos.model.errors import NodeFailed, Unavailable
from godos.storage.active import ActiveVolume, Sizes
from godos.storage.copying import Copy, Source, VolumeDamaged
from godos.storage.counters import Counters
from godos.storage.files import IFiles
from godos.storage.group import IWriter
from godos.storage.health import Health
from godos.storage.layout import Layout
from godos.storage.ledger import Ledger
from godos.storage.log import VolumeLog
from godos.storage.records import FIRST_RECORD, Record, VolumeHeader
from godos.storage.requests import Job
from godos.storage.scan import Gap, Pages, scan
from godos.storage.volumes import Shelf, Volume

REMNANTS = 8  # volumes with little in them that are worth being made one
_MOVES = 200  # records whose new place is noted in one job

T = TypeVar("T")


def worth_compacting(volumes: Sequence[Volume], size: int) -> list[Volume]:
    """
    Which volumes to copy into one new volume of about `size` bytes; [] when it does not pay.

    Those that are more than a third dead, or many with little in them.
    """
    closed = [volume for volume in volumes if volume.closed and not volume.broken]
    rotten = [volume for volume in closed if _used(volume) - _needed(volume) > _used(volume) // 3]
    empty = [volume for volume in closed if not _used(volume)]
    chosen = sorted(rotten, key=_needed) + empty
    if not chosen:
        remnants = [volume for volume in closed if _needed(volume) < size // REMNANTS]
        chosen = sorted(remnants, key=_needed) if len(remnants) >= REMNANTS else []
    while len(chosen) > 1 and sum(map(_needed, chosen)) > size - FIRST_RECORD:
        chosen.pop()
    return chosen


def _used(volume: Volume) -> int:
    return volume.end - FIRST_RECORD


def _needed(volume: Volume) -> int:
    return volume.live + volume.kept


@frozen
class CompactorTools:
    """What a compactor works on."""

    files: IFiles
    layout: Layout
    node: bytes
    sizes: Sizes
    shelf: Shelf
    ledger: Ledger
    active: ActiveVolume
    log: VolumeLog
    writer: IWriter
    health: Health
    counters: Counters
    in_thread: InThread
    new_salt: Callable[[], bytes]


@frozen
class _Work:
    """What is being compacted into what."""

    sources: Sequence[Volume]
    header: VolumeHeader


class Compactor:
    """Compacts while it pays.  All public methods are for the reactor's thread."""

    log = Logger()

    def __init__(self, tools: CompactorTools) -> None:
        self._tools = tools
        self._background = Background()
        self._busy = False
        self._stopping = False
        self._pinned: list[Volume] = []  # replaced on the disk, and still read

    def begin(self) -> None:
        """Compact in the background, unless that is going on already."""
        if not self._busy and not self._stopping:
            self._background.run("compaction", self.run())

    @deferred
    async def run(self) -> None:
        """Compact as long as it pays."""
        self._busy = True
        try:
            while not self._stopping and (work := await self._job(self._choose)):
                await self._compact(work)
        except (Unavailable, NodeFailed) as reason:  # stopping, full or failed
            self.log.info("compaction ended: {reason}", reason=reason)
        finally:
            self._busy = False

    @deferred
    async def stop(self) -> None:
        """End between two steps; the next start finishes what must be."""
        self._stopping = True
        await self._background.idle()
        while self._pinned:
            self._tools.shelf.give_back(self._pinned.pop())

    def _job(self, work: Callable[..., T], *args: Any) -> Deferred[T]:
        return self._tools.writer.submit(Job(partial(work, *args)))

    # -- copying, in pool threads -------------------------------------------------------
    async def _compact(self, work: _Work) -> None:
        copy = await self._tools.in_thread(self._new_copy, work)
        try:
            while await self._tools.in_thread(copy.step):
                if self._stopping:
                    raise Unavailable("the node is stopping")
        except Exception as error:
            await self._tools.in_thread(copy.drop)
            if not isinstance(error, VolumeDamaged):
                raise
            await self._job(self._give_up, error)
            return
        if copy.empty:
            await self._tools.in_thread(copy.drop)
            await self._job(self._delete, work)
        else:
            await self._replace(work, copy)

    def _new_copy(self, work: _Work) -> Copy:
        tools = self._tools
        source = Source(tools.shelf, tools.ledger, work.sources)
        try:
            return Copy(tools.files, tools.layout, tools.health, source, work.header)
        except OSError as error:
            raise tools.health.wrote("beginning compaction", error) from error

    async def _replace(self, work: _Work, copy: Copy) -> None:
        """Put the copy in the place of its sources."""
        try:
            volume = await self._job(self._install, work, copy)
        except Exception:
            await self._tools.in_thread(copy.drop)
            raise
        await self._tools.in_thread(copy.let_go)
        records = self._records(volume)
        try:
            while await self._job(self._move, work, volume, records):
                if self._stopping:
                    raise Unavailable("the node is stopping")
        finally:
            records.close()
        await self._job(self._retire, work, volume)

    # -- changing, in the writer's thread -----------------------------------------------
    def _choose(self) -> _Work | None:
        """The next work that pays, with the index up to date."""
        tools = self._tools
        tools.log.flush()
        if tools.ledger.waiting:
            return None  # no room for the index
        volumes = [volume for volume in tools.shelf if not volume.retiring]
        sources = worth_compacting(volumes, tools.sizes.volume)
        if not sources:
            return None
        tools.active.check_room(sum(map(_needed, sources)) + FIRST_RECORD)
        header = VolumeHeader(
            number=sources[0].number,
            salt=tools.new_salt(),
            node=tools.node,
            first_sequence=tools.log.sequence,
            purged=tools.log.sequence - 1,
            compacted=True,
        )
        return _Work(sources, header)

    def _give_up(self, damaged: VolumeDamaged) -> None:
        """A volume that cannot be read is left as it is, for a person to look at."""
        self.log.error("{what}", what=str(damaged))
        damaged.volume.broken = True
        self._tools.ledger.touch(damaged.volume)

    def _install(self, work: _Work, copy: Copy) -> Volume:
        """Rename the copy over the first source, whose readers go on with the old file."""
        tools, first = self._tools, work.sources[0]
        tools.shelf.take(first.id)
        self._pinned.append(first)
        for source in work.sources:
            source.retiring = True
        try:
            tools.files.rename(copy.volume.path, first.path)
            tools.files.sync_directory(tools.layout.volumes)
        except OSError as error:
            raise tools.health.fail("putting a compacted volume in its place", error) from error
        volume = evolve(copy.volume, id=tools.active.new_id(), path=first.path, synced=FIRST_RECORD)
        tools.shelf.add(volume)
        return volume

    def _records(self, volume: Volume) -> Generator[Record]:
        """What was copied, read back."""
        taken = self._tools.shelf.take(volume.id)
        if taken is None:
            raise RuntimeError("a volume vanished under compaction")
        try:
            pages = Pages(self._tools.files, taken[1], volume.end)
            for found in scan(pages, FIRST_RECORD, volume.salted):
                if isinstance(found, Gap):
                    raise VolumeDamaged(volume)
                yield found.record
        finally:
            self._tools.shelf.give_back(volume)

    def _move(self, work: _Work, volume: Volume, records: Iterator[Record]) -> bool:
        """Note some more records at their new place; False after the last."""
        self._tools.log.flush()
        some = list(islice(records, _MOVES))
        sources = {source.id for source in work.sources}
        self._tools.ledger.move(volume, some, sources)
        return bool(some)

    def _retire(self, work: _Work, volume: Volume) -> None:
        """Nothing needs the sources any more."""
        volume.synced = volume.end
        self._tools.ledger.retire(volume, work.sources)
        won = sum(map(_used, work.sources)) - _used(volume)
        self._drop(work, work.sources[1:], won)

    def _delete(self, work: _Work) -> None:
        """Nothing counts in the sources any more."""
        for source in work.sources:
            source.retiring = True
        self._tools.ledger.retire(None, work.sources)
        self._drop(work, work.sources, sum(map(_used, work.sources)))

    def _drop(self, work: _Work, files: Sequence[Volume], won: int) -> None:
        tools = self._tools
        for source in work.sources:
            tools.shelf.drop(source.id)
        while self._pinned:
            tools.shelf.give_back(self._pinned.pop())
        try:
            for source in files:  # in this order: tombstones of a later one may be needed longer
                tools.files.unlink(source.path)
                tools.files.sync_directory(tools.layout.volumes)
        except OSError as error:
            raise tools.health.fail("deleting a compacted volume", error) from error
        tools.counters.compactions += 1
        tools.counters.compacted_bytes += won
