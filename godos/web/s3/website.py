"""
Buckets as websites: index and error documents, redirects.  Read by everybody, if at all.

Source: Amazon S3 User Guide, "Hosting a static website using Amazon S3".
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import quote

from attrs import evolve

from godos.model.errors import AccessDenied, GodosError, NoSuchKey
from godos.model.objects import IObjects
from godos.model.users import ANONYMOUS
from godos.web.answers import Answer
from godos.web.errors import S3Error, VerbNotAllowed, answer_of, error_headers, message_of
from godos.web.exchange import IExchange
from godos.web.s3.callers import Caller
from godos.web.s3.description import operations
from godos.web.s3.performing import Performer
from godos.web.s3.stand_in import StandIn
from godos.web.target import Query, Target, parse_target, split

Document = Mapping[str, Any]
Headers = list[tuple[bytes, bytes]]

_REDIRECT = b"x-amz-website-redirect-location"
_READS = (b"GET", b"HEAD")

# What a client knows of the page that it asked for, and not of another in its place.
_CONDITIONS = frozenset(
    (
        b"range",
        b"if-range",
        b"if-match",
        b"if-none-match",
        b"if-modified-since",
        b"if-unmodified-since",
    )
)


class Website:
    """Serves the objects of buckets that have a website configuration."""

    def __init__(self, objects: IObjects, performer: Performer) -> None:
        self._objects = objects
        self._performer = performer

    async def answer(self, exchange: IExchange, bucket: str) -> Answer:
        """
        The page, its redirect, or an error that a person can read.

        Raises:
            GodosError: we cannot serve it now; what a visitor does wrong is a page.
        """
        try:
            if exchange.method not in _READS:
                raise VerbNotAllowed("a website can only be read", "GET, HEAD, OPTIONS")
            path, _ = split(exchange.target)  # a query is for the page's own scripts
            target = parse_target(path, bucket)
            settings = await self._objects.settings(target.bucket)
        except GodosError as error:
            if answer_of(error)[0] >= 500:
                raise
            return _page(error)
        site: Document | None = settings.get("website")
        if site is None:
            return _page(
                S3Error("NoSuchWebsiteConfiguration", f"the bucket {bucket!r} is no website")
            )
        everything = site.get("RedirectAllRequestsTo")
        if everything is not None:
            return _moved(exchange, target.key, {**everything, "HttpRedirectCode": "301"})
        return await self._visit(exchange, target, site)

    async def _visit(self, exchange: IExchange, target: Target, site: Document) -> Answer:
        rule = _rule(site, target.key, None)
        if rule is not None:
            return _moved(exchange, target.key, rule["Redirect"], rule.get("Condition"))
        suffix = (site.get("IndexDocument") or {}).get("Suffix", "index.html")
        key = target.key + suffix if target.key[-1:] in ("", "/") else target.key
        try:
            answer = await self._read(exchange, evolve(target, key=key))
        except GodosError as error:
            missing = isinstance(error, NoSuchKey | AccessDenied)
            if missing and key == target.key and await self._is_folder(exchange, target, suffix):
                return Answer(302, [(b"Location", _path(target.key + "/"))])
            return await self._failed(exchange, target, site, error)
        for name, value in answer.headers:
            if name.lower() == _REDIRECT:
                return await _instead(answer, value)
        return answer

    async def _is_folder(self, exchange: IExchange, target: Target, suffix: str) -> bool:
        """Whether the name without a slash at its end means a folder with an index."""
        index = evolve(target, key=f"{target.key}/{suffix}")
        try:
            await self._read(_unconditional(exchange, b"HEAD"), index)
        except (NoSuchKey, AccessDenied):
            return False
        return True

    async def _failed(
        self, exchange: IExchange, target: Target, site: Document, error: GodosError
    ) -> Answer:
        """
        The bucket's own way of saying no.

        Raises:
            GodosError: `error`, when it is not the visitor's.
        """
        status, _code = answer_of(error)
        if status >= 500:
            raise error
        rule = _rule(site, target.key, status)
        if rule is not None:
            return _moved(exchange, target.key, rule["Redirect"], rule.get("Condition"))
        document = (site.get("ErrorDocument") or {}).get("Key")
        if document:
            try:
                answer = await self._read(
                    _unconditional(exchange, exchange.method), evolve(target, key=document)
                )
            except (NoSuchKey, AccessDenied):
                return _page(error)
            answer.status = status
            answer.headers += error_headers(error)
            return answer
        return _page(error)

    async def _read(self, exchange: IExchange, target: Target) -> Answer:
        reading = operations()["HeadObject" if exchange.method == b"HEAD" else "GetObject"]
        target = evolve(target, query=Query())  # of the page, and not of the operation
        request = reading.parse(target, exchange.headers())
        caller = Caller(ANONYMOUS, exchange.body)
        result = await self._performer.perform(exchange, target, caller, reading, request)
        return result if isinstance(result, Answer) else reading.render(result, False)


def _unconditional(exchange: IExchange, method: bytes) -> IExchange:
    """The exchange without what is only about the page that was asked for."""
    headers = [header for header in exchange.headers() if header[0] not in _CONDITIONS]
    other: IExchange = StandIn(exchange, method, headers)
    return other


async def _instead(answer: Answer, where: bytes) -> Answer:
    """A redirect that an object carries, in the place of its bytes."""
    if answer.read is not None:
        await answer.read.close()
    return Answer(301, [(b"Location", where)])


def _rule(site: Document, key: str, status: int | None) -> Document | None:
    """The first routing rule that applies: before the read (no status), or after it failed."""
    for rule in site.get("RoutingRules") or ():
        condition = rule.get("Condition") or {}
        wanted = condition.get("HttpErrorCodeReturnedEquals")
        if (status is None) != (wanted is None):
            continue
        if wanted is not None and str(wanted) != str(status):
            continue
        if key.startswith(condition.get("KeyPrefixEquals") or ""):
            chosen: Document = rule
            return chosen
    return None


def _moved(
    exchange: IExchange, key: str, redirect: Document, condition: Document | None = None
) -> Answer:
    prefix = (condition or {}).get("KeyPrefixEquals") or ""
    if redirect.get("ReplaceKeyWith") is not None:
        key = redirect["ReplaceKeyWith"]
    elif redirect.get("ReplaceKeyPrefixWith") is not None:
        key = redirect["ReplaceKeyPrefixWith"] + key.removeprefix(prefix)
    scheme = redirect.get("Protocol") or ("https" if exchange.secure else "http")
    host = (redirect.get("HostName") or "").encode() or exchange.header(b"host") or b""
    where = scheme.encode() + b"://" + host + _path(key)
    return Answer(int(redirect.get("HttpRedirectCode") or 301), [(b"Location", where)])


def _path(key: str) -> bytes:
    """A key as a path; of two slashes at the start browsers would make another host."""
    inner = key.lstrip("/")
    return ("/" + "%2F" * (len(key) - len(inner)) + quote(inner, safe="/~")).encode()


def _page(error: GodosError) -> Answer:
    """An error as a page: browsers show it to people."""
    status, code = answer_of(error)
    text = (
        f"<!DOCTYPE html>\n<html><head><title>{status} {escape(code)}</title></head><body>"
        f"<h1>{status} {escape(code)}</h1><p>{escape(message_of(error, code))}</p></body></html>\n"
    )
    headers: Headers = [(b"Content-Type", b"text/html; charset=utf-8"), *error_headers(error)]
    return Answer(status, headers, text.encode("utf-8"))
