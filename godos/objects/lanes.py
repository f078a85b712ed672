"""Fragments on their way from their nodes, several at once: those that come first count."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError, fail
from twisted.python.failure import Failure

from godos.deferreds import deferred
from godos.model.blobs import Blob, FragmentHeader, Placed
from godos.model.errors import FragmentDamaged, NodeUnreachable
from godos.model.names import FragmentName
from godos.objects.reach import PATIENCE, Reach
from godos.protocol.coding import Coding

_AT_ONCE = -1.0  # nobody waited


def belongs(header: FragmentHeader, blob: Blob, placed: Placed) -> bool:
    """Whether what a node has is this fragment of this very blob."""
    name, policy = header.name, blob.policy
    if (
        header.blob_sha256 != blob.sha256
        or header.blob_size != blob.size
        or name.index != placed.index
        or name.incarnation != blob.incarnation
    ):
        return False
    if not policy.coded:  # how many copies there are may have changed since
        return header.length == blob.size and header.policy.startswith("copies=")
    length = Coding(blob.size, policy.data).fragment_length
    return header.length == length and header.policy == str(policy)


class Lane:
    """
    Bytes [start, stop) of one fragment, from one node.

    `late` lanes are not counted on any more, but may still come first.
    """

    def __init__(self, reach: Reach, blob: Blob, placed: Placed, start: int, stop: int) -> None:
        self.placed = placed
        self.store: Any = reach.members.fragments(placed.node)
        self.began = False  # bytes came
        self.late = False
        self.since = 0.0  # when the reader began to wait for the next bytes
        self.due = 0.0  # when something must be decided about it
        # What its speed is compared with: stores of its kind, at their first or at later bytes.
        self.kind: tuple[type, bool] = (type(self.store), False)
        self._blob = blob
        self._start = start
        self.stop = stop
        self._reader: Any = None
        self._held: list[memoryview] = []  # what was read and not taken yet
        self._holding = 0

    def read(self) -> Deferred[bytes]:
        """The next verified bytes, at most `CHUNK`."""
        if self._reader is not None:
            more: Deferred[bytes] = self._reader.read()
            return more
        if self.store is None:
            return fail(NodeUnreachable("the node is not registered"))
        name = FragmentName(self._blob.incarnation, self.placed.index)
        opening: Deferred[Any] = self.store.open(name, self._start, self.stop)
        # A callback, since a coroutine is a tenth of what reading a small object costs here.
        return opening.addCallback(self._opened)

    def _opened(self, reader: Any) -> Deferred[bytes]:
        self._reader = reader
        if not belongs(reader.header, self._blob, self.placed):
            raise FragmentDamaged("its fragment belongs to other bytes")
        first: Deferred[bytes] = reader.read()
        return first

    @deferred
    async def take(self, length: int) -> bytes | memoryview:
        """Exactly the next `length` bytes."""
        while self._holding < length:
            data = await self.read()
            if not data:
                raise FragmentDamaged("the fragment ended early")
            self.began = True
            self._held.append(memoryview(data))
            self._holding += len(data)
        self._holding -= length
        return self._cut(length)

    def _cut(self, length: int) -> bytes | memoryview:
        taken = []
        while length:
            piece = self._held.pop(0)
            if len(piece) > length:
                self._held.insert(0, piece[length:])
                piece = piece[:length]
            taken.append(piece)
            length -= len(piece)
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def close(self) -> Deferred[None] | None:
        """Let go of the reader.  Never fails."""
        reader, self._reader = self._reader, None
        self._held = []
        return None if reader is None else reader.close()


class Race:
    """
    Lanes that a reader waits for.

    Each gives up after `PATIENCE`.  Before that, one that is slower than usual becomes
    `late` when another can take its place, so that who hangs costs a reader little time.
    """

    def __init__(self, reach: Reach) -> None:
        self._clock = reach.clock
        self._hedging = reach.hedging
        self._background = reach.background
        self._running: dict[Lane, Deferred[Any]] = {}
        self._ended: deque[tuple[Lane, Any]] = deque()
        self._waiter: Deferred[None] | None = None
        self._closed = False

    @property
    def lanes(self) -> Iterable[Lane]:
        """Those whose bytes have not come yet, or were not looked at yet."""
        return [*self._running, *(lane for lane, _ in self._ended)]

    @property
    def over(self) -> bool:
        """Whether there is nobody to wait for."""
        return not self._running and not self._ended

    def enter(self, lane: Lane, work: Deferred[Any]) -> None:
        """Wait for `work`, the next bytes of `lane`, too."""
        lane.since = _AT_ONCE
        self._running[lane] = work
        work.addBoth(self._end, lane)
        if lane in self._running:
            lane.since = self._clock.seconds()
            lane.kind = type(lane.store), lane.began
            lane.due = lane.since + self._hedging.delay(lane.kind)

    def _end(self, result: Any, lane: Lane) -> None:
        if self._running.pop(lane, None) is None:
            return  # it was left, and nobody wants to know
        if lane.since != _AT_ONCE and not isinstance(result, Failure):
            self._hedging.took(lane.kind, self._clock.seconds() - lane.since)
        self._ended.append((lane, result))
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.callback(None)

    def ended(self) -> tuple[Lane, Any] | None:
        """
        The next lane with its bytes or its Failure, if one is there.

        Raises:
            CancelledError: `close` was called.
        """
        if self._closed:
            raise CancelledError("the read was closed")
        return self._ended.popleft() if self._ended else None

    async def wait(self, spare: Callable[[Lane], int]) -> None:
        """
        Until a lane ended, or has become late.

        Args:
            spare: how many other fragments must be asked for to do without one lane; 0 when
                it cannot be done without.
        """
        while self._running and not self._ended:
            await self._sleep()
            if not self._ended and self._overdue(spare):
                return

    async def _sleep(self) -> None:
        """Until a lane ends, or is due."""
        waiter: Deferred[None] = Deferred()
        self._waiter = waiter
        running = self._running
        until = min([lane.due for lane in running])
        timer = self._clock.callLater(max(0.0, until - self._clock.seconds()), self._wake)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer.active():
                timer.cancel()

    def _overdue(self, spare: Callable[[Lane], int]) -> bool:
        """Decide about those that are due; tells whether one is late now."""
        now = self._clock.seconds()
        any_late = False
        for lane in [lane for lane in self._running if lane.due <= now]:
            waited = now - lane.since
            if waited >= PATIENCE:
                self._give_up(lane)
            elif not lane.late and self._replaceable(lane, waited, spare):
                lane.late = any_late = True
                lane.due = lane.since + PATIENCE
        return any_late

    def _replaceable(self, lane: Lane, waited: float, spare: Callable[[Lane], int]) -> bool:
        """Whether others may be asked in its place now; if not, when to look again."""
        number, stalled = spare(lane), self._hedging.stalled(lane.kind)
        if number and (waited >= stalled or self._hedging.grant(number)):
            return True
        lane.due = lane.since + (stalled if waited < stalled else PATIENCE)
        return False

    def _give_up(self, lane: Lane) -> None:
        work = self._running.pop(lane)
        work.cancel()
        self._ended.append((lane, Failure(TimeoutError(f"it gave nothing for {PATIENCE:g} s"))))

    def leave(self) -> None:
        """Let go of all lanes; those that are late were overtaken."""
        running, self._running = self._running, {}
        ended, self._ended = self._ended, deque()
        for lane, work in running.items():
            if lane.late:
                self._hedging.shun(lane.placed.node)
            work.cancel()
            self.drop(lane)
        for lane, _ in ended:
            self.drop(lane)

    def close(self) -> None:
        """Let go of all lanes for good; whoever waits for one is cancelled."""
        self._closed = True
        self.leave()
        self._wake()

    def drop(self, lane: Lane) -> None:
        """Close a lane that is not wanted any more."""
        closing = lane.close()
        if closing is not None and not closing.called:
            self._background.run("letting go of a fragment", closing)
