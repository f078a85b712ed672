"""Uploads in parts: begun, filled part by part, and completed or given up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from godos.model.bodies import IBody
from godos.model.catalog import ICatalog
from godos.model.encryption import DataKey, Encryption, IKeys
from godos.model.errors import (
    Conflict,
    InvalidEncryption,
    InvalidRange,
    NoSuchUpload,
)
from godos.model.multipart import (
    MultipartUpload,
    NewPart,
    Part,
    PartsPage,
    UploadsPage,
    UploadState,
)
from godos.model.names import new_id
from godos.model.objects import CompleteRequest, CopySource, NewUpload, PutRequest
from godos.model.versions import Bucket, NewVersion, ObjectVersion
from godos.objects.completion import (
    check_order,
    check_whole,
    checksums_of,
    chosen_parts,
    etag_of,
)
from godos.objects.copying import SourceReader, shares
from godos.objects.defaults import Defaults
from godos.objects.passing import ReadBody
from godos.objects.provenance import part_origin
from godos.objects.sources import Sources
from godos.objects.storing import Stored, Storer

PAGE = 1000  # parts that are read at a time
EVENT = "ObjectCreated:CompleteMultipartUpload"

_log = Logger()


class Uploads:
    """
    Args:
        keys: make and open the data keys of encrypted uploads.
        now: seconds since the epoch.
    """

    def __init__(
        self,
        catalog: ICatalog,
        storer: Storer,
        sources: Sources,
        reader: SourceReader,
        keys: IKeys,
        defaults: Defaults,
        now: Callable[[], float],
    ) -> None:
        self._catalog = catalog
        self._storer = storer
        self._sources = sources
        self._reader = reader
        self._keys = keys
        self._defaults = defaults
        self._now = now

    # -- begin ------------------------------------------------------------------------------
    async def create(self, bucket: str, key: str, new: NewUpload) -> MultipartUpload:
        """See `IUploads.create_upload`.  One data key is made for all parts."""
        found = await self._catalog.bucket(bucket)
        attributes = await self._defaults.attributes(found, new.attributes)
        encryption = await self._defaults.encryption(found, new.encryption)
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
        return (await self._open(bucket, key, upload_id))[1]

    async def _open(self, bucket: str, key: str, upload_id: str) -> tuple[Bucket, MultipartUpload]:
        found = await self._catalog.bucket(bucket)
        upload = await self._catalog.upload(found, key, upload_id)
        if upload.state is not UploadState.OPEN:
            raise NoSuchUpload(f"the upload {upload_id} was completed")
        return found, upload

    # -- parts ------------------------------------------------------------------------------
    async def put_part(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        number: int,
        body: IBody,
        request: PutRequest,
    ) -> Part:
        """See `IUploads.upload_part`."""
        found, upload = await self._open(bucket, key, upload_id)
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
            )
            return self._catalog.put_part(upload, bucket, new)

        origin = part_origin(bucket, upload, number, modified)
        return await self._storer.store(body, request, origin, data_key, commit)

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
        opened: DataKey = await self._keys.open(descriptor, customer_key)
        return opened

    async def copy_part(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        number: int,
        source: CopySource,
        request: PutRequest,
    ) -> Part:
        """See `IUploads.copy_part`.  A whole object becomes a part without moving its bytes."""
        found, upload = await self._open(bucket, key, upload_id)
        checksum = request.checksum or upload.checksum
        if source.request.range is None:
            version = await self._reader.find(source)
            if is_part(version, upload, checksum):
                try:
                    return await self._referred(found, upload, number, version)
                except Conflict as conflict:
                    _log.info("a part is copied byte by byte: {error}", error=conflict)
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
        part: Part = await self._catalog.put_part(upload, bucket, new)
        return part

    async def parts(
        self, bucket: str, key: str, upload_id: str, after: int, limit: int
    ) -> PartsPage:
        """See `IUploads.parts`."""
        _, upload = await self._open(bucket, key, upload_id)
        found: list[Part] = []
        while True:
            page: PartsPage = await self._catalog.parts(upload, after, limit - len(found))
            found += page.parts
            if page.next is None or len(found) >= limit:
                return PartsPage(tuple(found), page.next)
            after = page.next

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
        parts = chosen_parts(request.parts, await self._all(upload))
        checksums, kind = checksums_of(upload, parts)
        check_whole(request, upload, parts, checksums)
        new = NewVersion(
            operation=new_id(),
            etag=etag_of(parts),
            size=sum(part.size for part in parts),
            modified=self._now(),
            blob=None,
            attributes=await self._defaults.attributes(found, upload.attributes),
            checksums=checksums,
            checksum_type=kind,
            manifest=new_id(),
            parts=len(parts),
            event=EVENT,
        )
        version: ObjectVersion = await self._catalog.complete(
            found, upload, parts, new, request.condition
        )
        return version

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
        found, upload = await self._open(bucket, key, upload_id)
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
