"""Whether a bucket keeps versions."""

from __future__ import annotations

from godos.model.objects import IBuckets
from godos.model.versions import Versioning
from godos.web.access import Action
from godos.web.errors import S3Error, UnsupportedFeature
from godos.web.s3.call import Call, Request, Result, Route, Table
from godos.web.s3.operations.settings.documents import one_of, payload

STATES = (Versioning.ENABLED.value, Versioning.SUSPENDED.value)


class BucketVersioning:
    """Get- and PutBucketVersioning."""

    def __init__(self, objects: IBuckets) -> None:
        self._objects = objects

    def table(self) -> Table:
        """The routes."""
        return {
            "GetBucketVersioning": Route(self.get, Action.GET_VERSIONING),
            "PutBucketVersioning": Route(self.put, Action.PUT_VERSIONING),
        }

    async def get(self, call: Call, _: Request) -> Result:
        """Whether versions are kept; empty where they never were."""
        versioning = (await self._objects.bucket(call.target.bucket)).versioning
        return {} if versioning is Versioning.OFF else {"Status": versioning.value}

    async def put(self, call: Call, request: Request) -> Result:
        """Begin or suspend to keep versions."""
        document = payload(request, "VersioningConfiguration")
        if document.get("MFADelete") == "Enabled" or "MFA" in request:
            raise UnsupportedFeature("there is no MFA here: versions cannot be guarded by it")
        if "Status" not in document:
            raise S3Error(
                "IllegalVersioningConfigurationException",
                "the Status must be specified: Enabled or Suspended",
            )
        versioning = Versioning(one_of(document, "Status", STATES))
        await self._objects.set_versioning(call.target.bucket, versioning)
        return None
