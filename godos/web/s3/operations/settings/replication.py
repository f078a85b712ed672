"""Replication to other buckets, which is not there: tools ask for it all the same."""

from __future__ import annotations

from godos.model.objects import IBuckets
from godos.web.access import Action
from godos.web.s3.call import Call, Request, Result, Route, Table
from godos.web.s3.operations.settings.documents import absence

_NONE = absence("ReplicationConfigurationNotFoundError", "replication configuration")


class Replication:
    """Get- and DeleteBucketReplication."""

    def __init__(self, objects: IBuckets) -> None:
        self._objects = objects

    def table(self) -> Table:
        """The routes."""
        return {
            "GetBucketReplication": Route(self.get, Action.GET_REPLICATION),
            "DeleteBucketReplication": Route(self.delete, Action.PUT_REPLICATION),
        }

    async def get(self, call: Call, _: Request) -> Result:
        """There is none, of a bucket that is there."""
        await self._objects.bucket(call.target.bucket)
        raise _NONE(call.target.bucket)

    async def delete(self, call: Call, _: Request) -> Result:
        """There is none to remove."""
        await self._objects.bucket(call.target.bucket)
        return None
