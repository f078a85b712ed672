"""
The copy of an object.

No byte moves where none needs to: the copy refers to the same blob, or the same list of
parts, as its source.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve

from godos.model.catalog import ICatalog
from godos.model.encryption import Encryption
from godos.model.errors import (
    Conflict,
    InvalidRequest,
    MethodNotAllowed,
    NotModified,
    PreconditionFailed,
)
from godos.model.names import new_id
from godos.model.objects import CopyRequest, CopySource, IObjectRead, PutRequest
from godos.model.versions import Attributes, Bucket, ChecksumType, NewVersion, ObjectVersion
from godos.objects.defaults import Defaults
from godos.objects.get import Getter
from godos.objects.passing import ReadBody
from godos.objects.put import Putter
from godos.objects.sources import Sources

EVENT = "ObjectCreated:Copy"


class SourceReader:
    """Finds and reads what is copied, in the words of a copy."""

    def __init__(self, getter: Getter) -> None:
        self._getter = getter

    async def find(self, source: CopySource) -> ObjectVersion:
        """
        Fails:
            PreconditionFailed: of any of the source's conditions.
            InvalidRequest: the version named is a delete marker.
        """
        version: ObjectVersion = await self._asked(self._getter.head, source)
        return version

    async def open(self, source: CopySource) -> IObjectRead:
        """As `find`; the caller closes the read."""
        read: IObjectRead = await self._asked(self._getter.get, source)
        return read

    async def _asked(self, ask: Callable[..., Any], source: CopySource) -> Any:
        try:
            return await ask(source.bucket, source.key, source.request)
        except NotModified as same:
            raise PreconditionFailed("the source of the copy is as the client has it") from same
        except MethodNotAllowed as marker:
            raise InvalidRequest(
                "the source of a copy cannot be a delete marker: name another version"
            ) from marker


class Copier:
    """
    Copies objects.

    Args:
        now: seconds since the epoch.
    """

    def __init__(
        self,
        catalog: ICatalog,
        sources: Sources,
        reader: SourceReader,
        putter: Putter,
        defaults: Defaults,
        now: Callable[[], float],
    ) -> None:
        self._catalog = catalog
        self._sources = sources
        self._reader = reader
        self._putter = putter
        self._defaults = defaults
        self._now = now

    async def copy(
        self, source: CopySource, bucket: str, key: str, request: CopyRequest
    ) -> tuple[ObjectVersion, ObjectVersion]:
        """See `IObjects.copy`."""
        found = await self._catalog.bucket(bucket)
        encryption = await self._defaults.encryption(found, request.encryption)
        version = await self._reader.find(source)
        if not shares(version, encryption, request.checksum):
            return await self._moved(source, found, key, request, encryption)
        try:
            return version, await self._referred(version, found, key, request)
        except Conflict:
            # Writers overtook us, or the bytes are being collected, for the source is gone.
            version = await self._reader.find(source)
        if not shares(version, encryption, request.checksum):
            return await self._moved(source, found, key, request, encryption)
        try:
            return version, await self._referred(version, found, key, request)
        except Conflict:
            return await self._moved(source, found, key, request, encryption)

    async def _referred(
        self, version: ObjectVersion, bucket: Bucket, key: str, request: CopyRequest
    ) -> ObjectVersion:
        """A copy that refers to the bytes of `version`."""
        blob = None
        if version.incarnation is not None:
            blob = await self._sources.rows.get(version.incarnation)
        new = NewVersion(
            operation=new_id(),
            etag=version.etag,
            size=version.size,
            modified=self._now(),
            blob=blob,
            attributes=await self._attributes(version, bucket, request),
            checksums=version.checksums,
            checksum_type=version.checksum_type,
            manifest=version.manifest,
            parts=version.parts,
            event=EVENT,
        )
        copy: ObjectVersion = await self._catalog.commit(bucket, key, new, request.condition)
        return copy

    async def _moved(
        self,
        source: CopySource,
        bucket: Bucket,
        key: str,
        request: CopyRequest,
        encryption: Encryption | None,
    ) -> tuple[ObjectVersion, ObjectVersion]:
        """A copy with bytes of its own."""
        read = await self._reader.open(source)
        try:
            version: ObjectVersion = read.version
            asked = PutRequest(
                attributes=await self._attributes(version, bucket, request),
                condition=request.condition,
                checksum=request.checksum or next(iter(version.checksums), ""),
                encryption=encryption,
                event=EVENT,
            )
            copy: ObjectVersion = await self._putter.put(bucket.name, key, ReadBody(read), asked)
            return version, copy
        finally:
            await read.close()

    async def _attributes(
        self, version: ObjectVersion, bucket: Bucket, request: CopyRequest
    ) -> Attributes:
        asked = evolve(request.attributes(version), encryption=None)
        return await self._defaults.attributes(bucket, asked)


def shares(version: ObjectVersion, encryption: Encryption | None, checksum: str) -> bool:
    """
    Whether a copy may refer to the bytes of `version`.

    Encrypted bytes are never shared: each object has a key of its own.  A checksum that is
    asked for is one of the whole object's bytes.
    """
    if encryption is not None or version.attributes.encryption is not None:
        return False
    if not checksum:
        return True
    return checksum in version.checksums and version.checksum_type is ChecksumType.FULL_OBJECT
