"""What the headers of a read ask for, and those that tell of an object."""

from __future__ import annotations

import re
from collections.abc import Callable

from godos.model.objects import ByteRange, GetRequest, ReadCondition
from godos.model.versions import ObjectVersion
from godos.web.dates import http_date, parse_http_date
from godos.web.errors import InvalidArgument
from godos.web.exchange import IExchange

DEFAULT_TYPE = b"binary/octet-stream"  # S3's, where no Content-Type was sent
META = b"x-amz-meta-"

# Standard headers that are kept with an object -> how they are written in answers.
STORED = {
    "content-type": b"Content-Type",
    "content-encoding": b"Content-Encoding",
    "content-language": b"Content-Language",
    "content-disposition": b"Content-Disposition",
    "cache-control": b"Cache-Control",
    "expires": b"Expires",
}

_ETAG = re.compile(rb'[\s,]*(W/)?("[^"]*"|[^\s",]+)\s*(?:,|$)')
_FAR = 1 << 62  # bytes: beyond any object
_UNCONDITIONAL = ReadCondition()
_PLAIN = GetRequest()


def parse_etags(raw: bytes, weak: bool) -> tuple[str, ...]:
    """
    Read `"a", W/"b"` or `*`; tags without quotes, as some clients send them, are taken too.

    Args:
        weak: whether weak tags may match; without it they are left out, because the
            comparison is strong.  Source: RFC 9110, section 8.8.3.2.

    Raises:
        InvalidArgument: it is no list of tags.
    """
    if raw == b"*":
        return ("*",)
    found, place, raw = [], 0, raw.rstrip(b", \t")
    while place < len(raw):
        match = _ETAG.match(raw, place)
        if match is None:
            raise InvalidArgument('a list of ETags looks like this: "a", "b"')
        place = match.end()
        tag = match[2].strip(b'"')
        if (weak or match[1] is None) and tag != b"*":  # only a bare * means any
            found.append(tag.decode("latin-1"))
    return tuple(found)


def parse_range(raw: bytes) -> ByteRange | None:
    """
    Read `bytes=1-5`, `bytes=7-` or `bytes=-9`.

    None means the whole object: for other units, for several ranges, and for what makes
    no sense, as S3 does it and RFC 9110 (section 14.2) allows.
    """
    unit, _, ranges = raw.partition(b"=")
    first, dash, last = ranges.strip().partition(b"-")
    if unit.strip().lower() != b"bytes" or not dash:
        return None
    if not (first.isdigit() or (not first and last.isdigit())):
        return None
    if not (last.isdigit() or not last):
        return None
    start, stop = _number(first), _number(last)
    if start is not None and stop is not None and stop < start:
        return None
    return ByteRange(start, stop)


def _number(digits: bytes) -> int | None:
    if not digits:
        return None
    return int(digits) if len(digits) <= 18 else _FAR


def read_request(
    exchange: IExchange, version_id: str | None, now: Callable[[], float]
) -> GetRequest:
    """
    What a GET or HEAD asks for, beside the name.

    Args:
        now: seconds since the epoch, only asked for dates of the old form.

    Raises:
        InvalidArgument: a list of ETags cannot be read.  Dates and ranges that cannot be
            read are ignored, as RFC 9110 asks.
    """
    ranged = exchange.header(b"range")
    condition = _read_condition(exchange, now)
    if ranged is None and version_id is None and condition is _UNCONDITIONAL:
        return _PLAIN
    return GetRequest(version_id, None if ranged is None else parse_range(ranged), condition)


def _read_condition(exchange: IExchange, now: Callable[[], float]) -> ReadCondition:
    match, none_match = exchange.header(b"if-match"), exchange.header(b"if-none-match")
    since = exchange.header(b"if-modified-since")
    unmodified = exchange.header(b"if-unmodified-since")
    if match is none_match is since is unmodified is None:
        return _UNCONDITIONAL
    return ReadCondition(
        None if match is None else parse_etags(match, weak=False),
        None if none_match is None else parse_etags(none_match, weak=True),
        None if since is None else parse_http_date(since, now()),
        None if unmodified is None else parse_http_date(unmodified, now()),
    )


def if_range_holds(raw: bytes, version: ObjectVersion) -> bool:
    """
    Tell whether `If-Range` names this version, so that a part of it is of use.

    Source: RFC 9110, section 13.1.5: a strong tag, or exactly the Last-Modified date.
    """
    return raw in (b'"%s"' % version.etag.encode(), http_date(int(version.modified)))


def validators(version: ObjectVersion) -> list[tuple[bytes, bytes]]:
    """ETag, Last-Modified, and the version's id where the bucket keeps versions."""
    headers = [
        (b"ETag", b'"%s"' % version.etag.encode()),
        (b"Last-Modified", http_date(int(version.modified))),
    ]
    if not version.is_null:
        headers.append((b"x-amz-version-id", version.version_id.encode()))
    return headers


def not_modified(version: ObjectVersion) -> list[tuple[bytes, bytes]]:
    """The headers of a 304.  Source: RFC 9110, section 15.4.5."""
    kept = [
        (STORED[name], version.headers[name].encode("utf-8"))
        for name in ("cache-control", "expires")
        if name in version.headers
    ]
    return validators(version) + kept


def describe(version: ObjectVersion) -> list[tuple[bytes, bytes]]:
    """All headers that tell of an object, without its length."""
    headers = validators(version)
    headers.append((b"Accept-Ranges", b"bytes"))
    stored = version.headers
    if "content-type" not in stored:
        headers.append((b"Content-Type", DEFAULT_TYPE))
    for name, value in stored.items():
        headers.append((STORED.get(name, name.encode()), value.encode("utf-8")))
    for name, value in version.metadata.items():
        headers.append((META + name.encode("utf-8"), value.encode("utf-8")))
    return headers
