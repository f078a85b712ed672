"""The operation that tells what is known of an object, without its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from godos.model.errors import NoSuchKey, NoSuchVersion
from godos.model.multipart import Part
from godos.model.objects import GetRequest, IObjects
from godos.model.versions import ObjectVersion
from godos.web.access import Action
from godos.web.errors import InvalidArgument
from godos.web.s3.call import Call, Request, Result, Route, Table
from godos.web.s3.operations.checksum_members import checksum_members
from godos.web.s3.operations.encryption_members import customer_key, refuse_on_read
from godos.web.s3.operations.naming import version_id_of
from godos.web.s3.operations.paging import page_of_parts

_NAMES = frozenset(("ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"))


class AttributeOperations:
    def __init__(self, objects: IObjects) -> None:
        self._objects = objects

    def table(self) -> Table:
        """The operations by their names."""
        return {
            "GetObjectAttributes": Route(
                self.get_object_attributes,
                Action.GET_ATTRIBUTES,
                Action.GET_VERSION_ATTRIBUTES,
            )
        }

    async def get_object_attributes(self, call: Call, request: Request) -> Result:
        """Those of a version's attributes that were asked for."""
        refuse_on_read(call.exchange)
        asked, target = _asked(request), call.target
        version_id = version_id_of(request)
        action = Action.GET if version_id is None else Action.GET_VERSION
        may_read = await call.allow(action, target.bucket, target.key, version_id)
        after, limit = page_of_parts(request)

        def permit(version: ObjectVersion) -> None:
            call.permit.version(version)
            may_read.version(version)

        wanted = GetRequest(version_id, customer_key=customer_key(request), permit=permit)
        try:
            version = await self._objects.head(target.bucket, target.key, wanted)
        except (NoSuchKey, NoSuchVersion):
            may_read.absent()
            raise
        told: dict[str, Any] = {"LastModified": version.modified}
        if not version.is_null:
            told["VersionId"] = version.version_id
        whole = {
            "ETag": version.etag,
            "Checksum": checksum_members(version.checksums, version.checksum_type),
            "StorageClass": version.attributes.storage_class,
            "ObjectSize": version.size,
        }
        told.update({name: value for name, value in whole.items() if name in asked and value != {}})
        if "ObjectParts" in asked and version.parts:
            told["ObjectParts"] = await self._parts(version, after, limit)
        return told

    async def _parts(self, version: ObjectVersion, after: int, limit: int) -> dict[str, Any]:
        page = await self._objects.parts_of(version, after, limit)
        return {
            "TotalPartsCount": version.parts,
            "PartNumberMarker": after,
            "NextPartNumberMarker": page.parts[-1].number if page.parts else 0,
            "MaxParts": limit,
            "IsTruncated": page.next is not None,
            "Parts": [_part_members(part) for part in page.parts],
        }


def _asked(request: Request) -> frozenset[str]:
    """
    The attributes that are wanted.

    Raises:
        InvalidArgument: none is, or one that there is not.
    """
    names: Sequence[str] = request.get("ObjectAttributes", ())
    if not names or not _NAMES.issuperset(names):
        raise InvalidArgument("x-amz-object-attributes lists some of " + ", ".join(sorted(_NAMES)))
    return frozenset(names)


def _part_members(part: Part) -> dict[str, Any]:
    return {
        "PartNumber": part.number,
        "Size": part.size,
        **checksum_members(part.checksums),
    }
