"""The operations of uploads in parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import evolve

from godos.model.errors import MethodNotAllowed, NoSuchKey, NoSuchVersion, NotModified
from godos.model.multipart import MAX_PARTS, MultipartUpload, Part
from godos.model.objects import ChosenPart, CompleteRequest, IObjects, NewUpload, PutRequest
from godos.model.objects import Permit as VersionPermit
from godos.model.versions import ObjectVersion
from godos.web.access import Action
from godos.web.counters import Counters
from godos.web.errors import InvalidArgument, S3Error, UnsupportedFeature
from godos.web.exchange import IExchange
from godos.web.s3.call import Call, Permit, Request, Result, Route, Table
from godos.web.s3.operations.attribute_members import new_attributes, refuse_unsupported
from godos.web.s3.operations.checksum_members import (
    checksum_members,
    checksum_type,
    told_checksums,
    upload_checksum,
)
from godos.web.s3.operations.conditions import write_condition
from godos.web.s3.operations.copying import copied_version_members, copy_source, not_copied
from godos.web.s3.operations.encryption_members import (
    CUSTOMER_MEMBERS,
    customer_key,
    encryption_members,
    encryption_of,
)
from godos.web.s3.operations.leave import allow_extras
from godos.web.s3.operations.naming import source_name
from godos.web.s3.operations.owners import Owners, Ownership
from godos.web.s3.operations.paging import page_of_parts
from godos.web.s3.operations.ranges import parse_copied_range
from godos.web.s3.operations.uploading import upload_body, upload_request
from godos.web.s3.operations.version_members import quoted, written
from godos.web.target import split

_REMEMBERED = 1024  # uploads whose encryption is known


class UploadOperations:
    """
    Args:
        ownership: who will own the objects, and their ACLs.
        now: seconds since the epoch.
    """

    def __init__(
        self,
        objects: IObjects,
        ownership: Ownership,
        owners: Owners,
        counters: Counters,
        now: Callable[[], float],
    ) -> None:
        self._objects = objects
        self._ownership = ownership
        self._owners = owners
        self._counters = counters
        self._now = now
        self._encryption: dict[tuple[str, str, str], Mapping[str, Any]] = {}

    def table(self) -> Table:
        """The operations by their names."""
        return {
            "CreateMultipartUpload": Route(self.create, Action.PUT),
            "UploadPart": Route(self.upload_part, Action.PUT),
            "UploadPartCopy": Route(self.upload_part_copy, Action.PUT),
            "ListParts": Route(self.list_parts, Action.LIST_PARTS),
            "CompleteMultipartUpload": Route(self.complete, Action.PUT),
            "AbortMultipartUpload": Route(self.abort, Action.ABORT_UPLOAD),
        }

    async def create(self, call: Call, request: Request) -> Result:
        """Begin an upload in parts."""
        refuse_unsupported(call.exchange, request)
        target = call.target
        await allow_extras(call, request)
        owner, acl = await self._ownership.of_upload(call, request)
        checksum, kind = upload_checksum(request)
        new = NewUpload(
            initiator=call.principal.id,
            attributes=new_attributes(request, owner, acl, self._now()),
            checksum=checksum,
            checksum_type=kind,
            encryption=encryption_of(request),
        )
        upload = await self._objects.create_upload(target.bucket, target.key, new)
        told = {"Bucket": target.bucket, "Key": target.key, "UploadId": upload.id}
        told.update(encryption_members(upload.attributes.encryption))
        return {**told, **_checksum_of(upload)}

    async def upload_part(self, call: Call, request: Request) -> Result:
        """Store a part; the answer means that it is durable."""
        refuse_unsupported(call.exchange, request)
        number, body = part_number(request), upload_body(call)
        encryption = await self._encryption_of(call, request)
        target = call.target
        part = await self._objects.upload_part(
            target.bucket,
            target.key,
            request["UploadId"],
            number,
            body,
            upload_request(call, request),
        )
        self._counters.received += part.size
        return {"ETag": quoted(part.etag), **checksum_members(part.checksums), **encryption}

    async def upload_part_copy(self, call: Call, request: Request) -> Result:
        """Make a part of an object's bytes, or of a range of them."""
        number, name = part_number(request), source_name(request)
        ranged = request.get("CopySourceRange")
        wanted = None if ranged is None else parse_copied_range(ranged)
        source, permit = await copy_source(call, request, name, wanted)
        encryption = await self._encryption_of(call, request)
        target = call.target
        copied: list[ObjectVersion] = []
        source = evolve(source, request=evolve(source.request, permit=_noting(permit, copied)))
        try:
            part = await self._objects.copy_part(
                target.bucket,
                target.key,
                request["UploadId"],
                number,
                source,
                PutRequest(encryption=encryption_of(request)),
            )
        except (NoSuchKey, NoSuchVersion):
            permit.absent()
            raise
        except (NotModified, MethodNotAllowed) as error:
            raise not_copied(error) from error
        result = {
            "ETag": quoted(part.etag),
            "LastModified": part.modified,
            **checksum_members(part.checksums),
        }
        told = {"CopyPartResult": result, **encryption}
        return {**told, **copied_version_members(copied[-1])} if copied else told

    async def list_parts(self, call: Call, request: Request) -> Result:
        """The parts so far, in the order of their numbers."""
        target, upload_id = call.target, request["UploadId"]
        upload = await self._objects.upload(target.bucket, target.key, upload_id)
        call.permit.upload(upload)
        after, limit = page_of_parts(request)
        page = await self._objects.parts(target.bucket, target.key, upload_id, after, limit)
        owner = upload.attributes.owner or (await self._objects.bucket(target.bucket)).owner
        return {
            "Bucket": target.bucket,
            "Key": target.key,
            "UploadId": upload_id,
            "PartNumberMarker": after,
            "NextPartNumberMarker": page.parts[-1].number if page.parts else 0,
            "MaxParts": limit,
            "IsTruncated": page.next is not None,
            "Parts": [_part_members(part) for part in page.parts],
            "Initiator": await self._owners.told(upload.initiator),
            "Owner": await self._owners.told(owner),
            "StorageClass": upload.attributes.storage_class,
            **_checksum_of(upload),
        }

    async def complete(self, call: Call, request: Request) -> Result:
        """Make the object of the chosen parts; the answer means that it is durable."""
        refuse_unsupported(call.exchange, request)
        target = call.target
        wanted = CompleteRequest(
            parts=_chosen(request),
            condition=write_condition(request),
            checksums=told_checksums(request),
            checksum_type=checksum_type(request),
            size=request.get("MpuObjectSize"),
            customer_key=customer_key(request),
        )
        version = await self._objects.complete_upload(
            target.bucket, target.key, request["UploadId"], wanted
        )
        told = written(version)
        for member in CUSTOMER_MEMBERS:  # this answer alone has them not
            told.pop(member, None)
        told["Location"] = _location(call.exchange)
        return {**told, "Bucket": target.bucket, "Key": target.key}

    async def abort(self, call: Call, request: Request) -> Result:
        """Give an upload up; its parts are removed."""
        if "IfMatchInitiatedTime" in request:
            raise UnsupportedFeature("x-amz-if-match-initiated-time is not there; leave it out")
        target, upload_id = call.target, request["UploadId"]
        upload = await self._objects.upload(target.bucket, target.key, upload_id)
        call.permit.upload(upload)
        await self._objects.abort_upload(target.bucket, target.key, upload_id)
        return None

    async def _encryption_of(self, call: Call, request: Request) -> Mapping[str, Any]:
        """How an upload's parts are encrypted, as answers tell it; that never changes."""
        target = call.target
        place = target.bucket, target.key, request["UploadId"]
        known = self._encryption.pop(place, None)
        if known is None:
            upload = await self._objects.upload(*place)
            known = encryption_members(upload.attributes.encryption)
        self._encryption[place] = known
        if len(self._encryption) > _REMEMBERED:
            del self._encryption[next(iter(self._encryption))]
        return known


def _noting(permit: Permit, shown: list[ObjectVersion]) -> VersionPermit:
    """`permit`, which keeps the version that it was shown: the answer names it."""

    def check(version: ObjectVersion) -> None:
        permit.version(version)
        shown.append(version)

    return check


def part_number(request: Request) -> int:
    """
    The number of the part that is uploaded.

    Raises:
        InvalidArgument: it is out of the range.
    """
    number: int = request["PartNumber"]
    if not 1 <= number <= MAX_PARTS:
        raise InvalidArgument(f"part numbers are 1 to {MAX_PARTS}, and not {number}")
    return number


def _chosen(request: Request) -> tuple[ChosenPart, ...]:
    """
    The parts that the object is to be made of, as the client lists them.

    Raises:
        S3Error: MalformedXML; there are none, too many, or one is not told whole.
    """
    document = request.get("MultipartUpload") or {}
    parts: Sequence[Request] = document.get("Parts") or ()
    if not 0 < len(parts) <= MAX_PARTS or any(
        "PartNumber" not in part or "ETag" not in part for part in parts
    ):
        raise S3Error(
            "MalformedXML",
            f"a CompleteMultipartUpload has 1 to {MAX_PARTS} Parts, each with PartNumber and ETag",
        )
    return tuple(
        ChosenPart(part["PartNumber"], part["ETag"].strip('"'), told_checksums(part))
        for part in parts
    )


def _part_members(part: Part) -> dict[str, Any]:
    return {
        "PartNumber": part.number,
        "LastModified": part.modified,
        "ETag": quoted(part.etag),
        "Size": part.size,
        **checksum_members(part.checksums),
    }


def _checksum_of(upload: MultipartUpload) -> dict[str, str]:
    if not upload.checksum:
        return {}
    return {
        "ChecksumAlgorithm": upload.checksum.upper(),
        "ChecksumType": upload.checksum_type.value,
    }


def _location(exchange: IExchange) -> str:
    """The object's URL, as the client addressed it."""
    path, _ = split(exchange.target)
    host = exchange.header(b"host") or b""
    scheme = "https" if exchange.secure else "http"
    return f"{scheme}://{host.decode('latin-1')}{path.decode('latin-1')}"
