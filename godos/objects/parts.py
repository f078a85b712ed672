"""The parts of an upload: sent by a client, or copied from objects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from godos.model.bodies import IBody
from godos.model.catalog import ICatalog
from godos.model.encryption import DataKey, Encryption, IKeys
from godos.model.errors import AccessDenied, Conflict, InvalidEncryption, InvalidRange, NoSuchUpload
from godos.model.multipart import MultipartUpload, NewPart, Part, PartsPage, UploadState
from godos.model.names import new_id
from godos.model.objects import CopySource, PutRequest
from godos.model.versions import Bucket, ObjectVersion
from godos.objects.copying import SourceReader, shares
from godos.objects.passing import ReadBody
from godos.objects.provenance import part_origin
from godos.objects.quotas import Amount, Quotas
from godos.objects.redundancy import Redundancy
from godos.objects.sources import Sources
from godos.objects.stored import Stored
from godos.objects.storing import Storer


class Parts:
    """
    Args:
        keys: open the data keys of encrypted uploads.
        now: seconds since the epoch.
    """

    _log = Logger()

    def __init__(
        self,
        catalog: ICatalog,
        storer: Storer,
        sources: Sources,
        reader: SourceReader,
        keys: IKeys,
        quotas: Quotas,
        redundancy: Redundancy,
        now: Callable[[], float],
    ) -> None:
        self._catalog = catalog
        self._storer = storer
        self._sources = sources
        self._reader = reader
        self._keys = keys
        self._quotas = quotas
        self._redundancy = redundancy
        self._now = now

    async def put(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        number: int,
        body: IBody,
        request: PutRequest,
    ) -> Part:
        """See `IUploads.upload_part`."""
        found, upload = await open_upload(self._catalog, bucket, key, upload_id)
        return await self._stored(found, upload, number, body, request)

    async def _stored(
        self,
        bucket: Bucket,
        upload: MultipartUpload,
        number: int,
        body: IBody,
        request: PutRequest,
    ) -> Part:
        """Store bytes as a part."""
        request = evolve(request, checksum=request.checksum or upload.checksum)
        data_key = await self._data_key(upload, request.encryption)
        modified = self._now()

        def commit(stored: Stored) -> Deferred[Part]:
            new = NewPart(
                operation=new_id(),
                number=number,
                size=stored.size,
                etag=stored.etag,
                modified=modified,
                blob=stored.blob,
                checksums=stored.checksums,
                repair=stored.repair,
            )
            return self._catalog.put_part(upload, bucket, new)

        origin = part_origin(bucket, upload, number, modified)
        settings = await self._catalog.settings(bucket)
        way = self._redundancy.way(settings, upload.attributes.storage_class)
        return await self._within_quota(
            bucket,
            settings,
            body.length,
            lambda: self._storer.store(body, request, origin, data_key, commit, way),
        )

    async def _within_quota(
        self,
        bucket: Bucket,
        settings: Mapping[str, Any],
        size: int | None,
        work: Callable[[], Awaitable[Part]],
    ) -> Part:
        """A part counts as bytes; only its upload's end makes an object."""
        asked = Amount(size or 0)
        return await self._quotas.spend(
            bucket, settings, asked, None, work, measured=size is not None
        )

    async def _data_key(
        self, upload: MultipartUpload, encryption: Encryption | None
    ) -> DataKey | None:
        """The key of all the upload's parts.  Fails: InvalidEncryption, AccessDenied."""
        customer_key = encryption.key if encryption is not None else None
        descriptor = upload.attributes.encryption
        if descriptor is None:
            if customer_key is not None:
                raise InvalidEncryption(
                    "the upload was begun without a customer's key: its parts have none either"
                )
            return None
        return await open_key(self._keys, descriptor, customer_key)

    async def copy(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        number: int,
        source: CopySource,
        request: PutRequest,
    ) -> Part:
        """See `IUploads.copy_part`.  A whole object becomes a part without moving its bytes."""
        found, upload = await open_upload(self._catalog, bucket, key, upload_id)
        checksum = request.checksum or upload.checksum
        if source.request.range is None:
            version = await self._reader.find(source)
            if is_part(version, upload, checksum):
                try:
                    return await self._referred(found, upload, number, version)
                except Conflict as conflict:
                    self._log.info("a part is copied byte by byte: {error}", error=conflict)
        read = await self._reader.open(source)
        try:
            check_within(source, read.version)
            return await self._stored(found, upload, number, ReadBody(read), request)
        finally:
            await read.close()

    async def _referred(
        self, bucket: Bucket, upload: MultipartUpload, number: int, version: ObjectVersion
    ) -> Part:
        """A part that refers to the bytes of an object."""
        blob = None
        if version.incarnation is not None:
            blob = await self._sources.rows.get(version.incarnation)
        new = NewPart(
            operation=new_id(),
            number=number,
            size=version.size,
            etag=version.etag,
            modified=self._now(),
            blob=blob,
            checksums=version.checksums,
        )
        settings = await self._catalog.settings(bucket)
        return await self._within_quota(
            bucket, settings, version.size, lambda: self._catalog.put_part(upload, bucket, new)
        )

    async def so_far(
        self, bucket: str, key: str, upload_id: str, after: int, limit: int
    ) -> PartsPage:
        """See `IUploads.parts`."""
        _, upload = await open_upload(self._catalog, bucket, key, upload_id)
        found: list[Part] = []
        while True:
            page: PartsPage = await self._catalog.parts(upload, after, limit - len(found))
            found += page.parts
            if page.next is None or len(found) >= limit:
                return PartsPage(tuple(found), page.next)
            after = page.next


async def open_upload(
    catalog: ICatalog, bucket: str, key: str, upload_id: str
) -> tuple[Bucket, MultipartUpload]:
    """
    An upload that still takes parts.

    Fails: NoSuchBucket, NoSuchUpload: also when it was completed.
    """
    found: Bucket = await catalog.bucket(bucket)
    upload: MultipartUpload = await catalog.upload(found, key, upload_id)
    if upload.state is not UploadState.OPEN:
        raise NoSuchUpload(f"the upload {upload_id} was completed")
    return found, upload


def is_part(version: ObjectVersion, upload: MultipartUpload, checksum: str) -> bool:
    """
    Whether the bytes of `version` can be a part of `upload` as they are.

    They are one blob, and their ETag is the MD5 that the ETag of the whole is made of.
    """
    if version.manifest is not None or "-" in version.etag:
        return False
    if upload.attributes.encryption is not None:
        return False
    return shares(version, None, checksum)


def check_within(source: CopySource, version: ObjectVersion) -> None:
    """
    Raises:
        InvalidRange: the range of a part does not lie within the object that it is taken of.
            Source: Amazon S3 API Reference, "UploadPartCopy".
    """
    wanted = source.request.range
    if wanted is not None and wanted.last is not None and wanted.last >= version.size:
        raise InvalidRange(version.size)


async def open_key(
    keys: IKeys, descriptor: Mapping[str, Any], customer_key: bytes | None
) -> DataKey:
    """
    The key that an upload was begun with, for one of its parts or its end.

    Fails: InvalidEncryption: a customer's key is missing, not needed, or another.
    """
    try:
        opened: DataKey = await keys.open(descriptor, customer_key)
    except AccessDenied as error:
        # Nothing is read, so nobody is kept from it: the parts only do not fit together.
        raise InvalidEncryption(
            "the upload was begun with another customer's key than came now"
        ) from error
    return opened
