"""Bytes of a blob that is stored as the shards of a code."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence, Set

from twisted.python.failure import Failure

from godos.model.blobs import Blob, Placed
from godos.model.errors import FragmentDamaged, GodosError
from godos.model.fragments import STRIPE
from godos.objects.givers import Givers
from godos.objects.lanes import Lane
from godos.objects.race import Race
from godos.objects.reach import Reach
from godos.objects.search import GOOD, Search
from godos.protocol.coding import Coding, Cut
from godos.transfer.erasure import code_of

WINDOW = 4  # stripes that are asked for at a time; about what a read holds, whatever the code

Shard = bytes | memoryview


def chosen(
    places: Sequence[tuple[int, Placed]], counted: Set[int], wanted: Set[int], data: int
) -> list[Placed]:
    """
    Whom to ask so that the shards `wanted`, or any `data` ones, come.

    Args:
        places: those who may be asked, the best first, each with how gladly.
        counted: shards that are here, or are expected.
    """
    if wanted <= counted or len(counted) >= data:
        return []
    best: dict[int, tuple[int, Placed]] = {}
    for rank, placed in places:
        if placed.shard not in counted:
            best.setdefault(placed.shard, (rank, placed))
    missing = wanted - counted
    if all(shard in best and best[shard][0] == GOOD for shard in missing):
        asked = [best[shard][1] for shard in sorted(missing)]
    else:
        asked = [placed for _, placed in best.values()]
    return asked[: data - len(counted)]


class CodedRead:
    """
    Bytes [start, stop), decoded stripe by stripe.

    Any K fragments do.  One that fails, or is slow, is replaced from the stripe on where
    that is noticed.  A range within one column needs no more than its own fragment.
    """

    def __init__(self, reach: Reach, blob: Blob, start: int, stop: int) -> None:
        policy = blob.policy
        self.position = start
        self._reach = reach
        self._stop = stop
        self._data = policy.data
        self._coding = Coding(blob.size, policy.data)
        self._code = code_of(policy.data, policy.parity)
        self._search = Search(reach, blob)
        self._race = Race(reach)
        self._lanes: list[Lane] = []  # of the window; all at the beginning of its next cut
        self._cuts: deque[Cut] = deque()  # what is left of the window
        self._end = start  # of the window, a byte of the blob
        # Nodes check a MiB at a time.  When damage leaves too few, they are asked for single
        # stripes: each of them may be whole on enough nodes.
        self._narrow = False
        self._givers = Givers()

    async def read(self) -> bytes:
        """See `BlobRead.read`; `position` is before `stop`.  Fails: Converted, too."""
        while True:
            if not self._cuts:
                self._open_window()
            cut = self._cuts[0]
            try:
                got = await self._gather(cut)
                data = await self._decoded(cut, got)
            except FragmentDamaged as error:  # of the code: shards fail on their own
                self._drop_window()
                self._search.refuse(frozenset(lane.placed for lane in got), error)
            except BaseException:
                self._drop_window()
                raise
            else:
                self._givers.gave(self.position, *(lane.placed for lane in got))
                self.position += len(data)
                if not self._race.closed:
                    self._cuts.popleft()
                    self._look_ahead()
                return data

    # -- windows --------------------------------------------------------------------------------
    def _open_window(self) -> None:
        """Plan the next stripes; lanes are opened when they turn out to be needed."""
        self._drop_window()
        self._narrow = False
        self._end = min(self._stop, (self.position // STRIPE + WINDOW) * STRIPE)
        self._cuts.extend(self._coding.cuts(self.position, self._end))

    def _look_ahead(self) -> None:
        """Ask for the next window while the reader is busy with the last bytes of this one."""
        if self._cuts or self._narrow or self.position >= self._stop:
            return
        self._open_window()
        cut = self._cuts[0]
        for placed in chosen(self._search.places(), set(), set(cut.shards), self._data):
            self._reach.hedging.asked()
            lane = self._lane(placed, cut)
            lane.prepare()
            self._lanes.append(lane)

    def _drop_window(self) -> None:
        lanes, self._lanes = self._lanes, []
        for lane in lanes:
            self._race.drop(lane)
        self._cuts.clear()

    # -- one cut ----------------------------------------------------------------------------------
    async def _gather(self, cut: Cut) -> Mapping[Lane, Shard]:
        """The shards of a cut that suffice for the bytes that are wanted of it."""
        race, got = self._race, dict[Lane, Shard]()
        lanes, self._lanes = self._lanes, []
        for lane in lanes:
            if lane.stop < cut.offset + cut.length:
                race.drop(lane)
            else:
                race.enter(lane, lane.take(cut.length), since=None if lane.began else lane.since)
        try:
            while not self._suffice({lane.placed.shard for lane in got}, cut):
                ended = race.ended()
                if ended is None:
                    if self._staffed(cut, got):
                        await race.wait(lambda lane: self._spare(cut, got, lane))
                    elif self._search.forgive_damage(cut.offset + cut.length):
                        self._narrow = True
                    else:
                        await self._search.further(self.position)
                else:
                    self._take_in(*ended, got)
        finally:
            race.leave()
            self._lanes = list(got)  # also when this is cancelled: they are dropped then
        return got

    def _take_in(self, lane: Lane, result: object, got: dict[Lane, Shard]) -> None:
        if isinstance(result, Failure):
            error = result.value
            assert isinstance(error, Exception)
            self._race.drop(lane)
            self._search.failed(lane, error, self.position)
        elif any(lane.placed.shard == other.placed.shard for other in got):
            self._race.drop(lane)  # its twin was faster
        else:
            assert isinstance(result, bytes | memoryview)
            lane.late = False
            got[lane] = result
            self._search.gave(lane)

    def _suffice(self, shards: Set[int], cut: Cut) -> bool:
        return len(shards) >= self._data or shards >= set(cut.shards)

    def _staffed(self, cut: Cut, got: Mapping[Lane, Shard]) -> bool:
        """Ask whoever is needed; tells whether those who are asked now may suffice."""
        lanes = [*got, *self._race.lanes]
        counted = {lane.placed.shard for lane in lanes if not lane.late}
        if not self._suffice(counted, cut):
            hedged = any(lane.late for lane in lanes)
            for placed in chosen(self._free(lanes), counted, set(cut.shards), self._data):
                if not hedged:
                    self._reach.hedging.asked()
                lanes.append(self._ask(placed, cut))
        return self._suffice({lane.placed.shard for lane in lanes}, cut)

    def _ask(self, placed: Placed, cut: Cut) -> Lane:
        lane = self._lane(placed, cut)
        self._race.enter(lane, lane.take(cut.length))
        return lane

    def _lane(self, placed: Placed, cut: Cut) -> Lane:
        last = cut if self._narrow else self._cuts[-1]
        stop = last.offset + last.length
        return Lane(self._reach, self._search.blob, placed, cut.offset, stop)

    def _free(self, lanes: Sequence[Lane]) -> list[tuple[int, Placed]]:
        asked = {lane.placed for lane in lanes}
        return [(rank, placed) for rank, placed in self._search.places() if placed not in asked]

    def _spare(self, cut: Cut, got: Mapping[Lane, Shard], without: Lane) -> int:
        """How many must be asked to do without a lane; 0 when that is not possible."""
        lanes = [*got, *self._race.lanes]
        counted = {lane.placed.shard for lane in lanes if not lane.late and lane is not without}
        asked = chosen(self._free(lanes), counted, set(cut.shards), self._data)
        enough = self._suffice(counted | {placed.shard for placed in asked}, cut)
        return max(1, len(asked)) if enough else 0

    async def _decoded(self, cut: Cut, got: Mapping[Lane, Shard]) -> bytes:
        """The bytes that are wanted of a cut.  Raises FragmentDamaged: they do not decode."""
        shards = {lane.placed.shard: shard for lane, shard in got.items()}
        wanted, length = cut.shards, cut.length
        begin = self._coding.position(cut, wanted.start)
        if shards.keys() >= set(wanted):
            columns = b"".join(shards[index] for index in wanted)
        elif len(wanted) == 1:  # the same range of all shards is a code word, too
            word = await self._reach.in_thread(self._code.decode, shards, self._data * length)
            columns = word[wanted.start * length : wanted.stop * length]
        else:
            size = self._coding.stripe_size(cut.stripe)
            columns = await self._reach.in_thread(self._code.decode, shards, size)
            begin = cut.stripe * STRIPE
        end = min(self._end, (cut.stripe + 1) * STRIPE)
        return columns[self.position - begin : end - begin]

    # -- ending -------------------------------------------------------------------------------
    async def refuse(self, position: int, error: GodosError) -> None:
        """See `BlobRead.refuse`."""
        self._drop_window()
        self.position = position
        used = self._givers.since(position)
        if used:
            self._search.refuse(used, error)

    async def close(self) -> None:
        """Let go of everything, for good; a read that waits is cancelled.  Never fails."""
        self._race.close()
        lanes, self._lanes = self._lanes, []
        self._cuts.clear()
        for lane in lanes:
            closing = lane.close()
            if closing is not None:
                await closing
