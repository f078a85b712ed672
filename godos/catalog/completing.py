"""The end of an upload in parts that makes an object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from twisted.internet.interfaces import IReactorTime

from godos.catalog.commits import Commits
from godos.catalog.conditions import check_condition
from godos.catalog.items import Action, Delete, Item, Put, RevIs
from godos.catalog.manifests import Draft, Manifests, lively
from godos.catalog.parts import Parts
from godos.catalog.places import reference_place
from godos.catalog.records import fields, row
from godos.catalog.upload_records import completed, upload_item, upload_of
from godos.catalog.uploads import Uploads, due, is_open
from godos.model.errors import (
    Conflict,
    InvalidPart,
    InvalidRequest,
    NoSuchKey,
    PreconditionFailed,
)
from godos.model.multipart import MAX_PARTS, MultipartUpload, Part
from godos.model.versions import Bucket, NewVersion, ObjectVersion, WriteCondition


class Completing:
    def __init__(
        self,
        commits: Commits,
        uploads: Uploads,
        parts: Parts,
        manifests: Manifests,
        clock: IReactorTime,
        draw_id: Callable[[], str],
    ) -> None:
        self._commits, self._uploads, self._parts = commits, uploads, parts
        self._manifests, self._clock, self._draw_id = manifests, clock, draw_id

    async def complete(
        self,
        bucket: Bucket,
        upload: MultipartUpload,
        parts: Sequence[Part],
        new: NewVersion,
        condition: WriteCondition,
    ) -> ObjectVersion:
        """As ICatalog.complete."""
        if new.manifest is None:
            raise InvalidRequest("an object that is made of parts needs the id of their list")
        item = await self._uploads.named(bucket, upload.key, upload.id)
        if not is_open(item):
            return _result(item)
        await self.check_standing(upload, parts)
        draft = await self._manifests.draft(new.manifest, parts)
        assembled = _Assembled(self, bucket, upload, parts, draft, item.rev or "")
        check = partial(check_condition, condition, upload.key)
        try:
            return await self._commits.commit(bucket, upload.key, new, check, assembled)
        except _Completed as before:
            return before.result
        except (NoSuchKey, PreconditionFailed):
            item = await self.row(bucket, upload)
            if is_open(item):
                raise
            return _result(item)  # another completed it, and so the key is as it is

    async def row(self, bucket: Bucket, upload: MultipartUpload) -> Item:
        """The row of the upload as it stands.  Fails: NoSuchUpload."""
        return await self._uploads.named(bucket, upload.key, upload.id)

    async def check_draft(self, draft: Draft) -> None:
        """Fails: Conflict: the collector has taken it, for this took too long."""
        if not await self._manifests.is_draft(draft):
            raise Conflict("completing the upload took too long: try again")

    async def check_standing(self, upload: MultipartUpload, parts: Sequence[Part]) -> None:
        """Fails: InvalidPart: one of them is not, or not any more, the one of its number."""
        standing: dict[int, str] = {}
        after: int | None = 0
        while after is not None:
            page = await self._parts.page(upload, after, MAX_PARTS)
            standing |= {part.number: part.reference for part in page.parts}
            after = page.next
        for part in parts:
            if standing.get(part.number) != part.reference:
                raise InvalidPart(
                    f"part {part.number} is not there, or was uploaded anew meanwhile"
                )

    async def ending(
        self, item: Item, version: ObjectVersion, operation: str, now: float
    ) -> list[Action]:
        """What turns an open upload into a completed one."""
        upload = upload_of(item)
        put = upload_item(completed(upload, version, operation), fields(item)["bid"], now)
        return [
            Put(put, RevIs(upload.rev)),
            *await self._uploads.closing(item, operation),
            Put(due(upload.id, now, operation)),
        ]


class _Completed(Exception):
    """The upload was completed before: by another, or by a call whose outcome was unknown."""

    def __init__(self, result: ObjectVersion) -> None:
        super().__init__("the upload was completed before")
        self.result = result


class _Assembled:
    """How the commit of an object of parts gets hold of them: through their list."""

    lasting = True  # a completed upload is remembered for days

    def __init__(
        self,
        completing: Completing,
        bucket: Bucket,
        upload: MultipartUpload,
        parts: Sequence[Part],
        draft: Draft,
        checked: str,
    ) -> None:
        self._completing, self._bucket, self._upload = completing, bucket, upload
        self._parts, self._draft = parts, draft
        self._checked = checked  # rev of the upload's row, read before the parts were
        self._operation = ""

    async def actions(self, version: ObjectVersion, now: float) -> list[Action]:
        operation = self._operation = version.reference
        item = await self._completing.row(self._bucket, self._upload)
        if not is_open(item):
            raise _Completed(_result(item))
        if item.rev != self._checked:
            await self._completing.check_standing(self._upload, self._parts)
            self._checked = item.rev or ""
        manifest = self._draft.manifest
        return [
            lively(self._draft, operation),
            Put(row(*reference_place(manifest, operation), operation)),
            Delete(*self._draft.work),
            *await self._completing.ending(item, version, operation, now),
        ]

    async def check(self) -> None:
        """Fails: Conflict."""
        await self._completing.check_draft(self._draft)

    async def traces(self) -> bool:
        item = await self._completing.row(self._bucket, self._upload)
        return not is_open(item) and _result(item).reference == self._operation


def _result(item: Item) -> ObjectVersion:
    result = upload_of(item).result
    if result is None:
        raise Conflict("an upload is said to be completed, and not with what")
    return result
