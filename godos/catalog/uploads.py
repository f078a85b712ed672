"""Uploads in parts: their beginning, and their end without an object."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from attrs import evolve
from twisted.internet.interfaces import IReactorTime

from godos.catalog.buckets import Buckets
from godos.catalog.items import Absent, Action, Delete, IItemStore, Item, Put, RevIs
from godos.catalog.places import due_place, open_place, upload_place
from godos.catalog.records import fields, row
from godos.catalog.upload_records import (
    Opened,
    is_of,
    opened_item,
    opened_of,
    upload_item,
    upload_of,
)
from godos.catalog.writing import Backoff, Turns, Writer
from godos.model.errors import InvalidRequest, NoSuchUpload
from godos.model.multipart import MultipartUpload, UploadState
from godos.model.versions import Bucket

KEPT = 7 * 24 * 3600.0  # seconds without a sign of life after which an upload is ended
MOST_OPEN = 4000  # uploads of one key; they are named in one row
_LONGEST_ID = 128


class Uploads:
    """
    Each upload has a row of its own, and is named in the row of its key while it is open.

    The rows of keys are what a listing walks over: their sort keys are the keys themselves,
    and so in the right order however long the keys are.
    """

    def __init__(
        self,
        items: IItemStore,
        writer: Writer,
        backoff: Backoff,
        buckets: Buckets,
        clock: IReactorTime,
        draw_id: Callable[[], str],
    ) -> None:
        self._items, self._writer, self._backoff = items, writer, backoff
        self._buckets, self._clock, self._draw_id = buckets, clock, draw_id

    async def create(self, bucket: Bucket, upload: MultipartUpload) -> MultipartUpload:
        """As ICatalog.create_upload; Fails besides: Conflict."""
        begun = evolve(
            upload, bucket=bucket.name, state=UploadState.OPEN, result=None, rev=self._draw_id()
        )
        turns = Turns(self._backoff, f"the uploads of {upload.key!r}")
        while await turns.next():
            today = await self._buckets.writable(bucket)
            refusal = await self._writer.write(
                [
                    Put(upload_item(begun, today.bucket.id), Absent()),
                    await self._opening(today.bucket, begun),
                    Put(due(begun.id, begun.initiated + KEPT, begun.rev)),
                    *self._buckets.checks(today),
                ],
                partial(self._buckets.leave, today),
            )
            if refusal is None or refusal.is_own(begun.rev):
                return begun
            refusal.or_unknown()
            standing = await self.row(begun.id)
            if standing is not None and standing.rev == begun.rev:
                return begun
            self._buckets.forget(bucket.name)
        raise AssertionError("unreachable")

    async def get(self, bucket: Bucket, key: str, upload_id: str) -> MultipartUpload:
        """As ICatalog.upload."""
        return upload_of(await self.named(bucket, key, upload_id))

    async def named(self, bucket: Bucket, key: str, upload_id: str) -> Item:
        """The row.  Fails: NoSuchUpload."""
        item = await self.row(upload_id)
        if item is None or not is_of(item, bucket, key):
            raise no_such_upload(upload_id, key)
        return item

    async def row(self, upload_id: str) -> Item | None:
        """The row with that id; a text of another form names none."""
        if not 1 <= len(upload_id) <= _LONGEST_ID or not upload_id.isascii():
            return None
        return await self._items.get(*upload_place(upload_id))

    async def abort(self, bucket: Bucket, upload: MultipartUpload) -> None:
        """As ICatalog.abort; Fails besides: Conflict."""
        turns = Turns(self._backoff, f"the uploads of {upload.key!r}")
        resent = False
        while await turns.next():
            item = await self.row(upload.id)
            if item is None and resent:
                return  # by an earlier sending, whose answer was lost
            if item is None or not is_of(item, bucket, upload.key) or not is_open(item):
                raise no_such_upload(upload.id, upload.key)
            refusal = await self._writer.write(await self.aborting(item))
            if refusal is None:
                return
            refusal.or_unknown()
            resent = resent or refusal.resent

    async def aborting(self, item: Item) -> list[Action]:
        """What ends an open upload without an object; its parts are cleared soon."""
        upload = upload_of(item)
        return [
            Delete(item.p, item.s, RevIs(upload.rev)),
            *await self.closing(item, self._draw_id()),
            Put(due(upload.id, self._clock.seconds(), self._draw_id())),
        ]

    async def closing(self, item: Item, operation: str) -> list[Action]:
        """What takes an upload from those that its key's row names."""
        upload, bucket_id = upload_of(item), fields(item)["bid"]
        place = open_place(bucket_id, upload.key)
        standing = await self._items.get(*place)
        if standing is None:
            return []
        unchanged = RevIs(standing.rev or "")
        left = [one for one in opened_of(standing) if one.id != upload.id]
        if not left:
            return [Delete(*place, unchanged)]
        return [Put(opened_item(bucket_id, upload.key, left, operation), unchanged)]

    async def _opening(self, bucket: Bucket, upload: MultipartUpload) -> Put:
        standing = await self._items.get(*open_place(bucket.id, upload.key))
        opened = [] if standing is None else opened_of(standing)
        if len(opened) >= MOST_OPEN:
            raise InvalidRequest(
                f"{MOST_OPEN} uploads of {upload.key!r} are open: complete or abort some"
            )
        more = [*opened, Opened(upload.initiated, upload.id)]
        put = opened_item(bucket.id, upload.key, more, upload.rev)
        return Put(put, Absent() if standing is None else RevIs(standing.rev or ""))


def due(upload_id: str, when: float, operation: str) -> Item:
    """The row that has an upload looked at from `when` (seconds since the epoch) on."""
    return row(*due_place(upload_id, when), operation)


def is_open(item: Item) -> bool:
    return item.state == UploadState.OPEN


def no_such_upload(upload_id: str, key: str) -> NoSuchUpload:
    return NoSuchUpload(f"{key!r} has no upload {upload_id[:80]!r}: it was ended, or never begun")
