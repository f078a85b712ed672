"""Doing an operation for a caller: first whether they may, then the operation itself."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from attrs import define

from godos.model.cause import CAUSE, Cause
from godos.model.multipart import MultipartUpload
from godos.model.versions import ObjectVersion
from godos.web.access import Action
from godos.web.answers import Answer
from godos.web.errors import UnsupportedFeature
from godos.web.exchange import IExchange
from godos.web.s3.authorisation import Authoriser, RequestContext
from godos.web.s3.call import HOLDS_NOTHING_BACK, Call, Permit, Result, Route
from godos.web.s3.callers import Caller
from godos.web.s3.description import Operation
from godos.web.s3.documents import Documents
from godos.web.target import Target


class PermitForgotten(Exception):
    """
    An operation did not show its object to the permit that waits for it.

    A bug of ours, and no `GodosError`: it is logged, and the client learns nothing.
    """


@define(eq=False)
class Watched:
    """A permit that waits for the object; `shown`: it has seen one, and allowed it."""

    _permit: Permit
    settled: bool = False
    shown: bool = False

    def version(self, version: ObjectVersion) -> None:
        """See `Permit`."""
        self._permit.version(version)
        self.shown = True

    def upload(self, upload: MultipartUpload) -> None:
        """See `Permit`."""
        self._permit.upload(upload)
        self.shown = True

    def created(self) -> None:
        """See `Permit`."""
        self._permit.created()
        self.shown = True

    def absent(self) -> None:
        """See `Permit`.  That there is nothing is told by an error, and not by an answer."""
        self._permit.absent()


def watched(permit: Permit) -> Permit:
    """`permit`, watched unless nothing waits."""
    return permit if permit.settled else Watched(permit)


class Performer:
    """
    Args:
        routes: the operations that are served, by name.
    """

    def __init__(
        self,
        authoriser: Authoriser,
        routes: Mapping[str, Route],
        documents: Documents,
    ) -> None:
        self._authoriser = authoriser
        self._routes = routes
        self._documents = documents

    async def perform(
        self,
        exchange: IExchange,
        target: Target,
        caller: Caller,
        operation: Operation,
        request: dict[str, Any],
    ) -> Result:
        """
        Do what `request`, read from the headers, and the body ask for.

        The body of an operation with a document is read once its caller is allowed.

        Raises:
            AccessDenied: the caller may not do this.
            UnsupportedFeature: we do not serve the operation.
            PermitForgotten: the operation has a bug, and must not be answered.
        """
        route = self._routes.get(operation.name)
        if route is None:
            raise UnsupportedFeature(f"{operation.name} is not served here")
        CAUSE.set(_cause(exchange, caller))
        allow = partial(self._allow, caller, RequestContext(exchange, caller, request))
        call = Call(exchange, target, operation.name, caller, HOLDS_NOTHING_BACK, allow)
        action = route.action
        if route.with_version is not None and call.version_id is not None:
            action = route.with_version
        if action is not None:
            call.permit = watched(await allow(action, target.bucket, target.key))
        if operation.has_xml_body:
            request |= await self._documents.read(operation, exchange, caller)
        result = await route.function(call, request)
        if isinstance(call.permit, Watched) and not call.permit.shown:
            await _close(result)
            raise PermitForgotten(f"{operation.name} answers before its object was allowed")
        return result

    async def _allow(
        self,
        caller: Caller,
        context: RequestContext,
        action: Action,
        bucket: str = "",
        key: str = "",
        version_id: str | None = None,
    ) -> Permit:
        if version_id is not None:
            context = context.of_version(version_id)
        return await self._authoriser.check(caller.principal, action, bucket, key, context)


def _cause(exchange: IExchange, caller: Caller) -> Cause:
    """What those learn of a request who are told of what it did."""
    host = exchange.peer.rpartition(":")[0] or exchange.peer
    return Cause(caller.principal.id, host.strip("[]"), exchange.request_id)


async def _close(result: Result) -> None:
    """Close what was opened for an answer that will not be sent."""
    if isinstance(result, Answer):
        read = result.read
    else:
        read = None if result is None else result.get("Body")
    if read is not None:
        await read.close()
