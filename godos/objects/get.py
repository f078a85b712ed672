"""The way of a GET: catalog, permit, key, conditions, range, then bytes from whoever has them."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from godos.deferreds import deferred
from godos.model.bodies import IByteStream
from godos.model.catalog import ICatalog
from godos.model.encryption import Cipher, IKeys
from godos.model.errors import InvalidPartNumber, InvalidRequest, MethodNotAllowed
from godos.model.multipart import Part
from godos.model.objects import GetRequest, IObjectRead
from godos.model.versions import ObjectVersion
from godos.objects.keys import check_customer_key
from godos.objects.manifests import Manifests
from godos.objects.reading import Blobs, PartsRead
from godos.objects.streams import Stream
from godos.protocol.preconditions import check_read, resolve


class Getter:
    """Reads objects."""

    def __init__(self, catalog: ICatalog, blobs: Blobs, keys: IKeys) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._keys = keys
        self._manifests = Manifests(catalog)

    @deferred
    async def head(self, bucket: str, key: str, request: GetRequest) -> ObjectVersion:
        """See `IObjects.head`."""
        version = await self._permitted(bucket, key, request)
        encryption = version.attributes.encryption
        if request.attributes_only:
            return version
        if encryption is not None and encryption["cipher"] == Cipher.CUSTOMER:
            await self._keys.open(encryption, request.customer_key)
        check_read(request.condition, version)
        return version

    async def _permitted(self, bucket: str, key: str, request: GetRequest) -> ObjectVersion:
        version = await self.find(bucket, key, request.version_id)
        request.permit(version)
        if not request.attributes_only:
            check_customer_key(version.attributes.encryption, request.customer_key)
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
        version = await self._permitted(bucket, key, request)
        secret = None
        if version.attributes.encryption is not None:
            opened = await self._keys.open(version.attributes.encryption, request.customer_key)
            secret = opened.secret
        check_read(request.condition, version)
        if request.part is None:
            part, (start, stop) = None, resolve(request.range, version.size)
        else:
            part, start, stop = await self._part(version, request)
        if start == stop:
            return ObjectRead(version, start, stop, b"", None, part)
        stream = await self._open(version, secret, start, stop)
        try:
            first = await stream.read()
        except BaseException:
            await stream.close()
            raise
        return ObjectRead(version, start, stop, first, stream, part)

    async def _open(
        self, version: ObjectVersion, secret: bytes | None, start: int, stop: int
    ) -> Stream:
        if version.manifest is not None:
            manifest = await self._manifests.get(version.manifest)
            return PartsRead(self._blobs, manifest.slices(start, stop), secret)
        assert version.incarnation is not None, "an object with bytes has a blob or parts"
        return await self._blobs.open(version.incarnation, version.size, secret, start, stop)

    async def _part(
        self, version: ObjectVersion, request: GetRequest
    ) -> tuple[Part | None, int, int]:
        """The part that is asked for, and the range of the object that it is."""
        assert request.part is not None
        if request.range is not None:
            raise InvalidRequest("ask for a range or for a part number, not for both")
        if version.manifest is None:
            if request.part != 1:
                raise InvalidPartNumber(f"the object has no part {request.part}: it is in one")
            return None, 0, version.size
        found = (await self._manifests.get(version.manifest)).numbered(request.part)
        if found is None:
            raise InvalidPartNumber(f"the object has no part {request.part}")
        return found


@implementer(IObjectRead, IByteStream)
class ObjectRead:
    """Bytes [start, stop) of `version`; the first piece is at hand."""

    def __init__(
        self,
        version: ObjectVersion,
        start: int,
        stop: int,
        first: bytes,
        rest: Stream | None,
        part: Part | None = None,
    ) -> None:
        self.version = version
        self.start = start
        self.stop = stop
        self.part = part
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
