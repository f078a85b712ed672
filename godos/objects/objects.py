"""The use cases of a user in one place: `IObjects` over catalog and nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from godos.deferreds import deferred
from godos.model.bodies import IBody
from godos.model.catalog import ICatalog
from godos.model.locating import ILocator, Located
from godos.model.objects import GetRequest, IObjects, PutRequest
from godos.model.versions import (
    Bucket,
    Deleted,
    Listing,
    ObjectVersion,
    Versioning,
    WriteCondition,
)
from godos.objects.get import Getter, ObjectRead
from godos.objects.put import Putter

NOWHERE = Located((), complete=True)  # an object of 0 bytes has no blob


@implementer(IObjects)
class Objects:
    """Puts the parts together; each use case lives in a module of its own."""

    def __init__(
        self, catalog: ICatalog, putter: Putter, getter: Getter, locator: ILocator
    ) -> None:
        self._catalog = catalog
        self._putter = putter
        self._getter = getter
        self._locator = locator

    def create_bucket(self, name: str, owner: str) -> Deferred[Bucket]:
        return self._catalog.create_bucket(name, owner)

    def bucket(self, name: str) -> Deferred[Bucket]:
        return self._catalog.bucket(name)

    def buckets(self) -> Deferred[Sequence[Bucket]]:
        return self._catalog.buckets()

    def delete_bucket(self, name: str) -> Deferred[None]:
        return self._catalog.delete_bucket(name)

    def set_versioning(self, name: str, versioning: Versioning) -> Deferred[Bucket]:
        return self._catalog.set_versioning(name, versioning)

    def put(
        self, bucket: str, key: str, body: IBody, request: PutRequest
    ) -> Deferred[ObjectVersion]:
        return self._putter.put(bucket, key, body, request)

    def head(self, bucket: str, key: str, request: GetRequest) -> Deferred[ObjectVersion]:
        return self._getter.head(bucket, key, request)

    def get(self, bucket: str, key: str, request: GetRequest) -> Deferred[ObjectRead]:
        return self._getter.get(bucket, key, request)

    @deferred
    async def delete(
        self, bucket: str, key: str, version_id: str | None, condition: WriteCondition
    ) -> Deleted:
        found = await self._catalog.bucket(bucket)
        return await self._catalog.delete(found, key, version_id, condition)

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
    async def locate(self, bucket: str, key: str, version_id: str | None) -> Located:
        version = await self._getter.find(bucket, key, version_id)
        if version.incarnation is None:
            return NOWHERE
        self._locator.forget(version.incarnation)  # who asks wants to know how it is now
        found = await self._locator.locate([version.incarnation])
        return found[version.incarnation]


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
