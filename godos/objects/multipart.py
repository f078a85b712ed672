"""Uploads in parts: how they begin and end; `godos.objects.parts` fills them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from attrs import evolve

from godos.model.catalog import ICatalog
from godos.model.encryption import Cipher, IKeys
from godos.model.errors import Conflict, InvalidPart
from godos.model.multipart import MultipartUpload, Part, PartsPage, UploadsPage
from godos.model.names import new_id
from godos.model.objects import CompleteRequest, NewUpload
from godos.model.versions import Bucket, NewVersion, ObjectVersion
from godos.objects.completion import (
    check_order,
    check_whole,
    checksums_of,
    chosen_parts,
    etag_of,
)
from godos.objects.defaults import check_lock, default_encryption, with_retention
from godos.objects.keys import check_customer_key
from godos.objects.parts import open_key, open_upload
from godos.objects.quotas import Amount, Quotas

PAGE = 1000  # parts that are read at a time
LOOKS = 5  # how often parts are read again that others replace
EVENT = "ObjectCreated:CompleteMultipartUpload"


class Uploads:
    """
    Args:
        keys: make the data keys of encrypted uploads.
        now: seconds since the epoch.
    """

    def __init__(
        self, catalog: ICatalog, keys: IKeys, quotas: Quotas, now: Callable[[], float]
    ) -> None:
        self._catalog = catalog
        self._keys = keys
        self._quotas = quotas
        self._now = now

    # -- begin ------------------------------------------------------------------------------
    async def create(self, bucket: str, key: str, new: NewUpload) -> MultipartUpload:
        """See `IUploads.create_upload`.  One data key is made for all parts."""
        found = await self._catalog.bucket(bucket)
        check_lock(new.attributes, found)  # the bucket's own begins when the object is made
        attributes = new.attributes
        settings = await self._catalog.settings(found)
        encryption = new.encryption or default_encryption(settings)
        if encryption is not None:
            data_key = await self._keys.make(encryption)
            attributes = evolve(attributes, encryption=data_key.descriptor)
        upload = MultipartUpload(
            id=new_id(),
            bucket=bucket,
            key=key,
            initiated=self._now(),
            initiator=new.initiator,
            attributes=attributes,
            checksum=new.checksum,
            checksum_type=new.checksum_type,
        )
        begun: MultipartUpload = await self._catalog.create_upload(found, upload)
        return begun

    async def find(self, bucket: str, key: str, upload_id: str) -> MultipartUpload:
        """See `IUploads.upload`."""
        _, upload = await open_upload(self._catalog, bucket, key, upload_id)
        return upload

    # -- the end ----------------------------------------------------------------------------
    async def complete(
        self, bucket: str, key: str, upload_id: str, request: CompleteRequest
    ) -> ObjectVersion:
        """See `IUploads.complete_upload`."""
        found = await self._catalog.bucket(bucket)
        upload: MultipartUpload = await self._catalog.upload(found, key, upload_id)
        if upload.result is not None:
            return upload.result
        check_order(request.parts)
        await self._check_key(upload, request.customer_key)
        settings = await self._catalog.settings(found)
        for _ in range(LOOKS):
            try:
                parts = chosen_parts(request.parts, await self._all(upload))
            except InvalidPart:  # or the upload has ended since it was read
                standing = await self._catalog.upload(found, key, upload_id)
                if standing.result is not None:
                    return standing.result
                raise
            new = self._assembled(found, settings, upload, parts, request)
            end = partial(self._catalog.complete, found, upload, parts, new, request.condition)
            try:  # the bytes of the parts were counted when they came
                return await self._quotas.spend(found, settings, Amount(0, 1), key, end)
            except InvalidPart:
                continue  # one was sent anew since it was read: it may be as good as before
        raise Conflict("parts of the upload are being sent anew all the time: complete it again")

    async def _check_key(self, upload: MultipartUpload, customer_key: bytes | None) -> None:
        """
        Let only who has the parts' key end an upload of a customer's key with checksums.

        Without checksums S3 asks for no key, and clients send none; a wrong one is refused.
        Source: Amazon S3 API Reference, CompleteMultipartUpload.

        Fails: InvalidEncryption.
        """
        descriptor = upload.attributes.encryption
        if descriptor is None or descriptor["cipher"] != Cipher.CUSTOMER:
            check_customer_key(descriptor, customer_key)
        elif customer_key is not None or upload.checksum:
            await open_key(self._keys, descriptor, customer_key)

    def _assembled(
        self,
        bucket: Bucket,
        settings: Mapping[str, Any],
        upload: MultipartUpload,
        parts: Sequence[Part],
        request: CompleteRequest,
    ) -> NewVersion:
        """What the object of these parts is to be."""
        checksums, kind = checksums_of(upload, parts)
        check_whole(request, upload, parts, checksums)
        return NewVersion(
            operation=new_id(),
            etag=etag_of(parts),
            size=sum(part.size for part in parts),
            modified=self._now(),
            blob=None,
            attributes=with_retention(upload.attributes, bucket, settings, self._now()),
            checksums=checksums,
            checksum_type=kind,
            manifest=new_id(),
            parts=len(parts),
            event=EVENT,
        )

    async def _all(self, upload: MultipartUpload) -> Mapping[int, Part]:
        """All parts so far, by number."""
        found: dict[int, Part] = {}
        after: int | None = 0
        while after is not None:
            page: PartsPage = await self._catalog.parts(upload, after, PAGE)
            found |= {part.number: part for part in page.parts}
            after = page.next
        return found

    async def abort(self, bucket: str, key: str, upload_id: str) -> None:
        """See `IUploads.abort_upload`."""
        found, upload = await open_upload(self._catalog, bucket, key, upload_id)
        await self._catalog.abort(found, upload)

    # -- what there is ----------------------------------------------------------------------
    async def listing(
        self, bucket: str, prefix: str, delimiter: str, after: tuple[str, str], limit: int
    ) -> UploadsPage:
        """See `IUploads.uploads`; a page is full unless it is the last."""
        found = await self._catalog.bucket(bucket)
        uploads: list[MultipartUpload] = []
        prefixes: list[str] = []
        while (missing := limit - len(uploads) - len(prefixes)) > 0:
            page: UploadsPage = await self._catalog.uploads(
                found, prefix, delimiter, after, missing
            )
            uploads += page.uploads
            prefixes += page.common_prefixes
            if page.next is None:
                return UploadsPage(tuple(uploads), tuple(prefixes), None)
            after = page.next
        return UploadsPage(tuple(uploads), tuple(prefixes), after if limit > 0 else None)

    async def parts_of(self, version: ObjectVersion, after: int, limit: int) -> PartsPage:
        """See `IUploads.parts_of`."""
        if version.manifest is None:
            return PartsPage((), None)
        parts = await self._catalog.manifest(version.manifest)
        rest = [part for part in parts if part.number > after]
        shown = tuple(rest[:limit])
        return PartsPage(shown, shown[-1].number if shown and len(rest) > len(shown) else None)

    async def incarnations(self, version: ObjectVersion) -> Sequence[str]:
        """The blobs that hold a version's bytes, in their order."""
        if version.manifest is None:
            return [] if version.incarnation is None else [version.incarnation]
        parts = await self._catalog.manifest(version.manifest)
        return [part.incarnation for part in parts if part.incarnation is not None]
