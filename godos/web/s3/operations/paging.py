"""Pages of parts."""

from __future__ import annotations

from godos.web.errors import InvalidArgument
from godos.web.s3.call import Request

MOST = 1000  # parts of a page.  Source: Amazon S3 API Reference, ListParts


def page_of_parts(request: Request) -> tuple[int, int]:
    """
    The number after which a page starts, and how many parts it may have.

    Raises:
        InvalidArgument: one of them is negative.
    """
    after, limit = request.get("PartNumberMarker", 0), request.get("MaxParts", MOST)
    if after < 0 or limit < 0:
        raise InvalidArgument("part numbers and numbers of parts are not negative")
    return after, min(limit, MOST)
