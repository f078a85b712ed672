"""Re-reading all that a node has, again and again, before anybody needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from attrs import define, evolve
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from godos.deferreds import deferred
from godos.model.blobs import FragmentHeader, Held
from godos.model.errors import FragmentDamaged, GodosError, NodeFailed, NoSuchFragment
from godos.model.names import FragmentName
from godos.storage.verified import Verified, VerifiedSince, place

PAGE = 200  # fragments of the inventory that are looked at in one go
MOST_DAMAGED = 10_000  # fragments that are remembered as damaged
SPREAD = 0.9  # of the time that a pass may take: so much is planned for
EACH = 16 << 10  # bytes that a fragment counts for besides its own: finding it is work too
SAVE = 60.0  # seconds between two writes of scrub.json
LOOK_AGAIN = 600.0  # seconds until what was damaged is read once more
PAUSE = 60.0  # seconds to wait at most before looking whether there is something to do

Pace = Callable[[int], "Deferred[None]"]
Report = Callable[[FragmentName, GodosError], "Deferred[Any]"]


class IScrubbed(Protocol):
    """What is asked of a node's store; `DiskFragmentStore` is one."""

    node_id: str
    verified: VerifiedSince

    def inventory(self, after: FragmentName | None, limit: int) -> Deferred[Sequence[Held]]:
        """See IFragmentStore."""

    def verify(self, name: FragmentName, pace: Pace | None = None) -> Deferred[FragmentHeader]:
        """See IFragmentStore; waits for `pace(n)` before each read of n bytes."""

    def recall(self) -> Deferred[Verified | None]:
        """What was remembered."""

    def remember(self, verified: Verified) -> Deferred[None]:
        """Keep it for the next start."""


@define
class ScrubProgress:
    """What a scrubber did since its process started."""

    fragments: int = 0  # that were read back and are good
    bytes: int = 0
    damaged: int = 0  # that were not


class Scrubber(Service):
    """
    Reads every fragment of a node back within `within` seconds, pass after pass.

    A pass goes through the inventory and is spread over its time; one that is late, or the
    first on a disk of which nothing is known, goes on as fast as `rate` allows.  What fails
    its check is remembered, reported until somebody heard it, and read again every now and
    then, since mending may have made it good.

    Args:
        within: seconds in which all is to be read.
        rate: bytes a second to read at most; 0 for any.
        report: told of each damaged fragment, and why it is; may fail, and is asked again.
    """

    _log = Logger()

    def __init__(
        self,
        store: IScrubbed,
        clock: IReactorTime,
        within: float,
        rate: float,
        report: Report,
        save_every: float = SAVE,
        look_again: float = LOOK_AGAIN,
    ) -> None:
        self._store = store
        self._clock = clock
        self._aim = within * SPREAD
        self._rate = rate
        self._report = report
        self._save_every = save_every
        self._look_again = look_again
        self._free = 0.0  # when the next byte may be read
        self._resumed = False
        self._saved: Verified | None = None  # what the next start would find
        self._saved_at = 0.0
        self._looked_at = 0.0  # when the damaged ones were read again
        self._untold: set[FragmentName] = set()
        self._unsaved = False  # it could not be saved, and that was said
        self._work: Deferred[None] | None = None
        self._ended: Deferred[None] | None = None
        self.progress = ScrubProgress()

    @property
    def verified(self) -> Verified:
        """How far it is."""
        return self._store.verified.now

    # -- its life -----------------------------------------------------------------------
    @deferred
    async def resume(self) -> None:
        """
        Look where an earlier process stood.  Starting does it too.

        Fails: NodeFailed, Unavailable.
        """
        if not self._resumed:
            await self._resume()

    def startService(self) -> None:
        super().startService()
        self._ended = Deferred()
        self._work = self._live()
        self._work.addErrback(self._bug).addBoth(self._ended.callback)

    @deferred
    async def stopService(self) -> None:
        """Break off what is read; fires when that has ended and is remembered."""
        super().stopService()
        work, ended, self._work, self._ended = self._work, self._ended, None, None
        if work is not None and ended is not None:
            work.cancel()
            await ended

    def _bug(self, failure: Any) -> None:
        if failure.check(CancelledError) is None:
            self._log.failure("re-reading node {node} ended", failure, node=self._store.node_id)

    @deferred
    async def _live(self) -> None:
        try:
            while self.running and not await self._go_on():
                pass
        finally:
            await self._save()

    async def _go_on(self) -> bool:
        """Start or resume a pass and read until something is in the way; True: for good."""
        try:
            await self.resume()
            if self._saved is None:
                await self._save()
            while True:
                await self._step()
        except NodeFailed as error:
            self._log.warn("node {node} is not re-read: {error}", node=self._node, error=error)
            return True
        except GodosError as error:
            self._log.info("re-reading {node} pauses: {error}", node=self._node, error=error)
        except CancelledError:
            raise
        except Exception:
            self._log.failure("re-reading node {node} failed", node=self._node)
        await self._sleep(PAUSE)
        return False

    @property
    def _node(self) -> str:
        return self._store.node_id

    async def _resume(self) -> None:
        """Where an earlier process stood; else at the beginning."""
        found, now = await self._store.recall(), self._clock.seconds()
        self._saved = found
        if found is None:
            empty = not await self._store.inventory(None, 1)
            found = Verified(now, now if empty else 0.0)
        elif found.began > now or found.before > found.began:
            found = Verified(now, 0.0, damaged=found.damaged)  # the clock was wrong, or is
        self._resumed, self._saved_at = True, now
        self._looked_at = now - self._look_again
        self._untold = set(found.damaged)
        self._store.verified.now = found

    # -- a pass ---------------------------------------------------------------------------
    async def _step(self) -> None:
        """Read the next page of fragments, or wait until it is time to."""
        await self._look_at_damaged()
        page = await self._store.inventory(self.verified.cursor, PAGE)
        for held in page:
            if not await self._turn_of(place(held.name)):
                return  # others may be next when its turn comes
            await self._read_back(held.name)
            await self._save_now_and_then()
        if not page and await self._turn_of(1.0):
            known, now = self.verified, self._clock.seconds()
            self._store.verified.now = evolve(known, began=now, before=known.began, cursor=None)
            await self._save()
            self._log.info("all of node {node} was read back", node=self._node)
            await self._sleep(min(PAUSE, self._aim))

    async def _turn_of(self, share: float) -> bool:
        """Whether it is time for what comes so far into the pass; if not, wait a while."""
        known = self.verified
        early = known.began + self._aim * share - self._clock.seconds()
        if known.before == 0.0 or early <= 0.0:
            return True  # nothing is known of the rest: do not take the time
        await self._sleep(min(early, PAUSE))
        await self._save_now_and_then()
        return early <= PAUSE

    async def _read_back(self, name: FragmentName) -> None:
        """Verify one fragment, and go on behind it."""
        try:
            await self._verify(name)
        except FragmentDamaged as error:
            await self._found_damaged(name, error)
        except NoSuchFragment:
            pass  # it was removed meanwhile
        self._store.verified.now = evolve(self.verified, cursor=name)

    async def _verify(self, name: FragmentName) -> None:
        header = await self._store.verify(name, self._pace)
        self.progress.fragments += 1
        self.progress.bytes += header.length
        self._is_fine(name)

    @deferred
    async def _pace(self, size: int) -> None:
        """Wait until more bytes may be read, and count `size` of them."""
        if self._rate > 0:
            early = self._free - self._clock.seconds()
            if early > 0.0:
                await self._sleep(early)
            self._free = max(self._free, self._clock.seconds()) + (size or EACH) / self._rate

    # -- damage -----------------------------------------------------------------------------
    async def _found_damaged(self, name: FragmentName, error: FragmentDamaged) -> None:
        known = self.verified
        if name not in known.damaged:
            self.progress.damaged += 1
            self._log.error("node {node}: {error}", node=self._node, error=error)
            if len(known.damaged) < MOST_DAMAGED:
                known = evolve(known, damaged=known.damaged | {name})
            else:  # more than can be told apart: nothing on this disk is known to be good
                known = evolve(known, began=0.0, before=0.0)
            self._store.verified.now = known
        await self._tell(name, error)

    async def _tell(self, name: FragmentName, error: FragmentDamaged) -> None:
        self._untold.add(name)
        try:
            await self._report(name, error)
        except GodosError as trouble:
            self._log.warn("nobody heard of damage yet: {trouble}", trouble=trouble)
        else:
            self._untold.discard(name)

    def _is_fine(self, name: FragmentName) -> None:
        """It is good, or gone."""
        self._untold.discard(name)
        known = self.verified
        if name in known.damaged:
            self._store.verified.now = evolve(known, damaged=known.damaged - {name})

    async def _look_at_damaged(self) -> None:
        """Read once more what was damaged, and say it again where nobody heard it."""
        now = self._clock.seconds()
        if now - self._looked_at < self._look_again:
            return
        self._looked_at = now
        for name in sorted(self.verified.damaged):
            try:
                await self._verify(name)
            except NoSuchFragment:
                self._is_fine(name)
            except FragmentDamaged as error:
                if name in self._untold:
                    await self._tell(name, error)

    # -- remembering ------------------------------------------------------------------------
    async def _save_now_and_then(self) -> None:
        if self._clock.seconds() - self._saved_at >= self._save_every:
            await self._save()

    async def _save(self) -> None:
        """Remember how far it is.  A disk that is full keeps nobody from reading it."""
        known = self.verified
        if not self._resumed or known == self._saved:
            return
        self._saved_at = self._clock.seconds()
        try:
            await self._store.remember(known)
        except GodosError as error:
            if not self._unsaved:
                self._log.warn("how far re-reading is was not saved: {error}", error=error)
            self._unsaved = True
        else:
            self._saved, self._unsaved = known, False

    async def _sleep(self, seconds: float) -> None:
        await deferLater(self._clock, seconds, lambda: None)
