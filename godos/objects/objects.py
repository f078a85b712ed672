"""The use cases of a user in one place: `IObjects` over catalog and nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from godos.deferreds import InThread, deferred
from godos.model.bodies import IBody
from godos.model.catalog import ICatalog
from godos.model.encryption import IKeys
from godos.model.locating import ILocator, Located
from godos.model.multipart import MultipartUpload, Part, PartsPage, UploadsPage
from godos.model.objects import (
    CompleteRequest,
    CopyRequest,
    CopySource,
    DeleteRequest,
    GetRequest,
    IObjects,
    NewUpload,
    Permit,
    PutRequest,
)
from godos.model.versions import (
    Bucket,
    Deleted,
    Listing,
    Lock,
    ObjectVersion,
    Versioning,
)
from godos.objects.amending import Amender
from godos.objects.copying import Copier, SourceReader
from godos.objects.defaults import with_defaults
from godos.objects.get import Getter, ObjectRead
from godos.objects.multipart import Uploads
from godos.objects.parts import Parts
from godos.objects.placing import Placer
from godos.objects.put import Putter
from godos.objects.quotas import QUOTA, Amount, Quotas
from godos.objects.reading import Blobs
from godos.objects.redundancy import Redundancy
from godos.objects.sharing import Sharing
from godos.objects.sources import Sources
from godos.objects.storing import Storer


@implementer(IObjects)
class Objects:
    """Puts the parts together; each use case lives in a module of its own."""

    def __init__(
        self,
        catalog: ICatalog,
        putter: Putter,
        getter: Getter,
        locator: ILocator,
        copier: Copier,
        uploads: Uploads,
        parts: Parts,
        amender: Amender,
        quotas: Quotas,
        now: Callable[[], float],
    ) -> None:
        self._catalog = catalog
        self._putter = putter
        self._getter = getter
        self._locator = locator
        self._copier = copier
        self._uploads = uploads
        self._parts = parts
        self._amender = amender
        self._quotas = quotas
        self._now = now

    @classmethod
    def over(
        cls,
        catalog: ICatalog,
        placer: Placer,
        sources: Sources,
        keys: IKeys,
        digest_thread: InThread,
        now: Callable[[], float],
        redundancy: Redundancy | None = None,
    ) -> Objects:
        """
        All use cases over their surroundings.

        Args:
            digest_thread: where large pieces are hashed, compressed, encrypted and coded.
            now: seconds since the epoch.
            redundancy: which policy an upload gets; None: its bucket's, or the placer's.
        """
        redundancy = redundancy or Redundancy({}, placer.policy)
        quotas = Quotas(catalog, now)
        background = sources.background
        sharing = Sharing(catalog, sources.members, sources.clock, background)
        storer = Storer(placer, digest_thread, background, sharing)
        putter = Putter(catalog, storer, keys, redundancy, now)
        getter = Getter(catalog, Blobs(sources, digest_thread), keys)
        reader = SourceReader(getter)
        return cls(
            catalog,
            putter,
            getter,
            sources.locator,
            Copier(catalog, sources, reader, putter, quotas, now),
            Uploads(catalog, keys, quotas, now),
            Parts(catalog, storer, sources, reader, keys, quotas, redundancy, now),
            Amender(catalog, now),
            quotas,
            now,
        )

    # -- buckets ----------------------------------------------------------------------------
    def create_bucket(self, name: str, owner: str, object_lock: bool = False) -> Deferred[Bucket]:
        return self._catalog.create_bucket(name, owner, object_lock)

    def bucket(self, name: str) -> Deferred[Bucket]:
        return self._catalog.bucket(name)

    def buckets(self) -> Deferred[Sequence[Bucket]]:
        return self._catalog.buckets()

    def delete_bucket(self, name: str) -> Deferred[None]:
        return self._catalog.delete_bucket(name)

    def set_versioning(self, name: str, versioning: Versioning) -> Deferred[Bucket]:
        return self._catalog.set_versioning(name, versioning)

    def enable_object_lock(self, name: str) -> Deferred[Bucket]:
        return self._catalog.enable_object_lock(name)

    def settings(self, name: str) -> Deferred[Mapping[str, Any]]:
        # No coroutine: most requests ask for them, and mostly they are known.
        return self._catalog.bucket(name).addCallback(self._catalog.settings)

    @deferred
    async def set_setting(self, name: str, setting: str, document: Any) -> None:
        found = await self._catalog.bucket(name)
        await self._catalog.set_setting(found, setting, document)

    # -- objects ----------------------------------------------------------------------------
    @deferred
    async def put(self, bucket: str, key: str, body: IBody, request: PutRequest) -> ObjectVersion:
        found = await self._catalog.bucket(bucket)
        settings = await self._catalog.settings(found)
        asked = with_defaults(request, found, settings, self._now())
        if QUOTA not in settings:
            version: ObjectVersion = await self._putter.put(bucket, key, body, asked, settings)
            return version
        return await self._quotas.spend(
            found,
            settings,
            Amount(body.length or 0, 1),
            key,
            lambda: self._putter.put(bucket, key, body, asked, settings),
            measured=body.length is not None,
        )

    def head(self, bucket: str, key: str, request: GetRequest) -> Deferred[ObjectVersion]:
        return self._getter.head(bucket, key, request)

    def get(self, bucket: str, key: str, request: GetRequest) -> Deferred[ObjectRead]:
        return self._getter.get(bucket, key, request)

    @deferred
    async def copy(
        self, source: CopySource, bucket: str, key: str, request: CopyRequest
    ) -> tuple[ObjectVersion, ObjectVersion]:
        return await self._copier.copy(source, bucket, key, request)

    @deferred
    async def delete(self, bucket: str, key: str, request: DeleteRequest) -> Deleted:
        found = await self._catalog.bucket(bucket)
        deleted: Deleted = await self._catalog.delete(
            found, key, request.version_id, request.condition, request.bypass_governance
        )
        self._quotas.removed(found, deleted.removed)
        return deleted

    # -- what can be changed of a version ---------------------------------------------------
    @deferred
    async def set_tags(
        self, bucket: str, key: str, version_id: str | None, tags: Mapping[str, str], permit: Permit
    ) -> ObjectVersion:
        return await self._amender.set_tags(bucket, key, version_id, tags, permit)

    @deferred
    async def set_acl(
        self,
        bucket: str,
        key: str,
        version_id: str | None,
        acl: Callable[[ObjectVersion], Mapping[str, Any] | None],
        permit: Permit,
    ) -> ObjectVersion:
        return await self._amender.set_acl(bucket, key, version_id, acl, permit)

    @deferred
    async def set_lock(
        self,
        bucket: str,
        key: str,
        version_id: str | None,
        change: Callable[[Lock], Lock],
        bypass_governance: bool,
        permit: Permit,
    ) -> ObjectVersion:
        return await self._amender.set_lock(
            bucket, key, version_id, change, bypass_governance, permit
        )

    # -- uploads in parts -------------------------------------------------------------------
    @deferred
    async def create_upload(self, bucket: str, key: str, new: NewUpload) -> MultipartUpload:
        return await self._uploads.create(bucket, key, new)

    @deferred
    async def upload(self, bucket: str, key: str, upload_id: str) -> MultipartUpload:
        return await self._uploads.find(bucket, key, upload_id)

    @deferred
    async def upload_part(
        self, bucket: str, key: str, upload_id: str, number: int, body: IBody, request: PutRequest
    ) -> Part:
        return await self._parts.put(bucket, key, upload_id, number, body, request)

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
        return await self._parts.copy(bucket, key, upload_id, number, source, request)

    @deferred
    async def parts(
        self, bucket: str, key: str, upload_id: str, after: int, limit: int
    ) -> PartsPage:
        return await self._parts.so_far(bucket, key, upload_id, after, limit)

    @deferred
    async def complete_upload(
        self, bucket: str, key: str, upload_id: str, request: CompleteRequest
    ) -> ObjectVersion:
        return await self._uploads.complete(bucket, key, upload_id, request)

    @deferred
    async def abort_upload(self, bucket: str, key: str, upload_id: str) -> None:
        await self._uploads.abort(bucket, key, upload_id)

    @deferred
    async def uploads(
        self, bucket: str, prefix: str, delimiter: str, after: tuple[str, str], limit: int
    ) -> UploadsPage:
        return await self._uploads.listing(bucket, prefix, delimiter, after, limit)

    @deferred
    async def parts_of(self, version: ObjectVersion, after: int, limit: int) -> PartsPage:
        return await self._uploads.parts_of(version, after, limit)

    # -- listings ---------------------------------------------------------------------------
    @deferred
    async def list_objects(
        self, bucket: str, prefix: str, delimiter: str, after: str, limit: int
    ) -> Listing:
        found = await self._catalog.bucket(bucket)

        def page(start: str, _: str, most: int) -> Deferred[Listing]:
            return self._catalog.list_objects(found, prefix, delimiter, start, most)

        return await full_page(page, after, "", limit)

    @deferred
    async def list_versions(
        self, bucket: str, prefix: str, delimiter: str, after: str, after_version: str, limit: int
    ) -> Listing:
        found = await self._catalog.bucket(bucket)

        def page(start: str, version: str, most: int) -> Deferred[Listing]:
            return self._catalog.list_versions(found, prefix, delimiter, start, version, most)

        return await full_page(page, after, after_version, limit)

    @deferred
    async def locate(self, bucket: str, key: str, version_id: str | None) -> Mapping[str, Located]:
        version = await self._getter.find(bucket, key, version_id)
        incarnations = await self._uploads.incarnations(version)
        if not incarnations:
            return {}
        for incarnation in incarnations:
            self._locator.forget(incarnation)  # who asks wants to know how it is now
        found: Mapping[str, Located] = await self._locator.locate(incarnations)
        return found


async def full_page(
    page: Callable[[str, str, int], Any], after: str, after_version: str, limit: int
) -> Listing:
    """Join short pages of the catalog until `limit` entries are there or none is left."""
    if limit <= 0:
        return Listing((), (), None)
    versions: list[ObjectVersion] = []
    prefixes: list[str] = []
    while True:
        listing: Listing = await page(after, after_version, limit - len(versions) - len(prefixes))
        versions += listing.versions
        prefixes += listing.common_prefixes
        if listing.next is None or len(versions) + len(prefixes) >= limit:
            return Listing(tuple(versions), tuple(prefixes), listing.next)
        after = listing.next
        last = listing.versions[-1] if listing.versions else None
        after_version = last.version_id if last is not None and last.key == after else ""
