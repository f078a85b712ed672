"""Lists of parts at hand: a reader of many ranges asks the catalog for each list once."""

from __future__ import annotations

from collections.abc import Sequence

from godos.model.catalog import ICatalog
from godos.model.multipart import Part

MOST = 50_000  # parts, of all lists together: some 25 MB


class Manifests:
    """Manifests of versions that were just read, and which therefore live; they never change."""

    def __init__(self, catalog: ICatalog) -> None:
        self._catalog = catalog
        self._lists: dict[str, Sequence[Part]] = {}
        self._held = 0  # parts

    async def get(self, manifest: str) -> Sequence[Part]:
        """All parts, in order.  Raises: BytesNotFound."""
        known = self._lists.pop(manifest, None)
        if known is not None:
            self._lists[manifest] = known  # the last one used goes last
            return known
        parts: Sequence[Part] = await self._catalog.manifest(manifest)
        if manifest not in self._lists:
            self._lists[manifest] = parts
            self._held += len(parts)
        while self._held > MOST:
            oldest = next(iter(self._lists))
            self._held -= len(self._lists.pop(oldest))
        return parts
