"""The way of a GET: catalog, conditions, range, then bytes from whoever has them."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from godos.deferreds import deferred
from godos.model.bodies import IByteStream
from godos.model.catalog import ICatalog
from godos.model.errors import MethodNotAllowed
from godos.model.objects import GetRequest, IObjectRead
from godos.model.versions import ObjectVersion
from godos.objects.sources import BlobRead, Sources
from godos.protocol.preconditions import check_read, resolve


class Getter:
    """Reads objects."""

    def __init__(self, catalog: ICatalog, sources: Sources) -> None:
        self._catalog = catalog
        self._sources = sources

    @deferred
    async def head(self, bucket: str, key: str, request: GetRequest) -> ObjectVersion:
        """See `IObjects.head`."""
        return await self._checked(bucket, key, request)

    async def _checked(self, bucket: str, key: str, request: GetRequest) -> ObjectVersion:
        version = await self.find(bucket, key, request.version_id)
        check_read(request.condition, version)
        return version

    async def find(self, bucket: str, key: str, version_id: str | None) -> ObjectVersion:
        """The version that is asked for, which has bytes."""
        found = await self._catalog.bucket(bucket)
        if version_id is None:
            return await self._catalog.head(found, key)
        version = await self._catalog.version(found, key, version_id)
        if version.is_delete_marker:
            raise MethodNotAllowed("this version is a delete marker: it can only be deleted")
        return version

    @deferred
    async def get(self, bucket: str, key: str, request: GetRequest) -> ObjectRead:
        """See `IObjects.get`."""
        version = await self._checked(bucket, key, request)
        start, stop = resolve(request.range, version.size)
        if version.incarnation is None or start == stop:
            return ObjectRead(version, start, stop, b"", None)
        blob = await self._sources.rows.get(version.incarnation)
        stream = BlobRead(self._sources, blob, start, stop)
        try:
            first = await stream.read()
        except BaseException:
            await stream.close()
            raise
        return ObjectRead(version, start, stop, first, stream)


@implementer(IObjectRead, IByteStream)
class ObjectRead:
    """Bytes [start, stop) of `version`; the first piece is at hand."""

    def __init__(
        self, version: ObjectVersion, start: int, stop: int, first: bytes, rest: BlobRead | None
    ) -> None:
        self.version = version
        self.start = start
        self.stop = stop
        self._first: bytes = first
        self._rest = rest

    def read(self) -> Deferred[bytes]:
        """See `IObjectRead.read`."""
        first, self._first = self._first, b""
        if first or self._rest is None:
            return succeed(first)
        return Deferred.fromCoroutine(self._rest.read())

    def close(self) -> Deferred[None]:
        """See `IObjectRead.close`."""
        self._first = b""
        return succeed(None) if self._rest is None else Deferred.fromCoroutine(self._rest.close())
