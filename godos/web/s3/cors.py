"""
Requests of pages from other origins: the question before them, and the headers that allow
a browser to show the page the answer.

Source: Amazon S3 User Guide, "Using cross-origin resource sharing (CORS)"; the WHATWG Fetch
standard, "CORS protocol".
"""

from __future__ import annotations

from godos.model.errors import GodosError
from godos.model.objects import IBuckets
from godos.protocol.cors import CorsGrant, CorsRequest, CorsRule, cors_rules, grant
from godos.web.answers import Answer
from godos.web.errors import S3Error
from godos.web.exchange import IExchange
from godos.web.s3.operations.settings.cors import METHODS
from godos.web.target import Target

Headers = list[tuple[bytes, bytes]]

ORIGIN = b"origin"
WANTED_METHOD = b"access-control-request-method"
WANTED_HEADERS = b"access-control-request-headers"
_VARY = (
    b"Vary",
    b"Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
)


class Cors:
    """Answers by the rules of the buckets' CORS configurations."""

    def __init__(self, objects: IBuckets) -> None:
        self._objects = objects

    async def preflight(self, exchange: IExchange, target: Target) -> Answer:
        """
        The answer to OPTIONS: what a page of that origin may do.

        Anybody may ask, as browsers do it without signature.

        Fails:
            S3Error: BadRequest: it lacks a header; AccessForbidden: no rule allows it.
            NoSuchBucket
        """
        wanted = _preflight(exchange)
        rules = await self._rules(target.bucket) if target.bucket else ()
        if not rules:
            raise _forbidden(exchange, "CORS is not enabled for this bucket")
        found = grant(rules, wanted)
        if found is None:
            raise _forbidden(
                exchange,
                "no rule of this bucket allows that origin, method and headers together",
            )
        allowed = [*_allowance(found), (b"Content-Length", b"0")]
        if wanted.headers:
            names = ", ".join(wanted.headers).encode("latin-1")
            allowed.append((b"Access-Control-Allow-Headers", names))
        return Answer(200, allowed)

    async def headers(self, exchange: IExchange, bucket: str) -> Headers:
        """
        What the answer of a request says to browsers; nothing when no rule allows it.

        A bucket that is not there, or cannot be asked, says nothing: the answer itself
        tells why.
        """
        origin = exchange.header(ORIGIN)
        if origin is None:
            return []
        try:
            rules = await self._rules(bucket)
        except GodosError:
            return []
        method = exchange.header(WANTED_METHOD) or exchange.method
        wanted = CorsRequest(origin.decode("latin-1"), method.decode("latin-1"))
        found = grant(rules, wanted)
        return [] if found is None else _allowance(found)

    async def _rules(self, bucket: str) -> tuple[CorsRule, ...]:
        return cors_rules((await self._objects.settings(bucket)).get("cors"))


def _preflight(exchange: IExchange) -> CorsRequest:
    """What a page asks for before its request."""
    origin, method = exchange.header(ORIGIN), exchange.header(WANTED_METHOD)
    if not origin:
        raise S3Error("BadRequest", "insufficient information: the Origin header is needed")
    if method is None or method.decode("latin-1") not in METHODS:
        raise S3Error(
            "BadRequest", "Access-Control-Request-Method is needed: " + ", ".join(METHODS)
        )
    asked = (exchange.header(WANTED_HEADERS) or b"").decode("latin-1").lower().split(",")
    names = tuple(name.strip() for name in asked if name.strip())
    return CorsRequest(origin.decode("latin-1"), method.decode("latin-1"), names)


def _forbidden(exchange: IExchange, why: str) -> S3Error:
    kind = "OBJECT" if exchange.target.count(b"/") > 1 else "BUCKET"
    method = (exchange.header(WANTED_METHOD) or b"").decode("latin-1")
    return S3Error("AccessForbidden", f"CORSResponse: {why}", Method=method, ResourceType=kind)


def _allowance(found: CorsGrant) -> Headers:
    """The headers that an answer of either kind has."""
    rule = found.rule
    headers = [
        (b"Access-Control-Allow-Origin", found.origin.encode("latin-1", "replace")),
        (b"Access-Control-Allow-Methods", ", ".join(rule.methods).encode()),
    ]
    if rule.exposed:
        names = ", ".join(rule.exposed).encode("utf-8")
        headers.append((b"Access-Control-Expose-Headers", names))
    if rule.max_age is not None:
        headers.append((b"Access-Control-Max-Age", b"%d" % rule.max_age))
    if found.origin != "*":  # a browser takes no credentials with the wildcard
        headers.append((b"Access-Control-Allow-Credentials", b"true"))
    headers.append(_VARY)
    return headers
