"""
Uploads by the forms of web pages: `POST /<bucket>` with `multipart/form-data`.

Source: Amazon S3 API Reference, "POST Object"; "Browser-based uploads using POST".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from godos.model.names import MAX_KEY, object_key
from godos.web.answers import Answer
from godos.web.bounded import BoundedBody
from godos.web.errors import InvalidArgument, xml_element
from godos.web.exchange import IExchange
from godos.web.s3.callers import Caller, Poster
from godos.web.s3.description import operations
from godos.web.s3.form_reader import Form, FormReader, boundary_of
from godos.web.s3.operations.tag_sets import document_tags
from godos.web.s3.operations.uploading import MAX_SINGLE_PUT
from godos.web.s3.performing import Performer
from godos.web.s3.stand_in import StandIn
from godos.web.serving import Course
from godos.web.target import Target

_FILENAME = "${filename}"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")  # Source: RFC 9110, section 5.6.2
_CREATED, _NO_CONTENT = 201, 204
_STATUSES = {"200": 200, "201": _CREATED, "204": _NO_CONTENT}

# Fields that become the headers of the same upload by PUT, beside all x-amz- ones.
_HEADERS = {
    "acl": b"x-amz-acl",
    "content-type": b"content-type",
    "cache-control": b"cache-control",
    "content-disposition": b"content-disposition",
    "content-encoding": b"content-encoding",
    "content-language": b"content-language",
    "content-md5": b"content-md5",
    "expires": b"expires",
}
# Of the form itself, and not of the object.
_OF_SIGNATURE = frozenset(
    """
    x-amz-algorithm x-amz-credential x-amz-date x-amz-signature x-amz-security-token
    """.split()  # noqa: SIM905
)


class IFormAuthentication(Protocol):
    """Tells who a form comes from."""

    async def authenticate_form(
        self, exchange: IExchange, fields: Mapping[str, str], bucket: str
    ) -> Poster:
        """
        Args:
            fields: by lower-case name, with `key` as it will be used.

        Raises:
            AccessDenied, S3Error: the signature is wrong, or the policy forbids the form.
        """


class Forms:
    """Takes forms apart, and does with them what a PUT of the same object does."""

    def __init__(self, authentication: IFormAuthentication, performer: Performer) -> None:
        self._authentication = authentication
        self._performer = performer

    def is_form(self, exchange: IExchange, target: Target) -> bool:
        """Whether a request is an upload by form."""
        return (
            exchange.method == b"POST"
            and bool(target.bucket)
            and not target.key
            and not target.query
            and boundary_of(exchange.header(b"content-type")) is not None
        )

    async def answer(
        self, exchange: IExchange, target: Target, course: Course, by_host: bool = False
    ) -> Answer:
        """
        Store the file; when this answers it is durable.

        Args:
            by_host: the Host header names the bucket, and the path does not.

        Raises:
            AccessDenied, S3Error, …: it is refused; the rest of the form is not read.
        """
        boundary = boundary_of(exchange.header(b"content-type"))
        assert boundary is not None
        form = await FormReader(boundary).open(exchange.body)
        key = _key(form)
        fields = {**form.fields, "key": key, "bucket": target.bucket}
        poster = await self._authentication.authenticate_form(exchange, fields, target.bucket)
        course.user = poster.principal.name
        most = MAX_SINGLE_PUT if poster.most is None else min(poster.most, MAX_SINGLE_PUT)
        body = BoundedBody(form.file, most, poster.least)
        version = poster.signature_version
        caller = Caller(poster.principal, body, signature_version=version, by_form=True)
        headers = _headers(form.fields)
        put = StandIn(exchange, b"PUT", headers, body)
        filled = Target(target.bucket, key, target.query)
        operation = operations()["PutObject"]
        request = operation.parse(filled, headers)
        if "tagging" in fields:
            request["Tagging"] = _tagging(fields["tagging"])
        result = await self._performer.perform(put, filled, caller, operation, request)
        if isinstance(result, Answer):
            return result
        location = _location(exchange, filled, by_host)
        return _success(location, filled, fields, operation.render(result, False), result or {})


def _key(form: Form) -> str:
    """
    The object's name, with `${filename}` filled in.

    Raises:
        InvalidArgument: the form has none.
        InvalidKey, KeyTooLong: it is no name.
    """
    key = form.fields.get("key")
    if key is None:
        raise InvalidArgument("the form has no field key: the object's name")
    name = form.filename.replace("\\", "/").rpartition("/")[2][: MAX_KEY + 1]
    return object_key(key.replace(_FILENAME, name).encode("utf-8"))


def _headers(fields: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """
    Raises:
        InvalidArgument: a field could not be a header.
    """
    headers = [(b"transfer-encoding", b"chunked")]  # how long the file is, nobody has said
    for name, text in fields.items():
        known = _HEADERS.get(name)
        if known is not None:
            headers.append((known, text.encode("utf-8")))
        elif name.startswith("x-amz-") and name not in _OF_SIGNATURE:
            if _TOKEN.fullmatch(name) is None:
                raise InvalidArgument(f"the form's field {name[:80]!r} could not be a header")
            headers.append((name.encode("utf-8"), text.encode("utf-8")))
    return headers


def _tagging(text: str) -> str:
    """The XML of a form's tags as the header that a PUT has."""
    document = operations()["PutObjectTagging"].read_body(text.encode("utf-8"))
    return urlencode(document_tags((document.get("Tagging") or {}).get("TagSet")))


# -- the answer ----------------------------------------------------------------------------
def _success(
    location: str,
    target: Target,
    fields: Mapping[str, str],
    put: Answer,
    result: Mapping[str, Any],
) -> Answer:
    """What the form asked to be told, with the headers that the PUT would have had."""
    etag = str(result["ETag"])
    kept = [(name, value) for name, value in put.headers if name.lower() != b"content-length"]
    redirect = fields.get("success_action_redirect") or fields.get("redirect")
    where = _redirection(redirect, target, etag) if redirect else None
    if where is not None:
        return Answer(303, [*kept, (b"Location", where)])
    status = _STATUSES.get(fields.get("success_action_status", ""), _NO_CONTENT)
    kept.append((b"Location", location.encode("utf-8")))
    if status != _CREATED:
        return Answer(status, kept)
    elements = "".join(
        xml_element(name, text)
        for name, text in (
            ("Location", location),
            ("Bucket", target.bucket),
            ("Key", target.key),
            ("ETag", etag),
        )
    )
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>{elements}</PostResponse>\n'
    return Answer(status, [*kept, (b"Content-Type", b"application/xml")], body.encode("utf-8"))


def _redirection(redirect: str, target: Target, etag: str) -> bytes | None:
    """Where the browser goes next; None when what the form says is no URL."""
    try:
        parts = urlsplit(redirect)
    except ValueError:  # brackets that are no IPv6 address
        return None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return None
    query = [*parse_qsl(parts.query, keep_blank_values=True)]
    query += [("bucket", target.bucket), ("key", target.key), ("etag", etag)]
    return urlunsplit(parts._replace(query=urlencode(query))).encode("ascii", "ignore")


def _location(exchange: IExchange, target: Target, by_host: bool) -> str:
    """The object's URL, as the form's own was written."""
    path = "/" + quote(target.key, safe="/~")
    if not by_host:
        path = f"/{target.bucket}{path}"
    host = exchange.header(b"host")
    if not host:
        return path
    return f"{'https' if exchange.secure else 'http'}://{host.decode('latin-1')}{path}"
