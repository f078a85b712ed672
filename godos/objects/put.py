"""The way of a PUT: what can be refused from the headers, then the bytes, then the commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred

from godos.deferreds import deferred
from godos.model.bodies import IBody
from godos.model.catalog import ICatalog
from godos.model.encryption import IKeys
from godos.model.errors import NoSuchKey, PreconditionFailed
from godos.model.names import new_id
from godos.model.objects import PutRequest
from godos.model.versions import UNCONDITIONAL, Bucket, NewVersion, ObjectVersion, WriteCondition
from godos.objects.provenance import object_origin
from godos.objects.redundancy import Redundancy
from godos.objects.stored import Stored
from godos.objects.storing import Storer


class Putter:
    """
    Stores objects.

    Args:
        now: seconds since the epoch, for Last-Modified only.
    """

    def __init__(
        self,
        catalog: ICatalog,
        storer: Storer,
        keys: IKeys,
        redundancy: Redundancy,
        now: Callable[[], float],
    ) -> None:
        self._catalog = catalog
        self._storer = storer
        self._keys = keys
        self._redundancy = redundancy
        self._now = now

    @deferred
    async def put(
        self,
        bucket: str,
        key: str,
        body: IBody,
        request: PutRequest,
        settings: Mapping[str, Any],
    ) -> ObjectVersion:
        """See `IObjects.put`; `settings` are the bucket's."""
        found = await self._catalog.bucket(bucket)
        if request.condition != UNCONDITIONAL:
            await self._refuse_early(found, key, request.condition)
        data_key = None
        attributes = request.attributes
        if request.encryption is not None:
            data_key = await self._keys.make(request.encryption)
            attributes = evolve(attributes, encryption=data_key.descriptor)
        modified = self._now()

        def commit(stored: Stored) -> Deferred[ObjectVersion]:
            new = NewVersion(
                operation=new_id(),
                etag=stored.etag,
                size=stored.size,
                modified=modified,
                blob=stored.blob,
                attributes=attributes,
                checksums=stored.checksums,
                event=request.event,
                repair=stored.repair,
            )
            return self._catalog.commit(found, key, new, request.condition)

        origin = object_origin(found, key, attributes, modified)
        way = self._redundancy.way(settings, attributes.storage_class)
        return await self._storer.store(body, request, origin, data_key, commit, way)

    async def _refuse_early(self, bucket: Bucket, key: str, condition: WriteCondition) -> None:
        """Spare the client an upload that the commit would refuse; the commit decides."""
        try:
            head = await self._catalog.head(bucket, key)
        except NoSuchKey:
            if condition.if_match is not None:
                raise
            return
        if condition.if_none_match_any:
            raise PreconditionFailed("If-None-Match: the object exists", "If-None-Match")
        if condition.if_none_match == head.etag:
            raise PreconditionFailed("If-None-Match: the object has this ETag", "If-None-Match")
        if condition.if_match not in (None, "*", head.etag):
            raise PreconditionFailed("If-Match: the object has another ETag now", "If-Match")
