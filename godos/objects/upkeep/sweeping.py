"""What `godos gc` asks for: remove now what is due, and count all that there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from godos.deferreds import Background, deferred
from godos.objects.collection import Collector
from godos.objects.upkeep.census import CensusTaker


class Sweeper:
    """
    Begins a round of the collector and a census; neither removes what its grace protects.

    Args:
        collector, taker: of this server; they answer once it has started.
    """

    def __init__(
        self,
        collector: Callable[[], Collector],
        taker: Callable[[], CensusTaker],
        clock: IReactorTime,
        background: Background,
    ) -> None:
        self._collector = collector
        self._taker = taker
        self._clock = clock
        self._background = background
        self._running: Deferred[None] | None = None

    @deferred
    async def sweep(self) -> Mapping[str, Any]:
        """Begin, unless it is under way; tells since when, in seconds since the epoch."""
        began = self._clock.seconds()
        if self._running is None:
            self._running = running = self._sweep()
            self._background.run("collecting as an operator asked", running)
            running.addBoth(self._over)
        return {"began": began}

    def _over(self, _: object) -> None:
        self._running = None

    @deferred
    async def _sweep(self) -> None:
        await self._collector().round()
        await self._taker().take(forced=True)
