"""Buckets: which there are, and that there is one more or one less."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from godos.model.errors import BucketAlreadyExists, BucketAlreadyOwnedByYou
from godos.model.objects import IBuckets
from godos.model.users import ICredentials, Principal
from godos.model.versions import Bucket
from godos.protocol.bucket_access import ACL, OWNERSHIP_CONTROLS, ownership_document
from godos.web.access import Action
from godos.web.errors import S3Error, UnsupportedFeature
from godos.web.s3.acls import ownership_named
from godos.web.s3.call import Call, Request, Result, Route, Table
from godos.web.s3.operations.owners import Owners
from godos.web.s3.operations.pages import decode_token, encode_token, limit_of
from godos.web.s3.operations.settings.tagging import tagging_of

FIRST_REGION = "us-east-1"  # the one that S3 leaves unnamed, and that clients name all the same
MOST_BUCKETS = 10_000  # of one page
_PAGED = ("MaxBuckets", "Prefix", "BucketRegion", "ContinuationToken")

Settings = Mapping[str, Any]
# The access control list (as it is stored) that a request for a new bucket asks for.
NewBucketAcl = Callable[[Call, Request], Awaitable[Mapping[str, Any] | None]]


class Buckets:
    """
    Args:
        credentials: where the names of owners are found.
        acl: reads the access control list of a bucket to be.
        region: where all buckets are.
    """

    def __init__(
        self, objects: IBuckets, credentials: ICredentials, acl: NewBucketAcl, region: str
    ) -> None:
        self._objects = objects
        self._owners = Owners(credentials)
        self._acl = acl
        self._region = region

    def table(self) -> Table:
        """The routes."""
        return {
            "ListBuckets": Route(self.list, Action.LIST_BUCKETS),
            "CreateBucket": Route(self.create, Action.CREATE_BUCKET),
            "HeadBucket": Route(self.head, Action.LIST),
            "DeleteBucket": Route(self.delete, Action.DELETE_BUCKET),
            "GetBucketLocation": Route(self.location, Action.GET_LOCATION),
        }

    # -- which there are ------------------------------------------------------------------
    async def list(self, call: Call, request: Request) -> Result:
        """The caller's buckets, page by page; all buckets of one who may do everything."""
        limit = limit_of(request, "MaxBuckets", least=1, most=MOST_BUCKETS)
        token, prefix = request.get("ContinuationToken"), request.get("Prefix", "")
        after = decode_token(token) if token else ""
        found = [
            bucket
            for bucket in await self._objects.buckets()
            if _shows(bucket, call.principal)
            and bucket.name.startswith(prefix)
            and bucket.name > after
            and request.get("BucketRegion", self._region) == self._region
        ]
        page, more = found[:limit], len(found) > limit
        return {
            "Owner": await self._owners.told(call.principal.id),
            "Buckets": self._entries(page, any(name in request for name in _PAGED)),
            "ContinuationToken": encode_token(page[-1].name) if more else None,
            "Prefix": prefix or None,
        }

    def _entries(self, buckets: Sequence[Bucket], paged: bool) -> Sequence[Mapping[str, Any]]:
        """Like S3, tells of regions only those who ask for pages."""
        region = {"BucketRegion": self._region} if paged else {}
        return [
            {"Name": bucket.name, "CreationDate": bucket.created, **region} for bucket in buckets
        ]

    async def head(self, call: Call, _: Request) -> Result:
        """Whether it is there, and where."""
        await self._objects.bucket(call.target.bucket)
        return {"BucketRegion": self._region}

    async def location(self, call: Call, _: Request) -> Result:
        """Where it is; S3's first region is an empty name."""
        await self._objects.bucket(call.target.bucket)
        return {"LocationConstraint": "" if self._region == FIRST_REGION else self._region}

    # -- one more ---------------------------------------------------------------------------
    async def create(self, call: Call, request: Request) -> Result:
        """
        Make a bucket, which belongs to who made it.

        One's own bucket with the same settings may be made again, to no effect.
        """
        name, answer = call.target.bucket, {"Location": f"/{call.target.bucket}"}
        configuration = request.get("CreateBucketConfiguration") or {}
        self._check_place(configuration)
        wanted = {
            ACL: await self._acl(call, request),
            OWNERSHIP_CONTROLS: _ownership(request),
            "tagging": tagging_of(configuration.get("Tags", ())),
        }
        locked = bool(request.get("ObjectLockEnabledForBucket"))
        try:
            await self._objects.create_bucket(name, call.principal.id, locked)
        except BucketAlreadyOwnedByYou:
            await self._check_same(name, locked, wanted)
            return answer
        for setting, document in wanted.items():
            if document is not None:
                await self._objects.set_setting(name, setting, document)
        return answer

    def _check_place(self, configuration: Mapping[str, Any]) -> None:
        region = configuration.get("LocationConstraint")
        if region and region not in (FIRST_REGION, self._region):
            raise S3Error(
                "InvalidLocationConstraint",
                f"the region {region[:40]!r} is not here: name {self._region}, or none",
                LocationConstraint=region[:40],
            )
        if "Location" in configuration or (configuration.get("Bucket") or {}).get("Type"):
            raise UnsupportedFeature("directory buckets are not there")

    async def _check_same(self, name: str, locked: bool, wanted: Settings) -> None:
        bucket, settings = await self._objects.bucket(name), await self._objects.settings(name)
        same = all(settings.get(setting) == document for setting, document in wanted.items())
        if not same or bucket.object_lock != locked:
            raise BucketAlreadyExists(f"you have a bucket {name} already, with other settings")

    async def delete(self, call: Call, _: Request) -> Result:
        """Remove an empty bucket."""
        await self._objects.delete_bucket(call.target.bucket)
        return None


def _shows(bucket: Bucket, principal: Principal) -> bool:
    return principal.unrestricted or (not principal.anonymous and bucket.owner == principal.id)


def _ownership(request: Request) -> Mapping[str, Any] | None:
    asked = request.get("ObjectOwnership")
    if asked is None:
        return None
    return ownership_document(ownership_named(asked))
