"""One census: all blobs of the catalog against all that is on disks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import TypeVar

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from godos.cluster.members import IMembers
from godos.cluster.together import together
from godos.deferreds import InThread, deferred, within
from godos.model.blobs import Blob, BlobState, Placed
from godos.model.catalog import ICatalog
from godos.model.errors import FragmentDamaged, GodosError
from godos.model.names import FragmentName
from godos.objects.upkeep.confirming import Look, SecondLook
from godos.objects.upkeep.merging import PAGE, Batch, Merge, Sight
from godos.objects.upkeep.strays import Quarantine, astray
from godos.objects.upkeep.tally import Tally
from godos.protocol.upkeep import Verdict, joined, judge

AT_ONCE = 8  # blobs that are acted upon at the same time
LOOKS = 200  # blobs that are looked at again together
READ_BACK = 300.0  # seconds for a node to read a fragment that was found
PAUSE = 0.005  # seconds between two batches, so that requests come first
SLICE = 50  # blobs that are compared without a look at the requests
NAMED = 20  # blobs that are lost and told of by name in the log

T = TypeVar("T")


@define
class Sums:
    """
    What was counted so far.  `rows` of `expected` are looked at; of `seen` blobs that are
    wanted the others tell how many are in which state.
    """

    expected: int = 0
    rows: int = 0
    blobs: int = 0
    bytes: int = 0
    fragments: int = 0
    below_target: int = 0
    lost: int = 0
    unreachable: int = 0
    unverified: int = 0
    strays: int = 0
    wanted: int = 0  # repairs that were asked for
    joined: int = 0  # fragments that were found and put into layouts
    silent: tuple[str, ...] = field(default=())

    def add(self, blob: Blob, verdict: Verdict, verified_after: float) -> None:
        """Count a blob that is in the catalog."""
        self.blobs += 1
        self.bytes += blob.size
        self.fragments += len(verdict.good) + len(verdict.found) + len(verdict.surplus)
        self.below_target += verdict.below_target
        self.lost += verdict.lost
        self.unreachable += verdict.unreachable
        self.unverified += bool(verdict.good) and verdict.since < verified_after


class Counting:
    """
    Counts once, asks for repairs, puts found fragments into layouts and strays into quarantine.

    Memory is bounded by pages; all else is in a temporary file.

    Args:
        registered: all nodes.
        gone: those that are silent for so long that their fragments are to be made anew.
        verified_after: what was read back before that is unverified, in seconds since the
            epoch.
        keep: awaited between batches; may raise to end it (the lease was lost).
        folder: for the temporary file; None for the system's.
    """

    _log = Logger()

    def __init__(
        self,
        catalog: ICatalog,
        members: IMembers,
        clock: IReactorTime,
        in_thread: InThread,
        quarantine: Quarantine,
        registered: Collection[str],
        gone: Collection[str],
        verified_after: float,
        keep: Callable[[], Awaitable[None]],
        folder: str | None = None,
        pause: float = PAUSE,
        page: int = PAGE,
    ) -> None:
        self.sums = Sums()
        self._catalog = catalog
        self._members = members
        self._clock = clock
        self._in_thread = in_thread
        self._quarantine = quarantine
        self._registered = frozenset(registered)
        self._gone = frozenset(gone)
        self._verified_after = verified_after
        self._keep = keep
        self._folder = folder
        self._pause = pause
        self._page = page
        self._second = SecondLook(catalog, members, clock)

    async def count(self) -> Sums:
        """Fails as the catalog does, and with what `keep` raises."""
        tally = await self._in_thread(Tally, self._folder)
        try:
            await self._fill(tally)
            await self._merge(tally)
        finally:
            await self._in_thread(tally.close)
        return self.sums

    async def _fill(self, tally: Tally) -> None:
        cursor: str | None = None
        while True:
            page = await self._catalog.blobs(cursor, self._page)
            await self._in_thread(tally.add, page.blobs)
            self.sums.expected += len(page.blobs)
            cursor = page.cursor
            if cursor is None:
                return
            await self._rest()

    async def _merge(self, tally: Tally) -> None:
        nodes = sorted(self._registered)
        merge = Merge(tally, self._in_thread, self._members, self._clock, nodes, self._page)
        while (batch := await merge.next()) is not None:
            await self._take(batch)
            await self._rest()
        self.sums.silent = tuple(sorted(self._registered - merge.answered))

    async def _rest(self) -> None:
        await self._keep()
        if self._pause:
            await deferLater(self._clock, self._pause)

    async def _breathe(self) -> None:
        if self._pause:
            await deferLater(self._clock, 0)

    # -- one batch ---------------------------------------------------------------------------
    async def _take(self, batch: Batch) -> None:
        doubtful: list[Sight] = []
        waiting: list[tuple[Blob, Verdict]] = []
        for number, sight in enumerate(batch.sights):
            if number and number % SLICE == 0:
                await self._breathe()
            self.sums.rows += sight.row is not None
            verdict = self._plain(sight, batch.answered)
            if verdict is None:
                doubtful.append(sight)
            elif sight.row is not None and sight.row.state is BlobState.LIVE:
                self.sums.add(sight.row, verdict, self._verified_after)
                if verdict.below_target:
                    waiting.append((sight.row, verdict))
        await self._each(waiting, self._want)
        for first in range(0, len(doubtful), LOOKS):
            looks = await self._second.at(doubtful[first : first + LOOKS], batch.answered)
            await self._each(looks, self._settle)
            await self._keep()

    def _plain(self, sight: Sight, answered: frozenset[str]) -> Verdict | None:
        """What is to be said of a blob at first sight; None when it takes a second one."""
        if sight.row is None:
            return None
        verdict = judge(sight.row, sight.held, answered, self._registered)
        if sight.row.state is BlobState.CONDEMNED:  # fragments of its layout are going
            return None if verdict.found or verdict.surplus else verdict
        return verdict if verdict.plain else None

    @deferred
    async def _settle(self, look: Look) -> None:
        """Count a blob that was looked at again, and do what follows."""
        for placed, why in astray(look, self._registered):
            if look.settled:
                self.sums.strays += 1
                await self._quarantine.put(look.incarnation, placed, why)
        blob = look.row
        if blob is None or blob.state is not BlobState.LIVE:
            return
        verdict = judge(blob, look.held, look.answered, self._registered)
        if verdict.found and look.settled:
            blob, verdict = await self._join(blob, verdict, look)
        self.sums.add(blob, verdict, self._verified_after)
        if look.settled:
            await self._want((blob, verdict))

    @deferred
    async def _want(self, found: tuple[Blob, Verdict]) -> None:
        """
        Ask for a repair, where one has something to do: what is on nodes that are silent
        since not long is waited for.
        """
        blob, verdict = found
        if verdict.lost or verdict.unreachable:
            self._tell(blob, verdict)
        waits = not verdict.missing and any(p.node not in self._gone for p in verdict.silent)
        if verdict.below_target and not waits:
            self.sums.wanted += 1
            await self._catalog.want_repair(blob.incarnation, verdict.reason)

    def _tell(self, blob: Blob, verdict: Verdict) -> None:
        if self.sums.lost + self.sums.unreachable <= NAMED:
            self._log.error(
                "blob {incarnation} cannot be read: {good} of {needed} fragments; {why}",
                incarnation=blob.incarnation,
                good=len({placed.shard for placed in (*verdict.good, *verdict.found)}),
                needed=blob.policy.data,
                why=verdict.reason,
            )

    # -- fragments that are elsewhere than the layout says -----------------------------------
    async def _join(self, blob: Blob, verdict: Verdict, look: Look) -> tuple[Blob, Verdict]:
        """Put those that are good into the layout; answers the blob as it stands then."""
        good = [placed for placed in verdict.found if await self._is_good(blob, placed)]
        if not good:
            return blob, verdict
        changed = await self._catalog.correct_layout(blob, joined(blob, verdict, good))
        if changed is None:
            return blob, verdict  # somebody else was faster
        self.sums.joined += len(good)
        return changed, judge(changed, look.held, look.answered, self._registered)

    async def _is_good(self, blob: Blob, placed: Placed) -> bool:
        store = self._members.fragments(placed.node)
        if store is None:
            return False
        name = FragmentName(blob.incarnation, placed.index)
        try:
            header = await within(READ_BACK, store.verify(name), self._clock)
        except CancelledError:
            raise
        except FragmentDamaged as error:
            self._log.warn("{name} on {node}: {error}", name=name, node=placed.node, error=error)
            return False
        except (GodosError, TimeoutError):
            return False
        theirs = header.blob_size, header.blob_sha256, header.policy
        return theirs == (blob.size, blob.sha256, str(blob.policy))

    async def _each(self, items: Sequence[T], act: Callable[[T], Deferred[None]]) -> None:
        """Several at once."""
        for first in range(0, len(items), AT_ONCE):
            await together(_begun(items[first : first + AT_ONCE], act))


def _begun(items: Iterable[T], act: Callable[[T], Deferred[None]]) -> list[Deferred[None]]:
    return [act(item) for item in items]
