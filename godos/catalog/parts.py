"""Parts of an upload: each is made the one of its number by one transaction."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from godos.catalog.buckets import Buckets
from godos.catalog.commits import UNKNOWN
from godos.catalog.holdings import Stored
from godos.catalog.items import Absent, Action, Check, IItemStore, Item, Put, RevIs, StateIs
from godos.catalog.places import part_key, part_place, upload_partition, upload_place
from godos.catalog.plans import let_go, referenced
from godos.catalog.upload_records import is_of, new_part, part_item, part_of
from godos.catalog.uploads import is_open, no_such_upload
from godos.catalog.writing import Backoff, Refusal, Turns, Writer
from godos.model.errors import CommitUnknown, Unavailable
from godos.model.multipart import (
    MAX_PARTS,
    MultipartUpload,
    NewPart,
    Part,
    PartsPage,
    UploadState,
)
from godos.model.versions import Bucket


class Parts:
    """
    A part that takes another's place writes the upload's row as well, and so whoever
    completes the upload with the other is refused and looks again.  A part with a new
    number only checks that the upload is open: parts that come at once do not meet there.
    """

    def __init__(
        self,
        items: IItemStore,
        writer: Writer,
        backoff: Backoff,
        buckets: Buckets,
        clock: IReactorTime,
    ) -> None:
        self._items, self._writer, self._backoff = items, writer, backoff
        self._buckets, self._clock = buckets, clock

    async def put(self, upload: MultipartUpload, bucket: Bucket, new: NewPart) -> Part:
        """As ICatalog.put_part; Fails besides: NoSuchBucket."""
        part, stored = new_part(new), Stored(self._items, new)
        turns = Turns(self._backoff, f"part {new.number} of {upload.key!r}")
        while await turns.next():
            row = await self._buckets.writable(bucket)
            places = [upload_place(upload.id), part_place(upload.id, new.number)]
            item, standing = await self._items.get_many(places)
            if standing is not None and standing.rev == new.operation:
                return part  # done before: by a call whose outcome was unknown
            if item is None or not is_of(item, row.bucket, upload.key) or not is_open(item):
                raise no_such_upload(upload.id, upload.key)
            refusal = await self._writer.write(self._actions(item, standing, part, new))
            if refusal is None or await self._happened(upload, part, stored, refusal):
                return part
        raise AssertionError("unreachable")

    async def page(self, upload: MultipartUpload, after: int, limit: int) -> PartsPage:
        """As ICatalog.parts."""
        if limit < 1 or after >= MAX_PARTS:
            return PartsPage((), None)
        found: list[Item] = []
        start: bytes | None = part_key(max(after, 0) + 1)
        while start is not None and len(found) < limit:
            page = await self._items.query(
                upload_partition(upload.id),
                start,
                part_key(MAX_PARTS + 1),
                limit=limit - len(found),
            )
            found += page.items
            start = page.cursor
        parts = tuple(map(part_of, found))
        return PartsPage(parts, None if start is None else parts[-1].number)

    def _actions(
        self, upload: Item, standing: Item | None, part: Part, new: NewPart
    ) -> list[Action]:
        now, operation = self._clock.seconds(), new.operation
        put = part_item(upload.p.partition("#")[2], part)
        if standing is None:
            still_open = Check(upload.p, upload.s, StateIs(UploadState.OPEN.value))
            return [Put(put, Absent()), still_open, *referenced(new, now)]
        before = part_of(standing)
        return [
            Put(put, RevIs(before.reference)),
            Put(upload._replace(rev=operation), RevIs(upload.rev or "")),
            *referenced(new, now),
            *let_go(before.incarnation, before.reference, operation, now),
        ]

    async def _happened(
        self, upload: MultipartUpload, part: Part, stored: Stored, refusal: Refusal
    ) -> bool:
        """
        Whether a refused write was done by an earlier sending whose answer was lost.

        Fails:
            CommitUnknown: nobody can tell.
            Conflict: the existing bytes it refers to are being removed.
        """
        if not refusal.resent and not refusal.is_own(part.reference):
            await stored.check()
            return False
        try:
            standing = await self._items.get(*part_place(upload.id, part.number))
            if standing is not None and standing.rev == part.reference:
                return True
            if await stored.traces():
                return True  # it was there, and another has taken its place since
        except Unavailable as error:
            raise CommitUnknown(UNKNOWN) from error
        if refusal.settled and stored.lasting:
            return False
        raise CommitUnknown(UNKNOWN)
