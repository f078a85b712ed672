"""
The steps of an S3 request: who, what, may they, do it, tell.

Each step is a part of its own; here is only their order.
"""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

from godos.deferreds import deferred
from godos.model.users import Principal
from godos.web.access import Action
from godos.web.answers import Answer, wants_json
from godos.web.exchange import IExchange
from godos.web.hosts import Hosts
from godos.web.s3 import dispatch
from godos.web.s3.authorisation import Authoriser, RequestContext
from godos.web.s3.callers import Caller
from godos.web.s3.cors import Cors
from godos.web.s3.forms import Forms
from godos.web.s3.hoisting import unhoisted
from godos.web.s3.performing import Performer
from godos.web.s3.website import Website
from godos.web.serving import Course
from godos.web.target import Target, parse_target

OPTIONS = b"OPTIONS"


class IAuthentication(Protocol):
    """Tells who a request comes from, and what its body is."""

    async def authenticate(self, exchange: IExchange, bucket: str = "") -> Caller:
        """
        Args:
            bucket: that the Host header names, when the path does not.

        Raises:
            AccessDenied, S3Error: the request's signature is not one of a known user.
        """


@frozen
class Parts:
    """What the steps are made of."""

    hosts: Hosts
    authentication: IAuthentication
    authoriser: Authoriser
    performer: Performer
    cors: Cors
    forms: Forms
    website: Website


class Pipeline:
    """Answers S3 requests: `decide` is the `Decide` of `Serving`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @deferred
    async def admit(self, exchange: IExchange, action: Action, bucket: str, key: str) -> Principal:
        """The `Authorise` of admin resources."""
        caller = await self._parts.authentication.authenticate(exchange)
        context = RequestContext(exchange, caller, {})
        await self._parts.authoriser.check(caller.principal, action, bucket, key, context)
        return caller.principal

    async def decide(self, exchange: IExchange, course: Course) -> Answer:
        """The answer to one request."""
        parts = self._parts
        host = parts.hosts.of(exchange)
        if host.website and exchange.method != OPTIONS:
            course.operation = "Website"
            course.headers += await parts.cors.headers(exchange, host.bucket)
            return await parts.website.answer(exchange, host.bucket)
        target = parse_target(exchange.target, host.bucket)
        if exchange.method == OPTIONS:
            course.operation = "Preflight"
            return await parts.cors.preflight(exchange, target)
        if target.bucket:
            course.headers += await parts.cors.headers(exchange, target.bucket)
        if parts.forms.is_form(exchange, target):
            course.operation = "PostObject"
            return await parts.forms.answer(exchange, target, course, bool(host.bucket))
        return await self._operate(exchange, target, host.bucket, course)

    async def _operate(
        self, exchange: IExchange, target: Target, host: str, course: Course
    ) -> Answer:
        parts = self._parts
        caller = await parts.authentication.authenticate(exchange, host)
        course.user = caller.principal.name
        exchange, target = unhoisted(exchange, target, caller)
        operation = dispatch.find(exchange.method, target, exchange)
        course.operation = operation.name
        request = operation.parse(target, exchange.headers())
        result = await parts.performer.perform(exchange, target, caller, operation, request)
        if isinstance(result, Answer):
            return result
        return operation.render(result, wants_json(exchange))
