"""Lists of parts at hand: a reader of many ranges asks the catalog for each list once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from attrs import frozen

from godos.model.catalog import ICatalog
from godos.model.multipart import Part

MOST = 20_000  # parts, of all lists together: some 15 MB


@frozen
class Slice:
    """Bytes [start, stop) of one part; there is at least one."""

    part: Part
    start: int
    stop: int


@frozen
class Manifest:
    """The parts of an object, in order; `ends` are the offsets in the object after each."""

    parts: Sequence[Part]
    ends: Sequence[int]

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Manifest:
        """The object of these parts."""
        return cls(parts, list(accumulate(part.size for part in parts)))

    def slices(self, start: int, stop: int) -> list[Slice]:
        """What the bytes [start, stop) of the object are made of."""
        slices = []
        for index in range(bisect_right(self.ends, start), len(self.parts)):
            part, end = self.parts[index], self.ends[index]
            begin = end - part.size
            if begin >= stop:
                break
            if part.size:
                slices.append(Slice(part, max(0, start - begin), min(part.size, stop - begin)))
        return slices

    def numbered(self, number: int) -> tuple[Part, int, int] | None:
        """The part of that number, and the range of the object that it is."""
        for part, end in zip(self.parts, self.ends, strict=True):
            if part.number == number:
                return part, end - part.size, end
        return None


class Manifests:
    """Manifests of versions that were just read, and which therefore live; they never change."""

    def __init__(self, catalog: ICatalog) -> None:
        self._catalog = catalog
        self._lists: dict[str, Manifest] = {}
        self._held = 0  # parts

    async def get(self, manifest: str) -> Manifest:
        """Raises: BytesNotFound."""
        known = self._lists.pop(manifest, None)
        if known is not None:
            self._lists[manifest] = known  # the last one used goes last
            return known
        found = Manifest.of(await self._catalog.manifest(manifest))
        if manifest not in self._lists:
            self._lists[manifest] = found
            self._held += len(found.parts)
        while self._held > MOST:
            self._held -= len(self._lists.pop(next(iter(self._lists))).parts)
        return found
