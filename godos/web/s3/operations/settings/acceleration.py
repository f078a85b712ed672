"""Transfer acceleration, which S3 has by its edge locations and this server has not."""

from __future__ import annotations

from godos.model.objects import IBuckets
from godos.web.access import Action
from godos.web.errors import UnsupportedFeature
from godos.web.s3.call import Call, Request, Result, Route, Table
from godos.web.s3.operations.settings.documents import Documents, one_of, payload

ENABLED, SUSPENDED = "Enabled", "Suspended"


class Acceleration:
    """Get- and PutBucketAccelerateConfiguration: it can only be suspended."""

    def __init__(self, objects: IBuckets) -> None:
        self._documents = Documents(objects, "accelerate")

    def table(self) -> Table:
        """The routes."""
        return {
            "GetBucketAccelerateConfiguration": Route(self.get, Action.GET_ACCELERATE),
            "PutBucketAccelerateConfiguration": Route(self.put, Action.PUT_ACCELERATE),
        }

    async def get(self, call: Call, _: Request) -> Result:
        """Empty until it was suspended."""
        return dict(await self._documents.find(call.target.bucket) or {})

    async def put(self, call: Call, request: Request) -> Result:
        """Suspend it."""
        document = payload(request, "AccelerateConfiguration")
        if one_of(document, "Status", (ENABLED, SUSPENDED)) == ENABLED:
            raise UnsupportedFeature("there are no edge locations that could make it faster")
        await self._documents.put(call.target.bucket, document)
        return None
