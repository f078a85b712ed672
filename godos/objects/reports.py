"""What readers find damaged or missing, told to whoever repairs."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from godos.deferreds import Background, deferred
from godos.model.blobs import Blob, Placed
from godos.model.catalog import ICatalog
from godos.objects.blob_rows import BlobRows

SILENT = 5.0  # seconds for which the same finding is not told again
MOST = 1000  # findings that are remembered


class Reports:
    """
    Asks for repairs.

    A reader may have held an old row, of fragments that were moved or converted since: only
    what the layout still names is reported.  And the thousand readers of one object report
    it once, since each report begins a repair anew.
    """

    def __init__(
        self, rows: BlobRows, catalog: ICatalog, clock: IReactorTime, background: Background
    ) -> None:
        self._rows = rows
        self._catalog = catalog
        self._clock = clock
        self._background = background
        self._told: dict[tuple[str, Placed], float] = {}

    def trouble(self, blob: Blob, placed: Placed, reason: str) -> None:
        """A fragment of the blob is not what it should be; somebody looks after it."""
        now, what = self._clock.seconds(), (blob.incarnation, placed)
        told = self._told.pop(what, None)
        if told is not None and now - told < SILENT:
            self._told[what] = told
            return
        while len(self._told) >= MOST:
            del self._told[next(iter(self._told))]
        self._told[what] = now
        self._background.run("asking for a repair", self._ask(blob.incarnation, placed, reason))

    @deferred
    async def _ask(self, incarnation: str, placed: Placed, reason: str) -> None:
        blob = await self._rows.again(incarnation)
        if blob is not None and placed in blob.layout:
            await self._catalog.want_repair(incarnation, reason)
