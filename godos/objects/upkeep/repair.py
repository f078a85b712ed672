"""
Self-repair: what waits for it is mended, the most endangered first.

The catalog's repair rows are the list of what is to be done, so that nothing is forgotten
when a server dies; a row goes only when every fragment of its blob was read back.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, frozen
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from godos.cluster.members import IMembers
from godos.cluster.periodic import Periodic
from godos.cluster.together import together
from godos.deferreds import deferred
from godos.model.blobs import Blob, BlobState
from godos.model.catalog import ICatalog, RepairWork
from godos.model.errors import GodosError
from godos.objects.redundancy import wanted_instead
from godos.objects.upkeep.abreast import abreast
from godos.objects.upkeep.mending import Mended, Mender
from godos.objects.upkeep.progress import Progress
from godos.objects.upkeep.reasons import only_silent, wrongs

EVERY = 10.0  # seconds between two looks at what waits
LEASE = "repair"
LEASED = 60.0  # seconds without a sign after which another server takes over
AT_ONCE = 2  # blobs
ROWS = 10_000  # repair rows that are read before those that sound worst are chosen
CHOSEN = 1000  # of which the blobs are looked at, for the most endangered to be chosen
BATCH = 250  # that are mended before all is looked at anew
LOOKED_UP = 16  # rows of blobs that are read at the same time
FIRST_REST = 15.0  # seconds until a blob that could not be mended is tried again,
LONGEST_REST = 600.0  # and at most, when that goes on


@define
class _Rest:
    """A blob that could not be mended: nobody tries again before `until`, but for a new reason."""

    rev: str
    until: float
    length: float


@frozen
class _Patient:
    """One repair row, and the blob that it is about."""

    work: RepairWork
    blob: Blob
    spare: int  # fragments on live nodes beyond those that reading needs


class Repairer(Periodic):
    """
    Works off the repair rows, by whoever holds the lease; two at once do no harm.

    `progress` may be read at any time.

    Args:
        holder: id of this server.
        every: seconds between two looks.
        at_once: blobs that are mended at the same time.
    """

    _log = Logger()

    def __init__(
        self,
        catalog: ICatalog,
        members: IMembers,
        mender: Mender,
        clock: IReactorTime,
        holder: str,
        every: float = EVERY,
        at_once: int = AT_ONCE,
    ) -> None:
        super().__init__("repairing", self.round, every, clock)
        self._catalog = catalog
        self._members = members
        self._mender = mender
        self._clock = clock
        self._holder = holder
        self._most = at_once
        self._leased = 0.0  # when the lease was taken or renewed
        self._resting: dict[str, _Rest] = {}
        self._live: frozenset[str] = frozenset()  # when blobs were last sent to rest
        self._under_way = False
        self._troubles: dict[str, str] = {}  # of the batch under way: blob -> why not
        self.progress = Progress()

    def wake(self) -> None:
        """Look now what waits, and try again what could not be mended."""
        self._resting.clear()
        self.soon()

    # -- rounds ---------------------------------------------------------------------------
    @deferred
    async def round(self) -> None:
        """Mend all that is due.  Fails as the catalog does; the next round goes on."""
        self.progress.waiting = await self._catalog.waiting_repairs()
        if not self.progress.waiting:
            self._under_way = False
            self._resting.clear()
            return
        if not await self._lease():
            return
        if not self._under_way:
            self._under_way = True
            self.progress.began(self._clock.seconds())
        self._wake_all_if_nodes_changed()
        while patients := await self._due():
            self._troubles.clear()
            await abreast(patients, self._most, self._treat)
            self._complain()
            self.progress.waiting = await self._catalog.waiting_repairs()
            if not await self._lease():
                return

    async def _lease(self) -> bool:
        self._leased = self._clock.seconds()
        leased: bool = await self._catalog.try_lease(LEASE, self._holder, LEASED)
        return leased

    def _wake_all_if_nodes_changed(self) -> None:
        """What could not be mended may be now: a node came, or came back."""
        live = frozenset(node.id for node in self._members.live())
        if live - self._live:
            self._resting.clear()
        self._live = live

    async def _due(self) -> list[_Patient]:
        """Some of what waits and does not rest, the most endangered first."""
        now = self._clock.seconds()
        rows: Sequence[RepairWork] = await self._catalog.repairs(ROWS + len(self._resting))
        waiting = {row.incarnation for row in rows}
        for incarnation in [each for each in self._resting if each not in waiting]:
            del self._resting[incarnation]
        due = [row for row in rows if not self._rests(row, now) and not self._awaits(row, now)]
        due = sorted(due, key=lambda row: (-wrongs(row.reason), row.since))
        patients: list[_Patient] = []
        for first in range(0, len(due), LOOKED_UP):
            if first >= CHOSEN and patients:
                break  # blobs that are being removed may fill the first places, and keep nobody
            some = due[first : first + LOOKED_UP]
            found = await together(self._patient(row) for row in some)
            patients += [patient for patient in found if patient is not None]
        patients.sort(key=lambda patient: (patient.spare, patient.work.since))
        return patients[:BATCH]

    def _rests(self, row: RepairWork, now: float) -> bool:
        rest = self._resting.get(row.incarnation)
        return rest is not None and rest.rev == row.rev and now < rest.until

    def _awaits(self, row: RepairWork, now: float) -> bool:
        """
        Whether nothing is wrong but nodes that are silent since not long.

        Then all fragments would be read for nothing.  The blob rests until the first of
        them counts as gone; when one comes back, all are looked at anyway.
        """
        live = {node.id for node in self._members.live()}
        silent = only_silent(row.reason)
        left = [self._mender.repair_after - self._members.silence(node) for node in silent]
        if not left or min(left) <= 0 or live.intersection(silent):
            return False
        self._resting[row.incarnation] = _Rest(row.rev, now + min(left), FIRST_REST)
        return True

    @deferred
    async def _patient(self, work: RepairWork) -> _Patient | None:
        """The blob of a row; None: it is gone, or going, and its row with it."""
        blob: Blob | None = await self._catalog.blob(work.incarnation)
        if blob is None:
            await self._catalog.repaired(work)
            return None
        if blob.state is not BlobState.LIVE:  # its row goes with it, when its nodes are there
            until = self._clock.seconds() + LONGEST_REST
            self._resting[work.incarnation] = _Rest(work.rev, until, LONGEST_REST)
            return None
        live = {node.id for node in self._members.live()}
        there = {placed.shard for placed in blob.layout if placed.node in live}
        return _Patient(work, blob, len(there) - blob.policy.data)

    # -- one blob -------------------------------------------------------------------------
    @deferred
    async def _treat(self, patient: _Patient) -> None:
        incarnation = patient.work.incarnation
        if self._clock.seconds() - self._leased > LEASED / 4:
            await self._lease()  # who else took it does no harm, and we stop after this batch
        self.progress.current = (*self.progress.current, incarnation)
        try:
            mended = await self._mended(patient)
        except CancelledError:
            raise
        except GodosError as error:
            mended = Mended(patient.blob, trouble=str(error))
        except Exception as error:
            self._log.failure("mending blob {incarnation} failed", incarnation=incarnation)
            mended = Mended(patient.blob, trouble=f"{type(error).__name__}: {error}")
        finally:
            self.progress.current = tuple(
                each for each in self.progress.current if each != incarnation
            )
        await self._settle(patient.work, mended)

    async def _mended(self, patient: _Patient) -> Mended:
        """The blob is brought to the policy that was wanted when it was stored, if another."""
        wanted = wanted_instead(patient.work.reason)
        if wanted is None or wanted.for_size(patient.blob.size) == patient.blob.policy:
            return await self._mender.mend(patient.blob)
        converted: Mended = await self._mender.convert(patient.blob, wanted)
        if converted.blob is None or not converted.trouble:
            return converted
        mended: Mended = await self._mender.mend(patient.blob)  # as it is, until it can be
        return Mended(
            mended.blob, mended.fragments, mended.bytes, mended.missing, converted.trouble
        )

    async def _settle(self, work: RepairWork, mended: Mended) -> None:
        now = self._clock.seconds()
        good = mended.blob is not None and not mended.missing and not mended.trouble
        done = good and await self._catalog.repaired(work)
        self.progress.tried(now, mended.fragments, mended.bytes, done)
        if good or mended.blob is None:
            self._resting.pop(work.incarnation, None)
            return  # a row that speaks of something newer is looked at next
        self.progress.failed += 1
        self.progress.trouble = mended.trouble
        known = self._resting.get(work.incarnation)
        length = FIRST_REST if known is None else min(2 * known.length, LONGEST_REST)
        self._resting[work.incarnation] = _Rest(work.rev, now + length, length)
        self._troubles[work.incarnation] = mended.trouble

    def _complain(self) -> None:
        """One line for all that could not be mended just now: there may be very many."""
        if self._troubles:
            incarnation, trouble = next(iter(self._troubles.items()))
            self._log.info(
                "{number} blobs are below target still; {incarnation}: {trouble}",
                number=len(self._troubles),
                incarnation=incarnation,
                trouble=trouble,
            )
