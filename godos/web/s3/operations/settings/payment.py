"""Who pays for requests.  Nobody does here, but clients ask, and may say."""

from __future__ import annotations

from godos.model.objects import IBuckets
from godos.web.access import Action
from godos.web.s3.call import Call, Request, Result, Route, Table
from godos.web.s3.operations.settings.documents import Documents, one_of, payload

OWNER, REQUESTER = "BucketOwner", "Requester"


class RequestPayment:
    """Get- and PutBucketRequestPayment."""

    def __init__(self, objects: IBuckets) -> None:
        self._documents = Documents(objects, "request-payment")

    def table(self) -> Table:
        """The routes."""
        return {
            "GetBucketRequestPayment": Route(self.get, Action.GET_REQUEST_PAYMENT),
            "PutBucketRequestPayment": Route(self.put, Action.PUT_REQUEST_PAYMENT),
        }

    async def get(self, call: Call, _: Request) -> Result:
        """Who was said to pay."""
        return dict(await self._documents.find(call.target.bucket) or {"Payer": OWNER})

    async def put(self, call: Call, request: Request) -> Result:
        """Keep what is said; the owner is the default."""
        payer = one_of(payload(request, "RequestPaymentConfiguration"), "Payer", (OWNER, REQUESTER))
        await self._documents.put(call.target.bucket, None if payer == OWNER else {"Payer": payer})
        return None
