"""The listings of a bucket: its objects, all their versions, and uploads in parts."""

from __future__ import annotations

from collections.abc import Iterable

from godos.model.multipart import UploadsPage
from godos.model.objects import IObjects
from godos.model.users import ICredentials
from godos.model.versions import Listing
from godos.protocol.bucket_access import Ownership, ownership_of
from godos.web.access import Action
from godos.web.errors import InvalidArgument
from godos.web.s3.call import Call, Request, Result, Route, Table
from godos.web.s3.operations.listing_entries import (
    Names,
    entries,
    last_version,
    marker_entries,
    prefixes,
    upload_entry,
    version_entries,
)
from godos.web.s3.operations.owners import Owners
from godos.web.s3.operations.pages import (
    Page,
    decode_token,
    encode_token,
    encoded_for_xml,
    page_of,
)

_EMPTY = Listing((), (), None)


class Listings:
    """
    Args:
        credentials: where the names of owners are found.
    """

    def __init__(self, objects: IObjects, credentials: ICredentials) -> None:
        self._objects = objects
        self._owners = Owners(credentials)

    def table(self) -> Table:
        """The routes."""
        return {
            "ListObjects": Route(self.objects, Action.LIST),
            "ListObjectsV2": Route(self.objects_v2, Action.LIST),
            "ListObjectVersions": Route(self.versions, Action.LIST_VERSIONS),
            "ListMultipartUploads": Route(self.uploads, Action.LIST_UPLOADS),
        }

    # -- the latest versions --------------------------------------------------------------
    async def objects(self, call: Call, request: Request) -> Result:
        """One page of the latest versions, as version 1 of the API has it."""
        bucket, page = call.target.bucket, page_of(request, "MaxKeys")
        after = request.get("Marker", "")
        listing = await self._latest(bucket, page, after)
        encode = page.encode
        return {
            "Name": bucket,
            **page.question("MaxKeys"),
            # Of this listing alone, boto3 does not decode the prefix.
            "Prefix": encoded_for_xml(page.prefix) if page.encoded else page.prefix,
            "Marker": encode(after),
            "IsTruncated": listing.next is not None,
            "NextMarker": None if listing.next is None else encode(listing.next),
            "Contents": entries(listing.versions, page, await self._names(bucket, listing)),
            "CommonPrefixes": prefixes(listing.common_prefixes, page),
        }

    async def objects_v2(self, call: Call, request: Request) -> Result:
        """One page of the latest versions, as version 2 of the API has it."""
        bucket, page = call.target.bucket, page_of(request, "MaxKeys")
        token, start = request.get("ContinuationToken"), request.get("StartAfter")
        listing = await self._latest(bucket, page, decode_token(token) if token else start or "")
        encode = page.encode
        names = await self._names(bucket, listing) if request.get("FetchOwner") else None
        return {
            "Name": bucket,
            **page.question("MaxKeys"),
            "IsTruncated": listing.next is not None,
            "KeyCount": len(listing.versions) + len(listing.common_prefixes),
            "StartAfter": encode(start) if start else None,
            "ContinuationToken": token,
            "NextContinuationToken": None if listing.next is None else encode_token(listing.next),
            "Contents": entries(listing.versions, page, names),
            "CommonPrefixes": prefixes(listing.common_prefixes, page),
        }

    async def _latest(self, bucket: str, page: Page, after: str) -> Listing:
        if not page.limit:
            await self._objects.bucket(bucket)  # a page of no entries is of a bucket that exists
            return _EMPTY
        return await self._objects.list_objects(
            bucket, page.prefix, page.delimiter, after, page.limit
        )

    async def _names(self, bucket: str, listing: Listing) -> Names:
        """The owners of all that is on a page."""
        ids = {each.attributes.owner for each in listing.versions}
        if ownership_of(await self._objects.settings(bucket)) is Ownership.ENFORCED:
            owner = (await self._named(bucket, ()))[""]
            return dict.fromkeys((*ids, ""), owner)
        return await self._named(bucket, ids)

    async def _named(self, bucket: str, ids: Iterable[str]) -> Names:
        """Each user is looked up once for a page."""
        owner = (await self._objects.bucket(bucket)).owner
        found = {user_id: await self._owners.told(user_id) for user_id in {owner, *ids} if user_id}
        return {**found, "": found.get(owner, {"ID": owner})}

    # -- all versions -----------------------------------------------------------------------
    async def versions(self, call: Call, request: Request) -> Result:
        """One page of all versions and delete markers."""
        bucket, page = call.target.bucket, page_of(request, "MaxKeys")
        after, after_version = request.get("KeyMarker", ""), request.get("VersionIdMarker")
        if after_version is not None and not after:
            raise InvalidArgument("version-id-marker goes with a key-marker")
        if after_version == "":
            raise InvalidArgument("version-id-marker is empty; leave it out")
        listing = await self._all(bucket, page, after, after_version or "")
        encode, names = page.encode, await self._names(bucket, listing)
        objects = [each for each in listing.versions if not each.is_delete_marker]
        markers = [each for each in listing.versions if each.is_delete_marker]
        return {
            "Name": bucket,
            **page.question("MaxKeys"),
            "KeyMarker": encode(after),
            "VersionIdMarker": after_version or "",
            "IsTruncated": listing.next is not None,
            "NextKeyMarker": None if listing.next is None else encode(listing.next),
            "NextVersionIdMarker": last_version(listing),
            "Versions": version_entries(objects, page, names),
            "DeleteMarkers": marker_entries(markers, page, names),
            "CommonPrefixes": prefixes(listing.common_prefixes, page),
        }

    async def _all(self, bucket: str, page: Page, after: str, after_version: str) -> Listing:
        if not page.limit:
            await self._objects.bucket(bucket)
            return _EMPTY
        return await self._objects.list_versions(
            bucket, page.prefix, page.delimiter, after, after_version, page.limit
        )

    # -- uploads in parts -------------------------------------------------------------------
    async def uploads(self, call: Call, request: Request) -> Result:
        """One page of the uploads in parts that were begun."""
        bucket, page = call.target.bucket, page_of(request, "MaxUploads")
        after = request.get("KeyMarker", "")
        # Without a key-marker it is ignored.  Source: Amazon S3 API Reference.
        after_id = request.get("UploadIdMarker", "") if after else ""
        found = await self._begun(bucket, page, (after, after_id))
        ids = {user for each in found.uploads for user in (each.attributes.owner, each.initiator)}
        names = await self._named(bucket, ids)
        encode, following = page.encode, found.next
        return {
            "Bucket": bucket,
            **page.question("MaxUploads"),
            "KeyMarker": encode(after),
            "UploadIdMarker": after_id,
            "IsTruncated": following is not None,
            "NextKeyMarker": None if following is None else encode(following[0]),
            "NextUploadIdMarker": None if following is None else following[1],
            "Uploads": [upload_entry(upload, page, names) for upload in found.uploads],
            "CommonPrefixes": prefixes(found.common_prefixes, page),
        }

    async def _begun(self, bucket: str, page: Page, after: tuple[str, str]) -> UploadsPage:
        if not page.limit:
            await self._objects.bucket(bucket)
            return UploadsPage((), (), None)
        return await self._objects.uploads(bucket, page.prefix, page.delimiter, after, page.limit)
