"""The operations that write and read objects whole or in part: PUT, GET and HEAD."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from attrs import evolve

from godos.model.errors import (
    AccessDenied,
    InvalidRange,
    InvalidRequest,
    NoSuchKey,
    NoSuchVersion,
    NotModified,
)
from godos.model.objects import GetRequest, IObjectRead, IObjects
from godos.model.users import OPEN
from godos.model.versions import LockMode, ObjectVersion
from godos.protocol.preconditions import resolve
from godos.web.access import Action
from godos.web.counters import Counters
from godos.web.errors import InvalidArgument
from godos.web.s3.call import Call, Request, Result, Route, Table
from godos.web.s3.operations.attribute_members import (
    new_attributes,
    refuse_unsupported,
)
from godos.web.s3.operations.checksum_members import checksum_members
from godos.web.s3.operations.conditions import if_range_holds, read_condition, write_condition
from godos.web.s3.operations.encryption_members import customer_key, refuse_on_read
from godos.web.s3.operations.expirations import Expirations
from godos.web.s3.operations.leave import allow_extras
from godos.web.s3.operations.lock_members import hold_members, retention_members
from godos.web.s3.operations.naming import version_id_of
from godos.web.s3.operations.owners import Ownership
from godos.web.s3.operations.ranges import content_range, parse_range
from godos.web.s3.operations.uploading import upload_body, upload_request
from godos.web.s3.operations.version_members import described, not_modified, written

# What an answer says instead of the object.  Source: Amazon S3 API Reference, GetObject.
_OVERRIDES = {
    "ResponseContentType": "ContentType",
    "ResponseContentLanguage": "ContentLanguage",
    "ResponseContentDisposition": "ContentDisposition",
    "ResponseContentEncoding": "ContentEncoding",
    "ResponseCacheControl": "CacheControl",
    "ResponseExpires": "Expires",
}


class ObjectOperations:
    """
    Args:
        ownership: who will own what is put, and its ACL.
        now: seconds since the epoch.
    """

    def __init__(
        self,
        objects: IObjects,
        ownership: Ownership,
        counters: Counters,
        now: Callable[[], float],
    ) -> None:
        self._objects = objects
        self._expirations = Expirations(objects)
        self._ownership = ownership
        self._counters = counters
        self._now = now

    def table(self) -> Table:
        """The operations by their names."""
        return {
            "PutObject": Route(self.put_object, Action.PUT),
            "GetObject": Route(self.get_object, Action.GET, Action.GET_VERSION),
            "HeadObject": Route(self.head_object, Action.GET, Action.GET_VERSION),
        }

    async def put_object(self, call: Call, request: Request) -> Result:
        """Store an object; the answer means that it is durable."""
        refuse_unsupported(call.exchange, request)
        body = upload_body(call)
        target = call.target
        await allow_extras(call, request)
        owner, acl = await self._ownership.of_upload(call, request)
        attributes = new_attributes(request, owner, acl, self._now())
        put = upload_request(call, request, attributes, write_condition(request))
        version = await self._objects.put(target.bucket, target.key, body, put)
        self._counters.received += version.size
        return {**written(version), **await self._expirations.told(version)}

    async def get_object(self, call: Call, request: Request) -> Result:
        """Begin to read an object; the answer's bytes follow as the client takes them."""
        wanted = read_request(call, request)
        try:
            read, ranged = await self._open(call, wanted)
        except NotModified as same:
            return not_modified(same.version)
        except (NoSuchKey, NoSuchVersion):
            call.permit.absent()
            raise
        try:
            return {**await self._tell(call, request, read, ranged), "Body": read}
        except BaseException:
            await read.close()
            raise

    async def head_object(self, call: Call, request: Request) -> Result:
        """What GET would say, without the bytes."""
        wanted = read_request(call, request)
        try:
            if wanted.part is not None:
                return await self._head_part(call, request, wanted)
            target = call.target
            version = await self._objects.head(target.bucket, target.key, wanted)
        except NotModified as same:
            return not_modified(same.version)
        except (NoSuchKey, NoSuchVersion):
            call.permit.absent()
            raise
        ranged = wanted.range
        if ranged is not None:
            if_range = call.exchange.header(b"if-range")
            if if_range is not None and not if_range_holds(if_range, version):
                ranged = None
        start, stop = resolve(ranged, version.size)
        told = await self._describe(call, request, version)
        told["ContentLength"] = stop - start
        if ranged is not None:
            told["ContentRange"] = content_range(start, stop, version.size)
        elif "ChecksumMode" in request:
            told.update(checksum_members(version.checksums, version.checksum_type))
        return told

    async def _head_part(self, call: Call, request: Request, wanted: GetRequest) -> Result:
        """Where a part is, only a read of it tells."""
        read, ranged = await self._open(call, wanted)
        try:
            return await self._tell(call, request, read, ranged)
        finally:
            await read.close()

    async def _tell(
        self, call: Call, request: Request, read: IObjectRead, ranged: bool
    ) -> dict[str, Any]:
        """Headers of what is read; those of a range have no checksum, for none is of it."""
        version: ObjectVersion = read.version
        told = await self._describe(call, request, version)
        told["ContentLength"] = read.stop - read.start
        if ranged and version.size:
            told["ContentRange"] = content_range(read.start, read.stop, version.size)
        if "PartNumber" in request and version.parts:
            told["PartsCount"] = version.parts
        if "ChecksumMode" in request and "Range" not in request:
            checksums = version.checksums if read.part is None else read.part.checksums
            told.update(checksum_members(checksums, version.checksum_type))
        return told

    async def _describe(
        self, call: Call, request: Request, version: ObjectVersion
    ) -> dict[str, Any]:
        told = {**described(version), **await self._expirations.told(version)}
        attributes = version.attributes
        named = "VersionId" in request
        tagging = Action.GET_VERSION_TAGGING if named else Action.GET_TAGGING
        if attributes.tags and await self._may(call, tagging, version):
            told["TagCount"] = len(attributes.tags)
        lock = attributes.lock
        if lock.legal_hold or lock.mode is not LockMode.NONE:
            if await self._may(call, Action.GET_RETENTION, version):
                told.update(retention_members(lock))
            if await self._may(call, Action.GET_LEGAL_HOLD, version):
                told.update(hold_members(lock))
        if call.target.query:
            told.update(_overrides(call, request))
        return told

    async def _may(self, call: Call, action: Action, version: ObjectVersion) -> bool:
        """Whether the caller may know one more thing of the version."""
        if call.principal.unrestricted:
            return True
        try:
            permit = await call.allow(action, version.bucket, version.key)
            permit.version(version)
        except AccessDenied:
            return False
        return True

    async def _open(self, call: Call, wanted: GetRequest) -> tuple[IObjectRead, bool]:
        """Open a read, and tell whether it is of a part; `If-Range` may make it whole."""
        if wanted.range is None:
            return await self._read(call, wanted), wanted.part is not None
        if_range = call.exchange.header(b"if-range")
        if if_range is None:
            return await self._read(call, wanted), True
        whole = evolve(wanted, range=None)
        try:
            read = await self._read(call, wanted)
        except InvalidRange:
            # Whether the client's part is of this version is only known from a read of it.
            read = await self._read(call, whole)
            if if_range_holds(if_range, read.version):
                await read.close()
                raise
            return read, False
        if if_range_holds(if_range, read.version):
            return read, True
        await read.close()
        return await self._read(call, whole), False

    def _read(self, call: Call, wanted: GetRequest) -> Awaitable[IObjectRead]:
        target = call.target
        return self._objects.get(target.bucket, target.key, wanted)


def read_request(call: Call, request: Request) -> GetRequest:
    """
    What a GET or HEAD asks for, beside the name.

    Raises:
        InvalidArgument: a list of ETags, a key or a part number makes no sense.  Ranges
            that cannot be read are ignored, as RFC 9110 asks.
        InvalidRequest: range and part at once.
    """
    refuse_on_read(call.exchange)
    ranged, part = request.get("Range"), request.get("PartNumber")
    if part is not None:
        if ranged is not None:
            raise InvalidRequest("a range and a part number exclude each other; send one")
        if part < 1:
            raise InvalidArgument("part numbers are counted from 1")
    return GetRequest(
        version_id_of(request),
        None if ranged is None else parse_range(ranged),
        read_condition(request),
        part,
        customer_key(request),
        call.permit.version,
    )


def _overrides(call: Call, request: Request) -> dict[str, str]:
    """
    What the answer is to say instead of the object.

    Raises:
        InvalidRequest: the request is not signed: a link that anybody can make must not
            turn a picture into a page that runs.
    """
    asked = {told: request[member] for member, told in _OVERRIDES.items() if member in request}
    if asked and not _is_signed(call):
        raise InvalidRequest("only signed requests may change headers by response- parameters")
    if "Expires" in asked:  # as it was sent, and not as the date that it may be
        asked["Expires"] = call.target.query.one("response-expires")
    return asked


def _is_signed(call: Call) -> bool:
    """Also where nobody checks it: a server without credentials has clients that sign, too."""
    if call.principal is not OPEN:
        return call.caller.signed
    query = call.target.query
    return (
        call.exchange.header(b"authorization") is not None
        or "X-Amz-Signature" in query
        or "Signature" in query
    )
