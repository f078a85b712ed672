"""What waits to be sent on a connection, and whether the client takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed

from godos.model.errors import IncompleteBody

ALLOWANCE = 768 << 10  # bytes taken after the transport's buffer (256 KiB) was full


class SendSide:
    """
    The pace of a connection's answers.

    A transport says `pause` when its buffer is full and `resume` when it is empty.  Those
    of `listening.py` also count, as `bytes_sent` and `unsent`, so that a slow client can
    be told from one that takes nothing; with others a client must empty the buffer within
    the patience.
    """

    def __init__(self, seconds: Callable[[], float], patience: float) -> None:
        self.full = False  # the transport has enough to send
        self.deadline: float | None = None  # when the client must have taken something
        self.gone: IncompleteBody | None = None  # why nobody takes anything any more
        self._seconds = seconds
        self._patience = patience
        self._transport: Any = None
        self._since_full = 0  # bytes written since
        self._mark: int | None = None  # what had been sent when that was last looked at
        self._waiting: list[Deferred[None]] = []

    def connected(self, transport: Any) -> None:
        """The connection was made."""
        self._transport = transport

    def write(self, data: bytes) -> None:
        """Send, now or as soon as the client takes it."""
        if self.full:
            self._since_full += len(data)
        self._transport.write(data)

    def drained(self) -> Deferred[None]:
        """See `IExchange.drained`."""
        if self.gone is not None:
            return fail(self.gone)
        if not self.full or self._since_full < ALLOWANCE:
            return succeed(None)
        waiting: Deferred[None] = Deferred(self._cancelled)
        self._waiting.append(waiting)
        return waiting

    def _cancelled(self, waiting: Deferred[None]) -> None:
        self._waiting.remove(waiting)
        waiting.errback(self.gone or CancelledError())

    def pause(self) -> None:
        """The transport has enough; it says so again at each further write."""
        if not self.full:
            self.full, self._since_full = True, 0
            self._mark = self._sent()
            self.deadline = self._seconds() + self._patience

    def resume(self) -> None:
        """The transport has sent everything.  Those who wait are told by `tell`."""
        self.full, self.deadline = False, None

    def lose(self, error: IncompleteBody) -> None:
        """
        Nothing will be taken any more.  Whoever is cancelled now is told why.

        As with a body's, `tell` comes after the cancellation.
        """
        self.deadline = None
        self.gone = self.gone or error

    def tell(self) -> None:
        """Let those who wait go on, or fail."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(None) if self.gone is None else one.errback(self.gone)

    def is_overdue(self, now: float) -> bool:
        """Whether the client took nothing for longer than the patience."""
        if self.deadline is None or self.deadline > now:
            return False
        if self.is_moving():
            self.deadline = now + self._patience
            return False
        self.deadline = None
        return True

    def is_moving(self) -> bool:
        """Whether something waits, and something was taken since this was asked last."""
        before, self._mark = self._mark, self._sent()
        return before != self._mark and getattr(self._transport, "unsent", 1) > 0

    def _sent(self) -> int | None:
        sent: int | None = getattr(self._transport, "bytes_sent", None)
        return sent
