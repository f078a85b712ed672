"""The verbs of a bucket and of the store: `/<bucket>` and `/`."""

from __future__ import annotations

import json

from godos.model.errors import InvalidRequest
from godos.model.objects import IObjects
from godos.model.versions import Listing, Versioning
from godos.web.access import Action
from godos.web.answers import Answer, json_answer
from godos.web.errors import InvalidArgument, UnsupportedFeature
from godos.web.listings import (
    buckets_document,
    objects_document,
    objects_page,
    versions_document,
    versions_page,
)
from godos.web.routes import Call, Route, Table
from godos.web.target import BUCKETS
from godos.web.uploads import check_expectation, refuse_unsupported

MAX_CONFIGURATION = 64 << 10  # bytes of a body that configures something
_EMPTY = Listing((), (), None)
_NAMES = {Versioning.OFF: "Off"}


class BucketVerbs:
    """
    Args:
        region: what S3 clients are told that the buckets are in.
    """

    def __init__(self, objects: IObjects, region: str) -> None:
        self._objects = objects
        self._region = region.encode()

    def table(self) -> Table:
        """The routes of `/<bucket>`."""
        return {
            (b"GET", ""): Route(Action.LIST, self.list),
            (b"HEAD", ""): Route(Action.LIST, self.head),
            (b"PUT", ""): Route(Action.CREATE_BUCKET, self.create, writes=True),
            (b"DELETE", ""): Route(Action.DELETE_BUCKET, self.delete, writes=True),
            (b"GET", "versions"): Route(Action.LIST_VERSIONS, self.list_versions),
            (b"GET", "versioning"): Route(Action.GET_VERSIONING, self.versioning),
            (b"PUT", "versioning"): Route(Action.PUT_VERSIONING, self.set_versioning, writes=True),
        }

    def store_table(self) -> Table:
        """The routes of `/`."""
        buckets = Route(Action.LIST_BUCKETS, self.buckets)
        return {(b"GET", ""): buckets, (b"GET", BUCKETS): buckets}

    async def buckets(self, _: Call) -> Answer:
        """List the buckets."""
        return json_answer(buckets_document(await self._objects.buckets()))

    async def create(self, call: Call) -> Answer:
        """Make a bucket; it belongs to who made it."""
        check_expectation(call.exchange)
        refuse_unsupported(call.exchange.headers())
        # S3 clients name a region in the body.  There is one region here, so it says nothing.
        await call.exchange.body.collect(MAX_CONFIGURATION)
        name = call.target.bucket
        await self._objects.create_bucket(name, call.principal.id)
        return Answer(200, [(b"Location", b"/" + name.encode())])

    async def head(self, call: Call) -> Answer:
        """Tell whether a bucket is there."""
        await self._objects.bucket(call.target.bucket)
        return Answer(200, [(b"x-amz-bucket-region", self._region), (b"Content-Length", b"0")])

    async def delete(self, call: Call) -> Answer:
        """Remove an empty bucket."""
        await self._objects.delete_bucket(call.target.bucket)
        return Answer(204)

    async def list(self, call: Call) -> Answer:
        """One page of the latest versions."""
        name, query = call.target.bucket, call.target.query
        page = objects_page(query)
        if page.limit:
            listing = await self._objects.list_objects(
                name, page.prefix, page.delimiter, page.after, page.limit
            )
        else:
            listing = await self._nothing(name)
        return json_answer(objects_document(name, query, page, listing))

    async def list_versions(self, call: Call) -> Answer:
        """One page of all versions."""
        name = call.target.bucket
        page, after_version = versions_page(call.target.query)
        if page.limit:
            listing = await self._objects.list_versions(
                name, page.prefix, page.delimiter, page.after, after_version, page.limit
            )
        else:
            listing = await self._nothing(name)
        return json_answer(versions_document(name, page, after_version, listing))

    async def _nothing(self, name: str) -> Listing:
        await self._objects.bucket(name)  # a page of no entries is of a bucket that exists
        return _EMPTY

    async def versioning(self, call: Call) -> Answer:
        """Tell whether versions are kept."""
        bucket = await self._objects.bucket(call.target.bucket)
        return json_answer({"status": _NAMES.get(bucket.versioning, bucket.versioning)})

    async def set_versioning(self, call: Call) -> Answer:
        """Begin or suspend to keep versions."""
        check_expectation(call.exchange)
        raw = b"".join(await call.exchange.body.collect(MAX_CONFIGURATION))
        await self._objects.set_versioning(call.target.bucket, _versioning(raw))
        return Answer(200)


def _versioning(raw: bytes) -> Versioning:
    if raw.lstrip().startswith(b"<"):
        raise UnsupportedFeature('XML is not taken here yet; send {"status": "Enabled"}')
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest('the body is no JSON; send {"status": "Enabled"}') from error
    status = document.get("status") if isinstance(document, dict) else None
    if status not in (Versioning.ENABLED.value, Versioning.SUSPENDED.value):
        raise InvalidArgument('the body is {"status": "Enabled"} or {"status": "Suspended"}')
    return Versioning(status)
