"""Bytes of a blob that is stored as whole copies."""

from __future__ import annotations

from twisted.python.failure import Failure

from godos.model.blobs import Blob, Placed
from godos.model.errors import FragmentDamaged, GodosError
from godos.model.fragments import BLOCK, CHUNK
from godos.objects.givers import Givers
from godos.objects.lanes import Lane
from godos.objects.race import Race
from godos.objects.reach import Reach
from godos.objects.search import Search


class CopiesRead:
    """
    Bytes [start, stop).

    When a node fails, the next one goes on at the byte that the last one ended with.  It
    holds what one reader holds, and while a node is slow what a second one does.
    """

    def __init__(self, reach: Reach, blob: Blob, start: int, stop: int) -> None:
        self.position = start
        self._reach = reach
        self._stop = stop
        self._search = Search(reach, blob)
        self._race = Race(reach)
        self._lane: Lane | None = None  # what is read
        # Nodes check a MiB at a time.  When damage leaves nobody, they are asked for single
        # blocks up to this byte: each of them may be whole somewhere.
        self._narrow = 0
        self._givers = Givers()

    async def read(self) -> bytes:
        """See `BlobRead.read`; `position` is before `stop`.  Fails: Converted, too."""
        race, lane = self._race, self._lane
        if lane is not None:
            self._lane = None
            race.enter(lane, lane.read())
        try:
            while True:
                ended = race.ended()
                if ended is None:
                    if self._staffed():
                        await race.wait(self._spare)
                    elif self._search.forgive_damage(self._block_end()):
                        self._narrow = self.position + CHUNK
                    else:
                        await self._search.further(self.position)
                    continue
                lane, result = ended
                if isinstance(result, bytes) and result:
                    self._won(lane, len(result))
                    return result
                if result == b"" and lane.stop == self.position:
                    race.drop(lane)  # it was asked for no more
                else:
                    self._lost(lane, result)
        finally:
            race.leave()

    def _won(self, lane: Lane, size: int) -> None:
        if not lane.began:
            lane.began = True
            self._search.gave(lane)
        lane.late = False
        self._lane = lane
        self._givers.gave(self.position, lane.placed)
        self.position += size

    def _lost(self, lane: Lane, result: object) -> None:
        if isinstance(result, Failure):
            error = result.value
            assert isinstance(error, Exception)
        else:
            error = FragmentDamaged("the fragment ended early")
        self._race.drop(lane)
        self._search.failed(lane, error, self.position)

    def _staffed(self) -> bool:
        """Ask one more, unless one is asked that is not late; tells whether any is."""
        race = self._race
        if race.over or all(lane.late for lane in race.lanes):
            placed = self._free()
            if placed is not None:
                if race.over:
                    self._reach.hedging.asked()
                self._ask(placed)
        return not race.over

    def _ask(self, placed: Placed) -> None:
        stop = self._block_end() if self.position < self._narrow else self._stop
        lane = Lane(self._reach, self._search.blob, placed, self.position, stop)
        self._race.enter(lane, lane.read())

    def _block_end(self) -> int:
        return min(self._stop, (self.position // BLOCK + 1) * BLOCK)

    def _free(self) -> Placed | None:
        """The best place that is not being asked."""
        if self._race.over:
            first = self._search.first()
            if first is not None:
                return first
        asked = [lane.placed for lane in self._race.lanes]
        for _, placed in self._search.places():
            if placed not in asked:
                return placed
        return None

    def _spare(self, _: Lane) -> int:
        return 0 if self._free() is None else 1

    async def refuse(self, position: int, error: GodosError) -> None:
        """See `BlobRead.refuse`."""
        await self._leave_lane()
        self.position = position
        used = self._givers.since(position)
        if used:
            self._search.refuse(used, error)

    async def close(self) -> None:
        """Let go of everything, for good; a read that waits is cancelled.  Never fails."""
        self._race.close()
        await self._leave_lane()

    async def _leave_lane(self) -> None:
        lane, self._lane = self._lane, None
        if lane is not None:
            closing = lane.close()
            if closing is not None:
                await closing
