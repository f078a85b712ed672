"""The operations on access control lists of buckets and objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from godos.model.acl import Acl, acl_of, private
from godos.model.errors import NoSuchKey, NoSuchVersion
from godos.model.objects import GetRequest, IObjects
from godos.model.versions import Bucket, ObjectVersion
from godos.protocol.bucket_access import ACL, Ownership, ownership_of
from godos.web.access import Action
from godos.web.errors import S3Error
from godos.web.s3.acls import Acls, WishedAcl, check_lists_count, stored
from godos.web.s3.call import Call, Request, Result, Route, Table


class AccessLists:
    """Get- and PutBucketAcl, Get- and PutObjectAcl."""

    def __init__(self, objects: IObjects, acls: Acls) -> None:
        self._objects = objects
        self._acls = acls

    def table(self) -> Table:
        """The routes."""
        return {
            "GetBucketAcl": Route(self.get_of_bucket, Action.GET_BUCKET_ACL),
            "PutBucketAcl": Route(self.put_of_bucket, Action.PUT_BUCKET_ACL),
            "GetObjectAcl": Route(self.get_of_object, Action.GET_ACL, Action.GET_VERSION_ACL),
            "PutObjectAcl": Route(self.put_of_object, Action.PUT_ACL, Action.PUT_VERSION_ACL),
        }

    async def get_of_bucket(self, call: Call, _: Request) -> Result:
        """A bucket's list."""
        bucket, settings = await self._bucket(call)
        return await self._acls.shown(effective_acl(bucket, settings), bucket.owner)

    async def put_of_bucket(self, call: Call, request: Request) -> Result:
        """Replace a bucket's list."""
        wished = await self._wished(request)
        bucket, settings = await self._bucket(call)
        check_lists_count(settings)
        document = stored(wished.of(bucket.owner, bucket.owner), bucket.owner, settings)
        await self._objects.set_setting(bucket.name, ACL, document)
        return None

    async def get_of_object(self, call: Call, _: Request) -> Result:
        """The list of an object, or of a version."""
        bucket, settings = await self._bucket(call)
        asked = GetRequest(version_id=call.version_id, permit=call.permit.version)
        try:
            version = await self._objects.head(bucket.name, call.target.key, asked)
        except (NoSuchKey, NoSuchVersion):
            call.permit.absent()
            raise
        if ownership_of(settings) is Ownership.ENFORCED:
            return await self._acls.shown(private(bucket.owner), bucket.owner)
        owner = version.attributes.owner or bucket.owner
        return await self._acls.shown(acl_of(version.attributes.acl, owner), owner)

    async def put_of_object(self, call: Call, request: Request) -> Result:
        """Replace the list of an object, or of a version."""
        wished = await self._wished(request)
        bucket, settings = await self._bucket(call)
        check_lists_count(settings)

        def document(version: ObjectVersion) -> Mapping[str, Any] | None:
            owner = version.attributes.owner or bucket.owner
            return stored(wished.of(owner, bucket.owner), owner, settings)

        try:
            await self._objects.set_acl(
                bucket.name, call.target.key, call.version_id, document, call.permit.version
            )
        except (NoSuchKey, NoSuchVersion):
            call.permit.absent()
            raise
        return None

    async def of_new_bucket(self, call: Call, request: Request) -> Mapping[str, Any] | None:
        """The document of the list of the bucket that a request makes."""
        return await self._acls.of_new_bucket(request, call.principal.id)

    async def _bucket(self, call: Call) -> tuple[Bucket, Mapping[str, Any]]:
        name = call.target.bucket
        return await self._objects.bucket(name), await self._objects.settings(name)

    async def _wished(self, request: Request) -> WishedAcl:
        wished = await self._acls.wished(request)
        if wished is None:
            raise S3Error(
                "MissingSecurityHeader",
                "send a list: as x-amz-acl, as x-amz-grant- headers, or as the body",
                MissingHeaderName="x-amz-acl",
            )
        return wished


def effective_acl(bucket: Bucket, settings: Mapping[str, Any]) -> Acl:
    """A bucket's list, which is the private one where lists do not count."""
    if ownership_of(settings) is Ownership.ENFORCED:
        return private(bucket.owner)
    return acl_of(settings.get(ACL), bucket.owner)
