"""A bound on bytes per second, shared by all work that goes on beside the clients'."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

BURST = 1.0  # seconds' worth of bytes that may pass at once after a rest


class Pace:
    """
    A token bucket: bytes that were taken are paid for by waiting, first come, first served.

    Args:
        rate: bytes per second; 0 does not bound anything.  It may be changed at any time.
    """

    def __init__(self, rate: float, clock: IReactorTime) -> None:
        self.rate = rate
        self._clock = clock
        self._paid = -BURST  # when all that was taken is paid for

    def take(self, amount: int) -> Deferred[None]:
        """
        Fires when the next `amount` bytes may pass.

        Whoever cancels it has taken them even so: they were on their way.
        """
        if self.rate <= 0:
            return succeed(None)
        now = self._clock.seconds()
        self._paid = max(self._paid, now - BURST) + amount / self.rate
        wait = self._paid - now
        if wait <= 0:
            return succeed(None)
        return deferLater(self._clock, wait)
