"""Clocks: a reactor's `seconds` is the wall clock, which steps when somebody sets it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer


@implementer(IReactorTime)
class SteadyClock:
    """The reactor's timers, with a `seconds` that only ever goes forward: for ages."""

    def __init__(self, reactor: Any, seconds: Callable[[], float] = time.monotonic) -> None:
        self._reactor = reactor
        self._seconds = seconds

    def seconds(self) -> float:
        """Since some moment."""
        return self._seconds()

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: object, **kwargs: object
    ) -> IDelayedCall:
        """See `IReactorTime`."""
        called: IDelayedCall = self._reactor.callLater(delay, callable, *args, **kwargs)
        return called

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:
        """See `IReactorTime`."""
        calls: Sequence[IDelayedCall] = self._reactor.getDelayedCalls()
        return calls
