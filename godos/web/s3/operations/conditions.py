"""Preconditions: what the request's `If-…` members ask of an object."""

from __future__ import annotations

import re

from godos.model.errors import InvalidRequest, PreconditionFailed
from godos.model.objects import ReadCondition
from godos.model.versions import UNCONDITIONAL, ObjectVersion, WriteCondition
from godos.web.dates import http_date
from godos.web.errors import InvalidArgument, UnsupportedFeature
from godos.web.s3.call import Request

_ETAG = re.compile(r'[\s,]*(W/)?("[^"]*"|[^\s",]+)\s*(?:,|$)')
_NONE = ReadCondition()
_NEW = WriteCondition(if_none_match_any=True)


def parse_etags(text: str, weak: bool) -> tuple[str, ...]:
    """
    Read `"a", W/"b"` or `*`; tags without quotes, as some clients send them, are taken too.

    Args:
        weak: whether weak tags may match; without it they are left out, because the
            comparison is strong.  Source: RFC 9110, section 8.8.3.2.

    Raises:
        InvalidArgument: it is no list of tags.
    """
    if text == "*":
        return ("*",)
    found, place, text = [], 0, text.rstrip(", \t")
    while place < len(text):
        match = _ETAG.match(text, place)
        if match is None:
            raise InvalidArgument('a list of ETags looks like this: "a", "b"')
        place = match.end()
        tag = match[2].strip('"')
        if (weak or match[1] is None) and tag != "*":  # only a bare * means any
            found.append(tag)
    return tuple(found)


def read_condition(request: Request, prefix: str = "") -> ReadCondition:
    """
    The condition of a read.

    Args:
        prefix: `CopySource` for the one on the source of a copy.

    Raises:
        InvalidArgument: a list of ETags cannot be read.
    """
    match, none_match = request.get(prefix + "IfMatch"), request.get(prefix + "IfNoneMatch")
    since = request.get(prefix + "IfModifiedSince")
    unmodified = request.get(prefix + "IfUnmodifiedSince")
    if match is none_match is since is unmodified is None:
        return _NONE
    return ReadCondition(
        None if match is None else parse_etags(match, weak=False),
        None if none_match is None else parse_etags(none_match, weak=True),
        since,
        unmodified,
    )


def write_condition(request: Request) -> WriteCondition:
    """
    The condition of a write.  Source: Amazon S3 User Guide, "Conditional requests".

    Raises:
        UnsupportedFeature: it is one that cannot be kept.
    """
    match, none_match = request.get("IfMatch"), request.get("IfNoneMatch")
    if none_match is None:
        return UNCONDITIONAL if match is None else WriteCondition(if_match=_one_etag(match))
    if match is not None:
        raise InvalidRequest("If-Match and If-None-Match: send one of them")
    if none_match == "*":
        return _NEW
    # beyond S3, which takes * alone.  Source: RFC 9110, section 13.1.2
    return WriteCondition(if_none_match=_one_etag(none_match, "If-None-Match"))


def delete_condition(etag: str | None, modified: float | None, size: int | None) -> WriteCondition:
    """
    What a delete asks of the version that it finds.

    Args:
        modified: seconds since the epoch.
    """
    if etag is None and modified is None and size is None:
        return UNCONDITIONAL
    return WriteCondition(
        if_match=None if etag is None else _one_etag(etag), modified=modified, size=size
    )


def _one_etag(text: str, header: str = "If-Match") -> str:
    tags = parse_etags(text, weak=False)
    if not tags:  # only weak ones came, and those never match
        raise PreconditionFailed(f"{header} on a write takes a strong ETag", header)
    if len(tags) > 1:
        raise UnsupportedFeature(f"{header} on a write takes one ETag, or *")
    return tags[0]


def if_range_holds(raw: bytes, version: ObjectVersion) -> bool:
    """
    Tell whether `If-Range` names this version, so that a part of it is of use.

    Source: RFC 9110, section 13.1.5: a strong tag, or exactly the Last-Modified date.
    """
    return raw in (b'"%s"' % version.etag.encode(), http_date(int(version.modified)))
