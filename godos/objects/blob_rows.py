"""Blob rows at hand: a read of a hot object asks the catalog for its head only."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from godos.model.blobs import Blob
from godos.model.catalog import ICatalog
from godos.model.errors import BytesNotFound

MOST = 10_000  # rows
FRESH = 60.0  # seconds that a layout is believed


class BlobRows:
    """
    Rows of blobs whose head row was just read, and which therefore live.

    All but the layout never changes, and an outdated layout only costs a reader a detour.
    """

    def __init__(self, catalog: ICatalog, clock: IReactorTime) -> None:
        self._catalog = catalog
        self._clock = clock
        self._rows: dict[str, tuple[float, Blob]] = {}

    async def get(self, incarnation: str) -> Blob:
        """
        The row, at most a minute old.

        Raises:
            BytesNotFound: there is none, although an object names it.
        """
        known = self._rows.get(incarnation)
        if known is not None and self._clock.seconds() - known[0] < FRESH:
            return known[1]
        blob = await self.again(incarnation)
        if blob is None:
            raise BytesNotFound("the catalog has the object, but lost the row of its bytes")
        return blob

    async def again(self, incarnation: str) -> Blob | None:
        """The row as it is now, read anew; None when it is gone."""
        self.forget(incarnation)
        now = self._clock.seconds()
        blob: Blob | None = await self._catalog.blob(incarnation)
        if blob is not None:
            while len(self._rows) >= MOST:
                del self._rows[next(iter(self._rows))]
            self._rows[incarnation] = now, blob
        return blob

    def forget(self, incarnation: str) -> None:
        """The layout turned out to be out of date."""
        self._rows.pop(incarnation, None)
