"""The operations on the tags of objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from godos.model.errors import NoSuchKey, NoSuchVersion
from godos.model.objects import IObjects
from godos.model.versions import ObjectVersion
from godos.web.access import Action
from godos.web.s3.call import Call, Request, Result, Route, Table
from godos.web.s3.operations.naming import attributes_request, version_id_of
from godos.web.s3.operations.tag_sets import document_tags, tag_set


class TaggingOperations:
    def __init__(self, objects: IObjects) -> None:
        self._objects = objects

    def table(self) -> Table:
        """The operations by their names."""
        return {
            "GetObjectTagging": Route(self.get, Action.GET_TAGGING, Action.GET_VERSION_TAGGING),
            "PutObjectTagging": Route(self.put, Action.PUT_TAGGING, Action.PUT_VERSION_TAGGING),
            "DeleteObjectTagging": Route(
                self.delete, Action.DELETE_TAGGING, Action.DELETE_VERSION_TAGGING
            ),
        }

    async def get(self, call: Call, request: Request) -> Result:
        """A version's tags."""
        target = call.target
        wanted = attributes_request(call, request)
        try:
            version = await self._objects.head(target.bucket, target.key, wanted)
        except (NoSuchKey, NoSuchVersion):
            call.permit.absent()
            raise
        return {**_version_id(version), "TagSet": tag_set(version.attributes.tags)}

    async def put(self, call: Call, request: Request) -> Result:
        """Replace a version's tags."""
        tags = document_tags((request.get("Tagging") or {}).get("TagSet"))
        return _version_id(await self._set(call, request, tags))

    async def delete(self, call: Call, request: Request) -> Result:
        """Remove a version's tags."""
        return _version_id(await self._set(call, request, {}))

    async def _set(self, call: Call, request: Request, tags: Mapping[str, str]) -> ObjectVersion:
        target = call.target
        try:
            version: ObjectVersion = await self._objects.set_tags(
                target.bucket, target.key, version_id_of(request), tags, call.permit.version
            )
        except (NoSuchKey, NoSuchVersion):
            call.permit.absent()
            raise
        return version


def _version_id(version: ObjectVersion) -> dict[str, Any]:
    return {} if version.is_null else {"VersionId": version.version_id}
