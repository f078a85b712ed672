"""Pages of the listing of open uploads."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from godos.catalog.items import IItemStore
from godos.catalog.places import open_uploads, upload_place
from godos.catalog.rows import MAX_PLACES
from godos.catalog.upload_records import Opened, opened_of, upload_of
from godos.catalog.uploads import is_open
from godos.catalog.walking import Entry, Range, Walk
from godos.model.multipart import MultipartUpload, UploadsPage
from godos.model.versions import Bucket


@frozen
class Line:
    """An open upload of `key`, or (`upload` "") a common prefix."""

    key: str
    upload: str

    @property
    def place(self) -> tuple[str, str]:
        """Where a listing goes on behind it."""
        return self.key, self.upload


class UploadListings:
    def __init__(self, items: IItemStore) -> None:
        self._items = items

    async def page(
        self, bucket: Bucket, prefix: str, delimiter: str, after: tuple[str, str], limit: int
    ) -> UploadsPage:
        """As ICatalog.uploads."""
        if limit < 1:
            return UploadsPage((), (), None)
        key, marker = after
        walk = Walk(
            self._items,
            [open_uploads(bucket)],
            Range.of(prefix, delimiter, key, inclusive=bool(marker)),
            lambda _item: True,
            limit,
        )
        passed = await self._passed(marker) if marker else None
        lines: list[Line] = []
        # one more than asked, to know whether there is a next page
        while len(lines) <= limit and (entry := await walk.next()) is not None:
            lines += _lines(entry, passed if entry.after == key else None)
            if walk.tired:
                break
        rest = None if walk.ended else (walk.after, "")
        if len(lines) > limit:
            lines = lines[:limit]
            rest = lines[-1].place
        uploads = await self._uploads([line.upload for line in lines if line.upload])
        prefixes = tuple(line.key for line in lines if not line.upload)
        return UploadsPage(tuple(uploads), prefixes, rest)

    async def _passed(self, marker: str) -> Opened:
        """
        The last upload that was shown, as far as can be told.

        When it was aborted meanwhile its place is not known any more, and those of its key
        are shown from the first on: some twice rather than one not at all.
        """
        item = await self._items.get(*upload_place(marker))
        return Opened(0.0, "") if item is None else Opened(upload_of(item).initiated, marker)

    async def _uploads(self, names: Sequence[str]) -> list[MultipartUpload]:
        """Those that are still open."""
        found: list[MultipartUpload] = []
        for first in range(0, len(names), MAX_PLACES):
            places = [upload_place(name) for name in names[first : first + MAX_PLACES]]
            rows = await self._items.get_many(places)
            found += [upload_of(item) for item in rows if item is not None and is_open(item)]
        return found


def _lines(entry: Entry, passed: Opened | None) -> list[Line]:
    if entry.item is None:
        return [Line(entry.after, "")]
    opened = opened_of(entry.item)
    if passed is not None:
        opened = [one for one in opened if (one.initiated, one.id) > (passed.initiated, passed.id)]
    return [Line(entry.after, one.id) for one in opened]
