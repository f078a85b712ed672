"""The tags of a bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from godos.model.objects import IBuckets
from godos.web.access import Action
from godos.web.s3.call import Call, Request, Result, Route, Table
from godos.web.s3.operations.settings.documents import Documents, absence, payload
from godos.web.s3.operations.tag_sets import document_tags

MOST_TAGS = 50  # Source: Amazon S3 User Guide, "Using cost allocation S3 bucket tags"
_NO_TAGS = absence("NoSuchTagSet", "tags")


class BucketTagging:
    """Get-, Put- and DeleteBucketTagging."""

    def __init__(self, objects: IBuckets) -> None:
        self._documents = Documents(objects, "tagging")

    def table(self) -> Table:
        """The routes."""
        return {
            "GetBucketTagging": Route(self.get, Action.GET_BUCKET_TAGGING),
            "PutBucketTagging": Route(self.put, Action.PUT_BUCKET_TAGGING),
            "DeleteBucketTagging": Route(self.delete, Action.PUT_BUCKET_TAGGING),
        }

    async def get(self, call: Call, _: Request) -> Result:
        """The tags."""
        return dict(await self._documents.get(call.target.bucket, _NO_TAGS))

    async def put(self, call: Call, request: Request) -> Result:
        """Replace all tags; none at all are like their removal."""
        document = tagging_of(payload(request, "Tagging").get("TagSet"))
        await self._documents.put(call.target.bucket, document)
        return None

    async def delete(self, call: Call, _: Request) -> Result:
        """Remove all tags."""
        await self._documents.delete(call.target.bucket)
        return None


def tagging_of(tags: Sequence[Mapping[str, str]] | None) -> Mapping[str, Any] | None:
    """
    The document of a bucket's tags, in the order in which they came; None for no tags.

    Raises:
        S3Error: MalformedXML, InvalidTag.
    """
    document_tags(tags, MOST_TAGS)
    return {"TagSet": list(tags)} if tags else None
