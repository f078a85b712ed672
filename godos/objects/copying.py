"""
The copy of an object.

No byte moves where none needs to: the copy refers to the same blob, or the same list of
parts, as its source.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from attrs import evolve, frozen
from twisted.logger import Logger

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
from godos.objects.defaults import default_encryption, with_retention
from godos.objects.get import Getter
from godos.objects.passing import ReadBody
from godos.objects.put import Putter
from godos.objects.quotas import Amount, Quotas
from godos.objects.sources import Sources

EVENT = "ObjectCreated:Copy"
LOOKS = 2  # at the source, before the bytes are copied one by one


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


@frozen
class _Place:
    """Where a copy goes."""

    bucket: Bucket
    key: str
    settings: Mapping[str, Any]


class Copier:
    """
    Copies objects.

    Args:
        now: seconds since the epoch.
    """

    _log = Logger()

    def __init__(
        self,
        catalog: ICatalog,
        sources: Sources,
        reader: SourceReader,
        putter: Putter,
        quotas: Quotas,
        now: Callable[[], float],
    ) -> None:
        self._catalog = catalog
        self._sources = sources
        self._reader = reader
        self._putter = putter
        self._quotas = quotas
        self._now = now

    async def copy(
        self, source: CopySource, bucket: str, key: str, request: CopyRequest
    ) -> tuple[ObjectVersion, ObjectVersion]:
        """See `IObjects.copy`."""
        found = await self._catalog.bucket(bucket)
        settings = await self._catalog.settings(found)
        place = _Place(found, key, settings)
        encryption = request.encryption or default_encryption(settings)
        for _ in range(LOOKS):
            version = await self._reader.find(source)
            if not shares(version, encryption, request.checksum):
                break
            try:
                return version, await self._referred(version, place, request)
            except Conflict as conflict:
                # Others overtook us, or the bytes are being removed, for the source is gone.
                self._log.info("a copy of {key!r} looks again: {error}", key=key, error=conflict)
        return await self._moved(source, place, request, encryption)

    async def _referred(
        self, version: ObjectVersion, place: _Place, request: CopyRequest
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
            attributes=self._attributes(version, place, request),
            checksums=version.checksums,
            checksum_type=version.checksum_type,
            manifest=version.manifest,
            parts=version.parts,
            event=EVENT,
        )
        return await self._within_quota(
            place,
            version,
            lambda: self._catalog.commit(place.bucket, place.key, new, request.condition),
        )

    async def _moved(
        self,
        source: CopySource,
        place: _Place,
        request: CopyRequest,
        encryption: Encryption | None,
    ) -> tuple[ObjectVersion, ObjectVersion]:
        """A copy with bytes of its own."""
        read = await self._reader.open(source)
        try:
            version: ObjectVersion = read.version
            asked = PutRequest(
                attributes=self._attributes(version, place, request),
                condition=request.condition,
                checksum=request.checksum or next(iter(version.checksums), ""),
                encryption=encryption,
                event=EVENT,
            )
            body = ReadBody(read)
            copy = await self._within_quota(
                place,
                version,
                lambda: self._putter.put(place.bucket.name, place.key, body, asked, place.settings),
            )
            return version, copy
        finally:
            await read.close()

    def _attributes(
        self, version: ObjectVersion, place: _Place, request: CopyRequest
    ) -> Attributes:
        asked = evolve(request.attributes(version), encryption=None)
        return with_retention(asked, place.bucket, place.settings, self._now())

    async def _within_quota(
        self,
        place: _Place,
        version: ObjectVersion,
        work: Callable[[], Awaitable[ObjectVersion]],
    ) -> ObjectVersion:
        asked = Amount(version.size, 1)
        return await self._quotas.spend(place.bucket, place.settings, asked, place.key, work)


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
