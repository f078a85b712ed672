"""Uploads in parts, in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import md5
from typing import Any

from attrs import evolve

from godos.deferreds import deferred
from godos.model.bodies import IBody
from godos.model.errors import AccessDenied, InvalidEncryption, InvalidRange, NoSuchUpload
from godos.model.multipart import MultipartUpload, Part, PartsPage, UploadsPage, UploadState
from godos.model.names import new_id
from godos.model.objects import CompleteRequest, CopySource, NewUpload, PutRequest
from godos.model.versions import ObjectVersion
from godos.objects.completion import (
    check_order,
    check_whole,
    checksums_of,
    chosen_parts,
    etag_of,
)
from godos.objects.defaults import default_encryption, with_retention
from tests.memory_space import OpenUpload, Space, Stored, check_key, descriptor, verified

ANY_SIZE = 1 << 40


class MemoryUploads:
    """The part of `MemoryObjects` that is `IUploads`."""

    _now: Callable[[], float]
    _space: Callable[[str], Space]
    _version: Callable[..., ObjectVersion]
    _source: Callable[[CopySource], tuple[ObjectVersion, bytes]]

    @deferred
    async def create_upload(self, bucket: str, key: str, new: NewUpload) -> MultipartUpload:
        space = self._space(bucket)
        encryption = new.encryption or default_encryption(space.settings)
        attributes = evolve(new.attributes, encryption=descriptor(encryption))
        upload = MultipartUpload(
            new_id(),
            bucket,
            key,
            self._now(),
            new.initiator,
            with_retention(attributes, space.bucket, {}, self._now()),
            new.checksum,
            new.checksum_type,
            rev=new_id(),
        )
        space.uploads[upload.id] = OpenUpload(upload)
        return upload

    @deferred
    async def upload(self, bucket: str, key: str, upload_id: str) -> MultipartUpload:
        return self._open(bucket, key, upload_id).upload

    def _open(self, bucket: str, key: str, upload_id: str) -> OpenUpload:
        found = self._space(bucket).open_upload(key, upload_id)
        if found.upload.state is UploadState.COMPLETED:
            raise NoSuchUpload("the upload was completed")
        return found

    @deferred
    async def upload_part(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        number: int,
        body: IBody,
        request: PutRequest,
    ) -> Part:
        upload = self._open(bucket, key, upload_id).upload
        encryption = request.encryption
        check_key_of_upload(upload, encryption.key if encryption else None)
        self._space(bucket).check_quota(None, body.length or 0, 0)
        data = b"".join(await body.collect(ANY_SIZE))
        return self._store(bucket, upload, number, data, request)

    def _store(
        self, bucket: str, upload: MultipartUpload, number: int, data: bytes, request: PutRequest
    ) -> Part:
        request = evolve(request, checksum=request.checksum or upload.checksum)
        checksums = verified(data, request)
        part = Part(
            number,
            len(data),
            md5(data).hexdigest(),
            new_id() if data else None,
            new_id(),
            self._now(),
            checksums,
        )
        self._open(bucket, upload.key, upload.id).parts[number] = part, data
        return part

    @deferred
    async def copy_part(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        number: int,
        source: CopySource,
        request: PutRequest,
    ) -> Part:
        upload = self._open(bucket, key, upload_id).upload
        encryption = request.encryption
        check_key_of_upload(upload, encryption.key if encryption else None)
        version, data = self._source(source)
        wanted = source.request.range
        if wanted is not None:
            first, last = wanted.first or 0, wanted.last or 0
            if last >= version.size:
                raise InvalidRange(version.size)
            data = data[first : last + 1]
        self._space(bucket).check_quota(None, len(data), 0)
        return self._store(bucket, upload, number, data, request)

    @deferred
    async def parts(
        self, bucket: str, key: str, upload_id: str, after: int, limit: int
    ) -> PartsPage:
        stored = self._open(bucket, key, upload_id).parts
        return page_of_parts((stored[number][0] for number in sorted(stored)), after, limit)

    @deferred
    async def parts_of(self, version: ObjectVersion, after: int, limit: int) -> PartsPage:
        for stored in self._space(version.bucket).keys.get(version.key, []):
            if stored.version.reference == version.reference:
                return page_of_parts(stored.parts, after, limit)
        return PartsPage((), None)

    @deferred
    async def complete_upload(
        self, bucket: str, key: str, upload_id: str, request: CompleteRequest
    ) -> ObjectVersion:
        space = self._space(bucket)
        found = space.open_upload(key, upload_id)
        upload = found.upload
        if upload.result is not None:
            return upload.result
        check_order(request.parts)
        if request.customer_key is not None or upload.checksum:
            check_key_of_upload(upload, request.customer_key)
        stored = {number: part for number, (part, _) in found.parts.items()}
        parts = chosen_parts(request.parts, stored)
        checksums, kind = checksums_of(upload, parts)
        check_whole(request, upload, parts, checksums)
        space.check_write(key, request.condition)
        space.check_quota(key, 0, 1)
        data = b"".join(found.parts[part.number][1] for part in parts)
        version = evolve(
            self._version(space, key, etag_of(parts), len(data)),
            attributes=with_retention(upload.attributes, space.bucket, space.settings, self._now()),
            checksums=checksums,
            checksum_type=kind,
            incarnation=None,
            manifest=new_id(),
            parts=len(parts),
        )
        space.push(Stored(version, data, parts))
        found.upload = evolve(upload, state=UploadState.COMPLETED, result=version)
        found.parts.clear()
        return version

    @deferred
    async def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        self._open(bucket, key, upload_id)
        del self._space(bucket).uploads[upload_id]

    @deferred
    async def uploads(
        self, bucket: str, prefix: str, delimiter: str, after: tuple[str, str], limit: int
    ) -> UploadsPage:
        """In the byte order of the keys; within a key by age."""
        opened = [
            each.upload
            for each in self._space(bucket).uploads.values()
            if each.upload.state is UploadState.OPEN and each.upload.key.startswith(prefix)
        ]
        opened.sort(key=lambda upload: upload.key.encode("utf-8"))
        return page_of_uploads(opened, prefix, delimiter, after, limit)


def check_key_of_upload(upload: MultipartUpload, key: bytes | None) -> None:
    """Fails: InvalidEncryption."""
    try:
        check_key(upload.attributes.encryption, key)
    except AccessDenied as error:
        raise InvalidEncryption("the upload was begun with another key") from error


def page_of_parts(parts: Iterable[Part], after: int, limit: int) -> PartsPage:
    """Up to `limit` parts after a number."""
    rest = [part for part in parts if part.number > after]
    shown = tuple(rest[:limit])
    return PartsPage(shown, shown[-1].number if shown and len(rest) > limit else None)


def page_of_uploads(
    uploads: list[MultipartUpload],
    prefix: str,
    delimiter: str,
    after: tuple[str, str],
    limit: int,
) -> UploadsPage:
    """Up to `limit` uploads and common prefixes after (key, upload id)."""
    shown: list[MultipartUpload] = []
    prefixes: list[str] = []
    last: tuple[str, str] = ("", "")
    for upload in _after(uploads, after):
        rest = upload.key[len(prefix) :]
        common = prefix + rest.partition(delimiter)[0] + delimiter if delimiter else ""
        if not delimiter or delimiter not in rest:
            common = ""
        if common and (common in prefixes or after[0].startswith(common)):
            continue
        if len(shown) + len(prefixes) == limit:
            return UploadsPage(tuple(shown), tuple(prefixes), last)
        last = (common, "") if common else (upload.key, upload.id)
        if common:
            prefixes.append(common)
        else:
            shown.append(upload)
    return UploadsPage(tuple(shown), tuple(prefixes), None)


def _after(uploads: list[MultipartUpload], after: tuple[str, str]) -> Iterable[MultipartUpload]:
    key, upload_id = after
    same: Any = [upload.id for upload in uploads if upload.key == key]
    passed = same[: same.index(upload_id) + 1] if upload_id in same else same
    for upload in uploads:
        if upload.key.encode() > key.encode() or (upload.key == key and upload.id not in passed):
            yield upload
