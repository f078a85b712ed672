"""The CORS configuration of a bucket: which pages of other origins may use it."""

from __future__ import annotations

import re

from godos.model.objects import IBuckets
from godos.web.access import Action
from godos.web.errors import S3Error
from godos.web.s3.call import Call, Request, Result, Route, Table
from godos.web.s3.operations.settings.documents import (
    Document,
    Documents,
    absence,
    malformed,
    payload,
    some,
    wrong_argument,
)

MOST_RULES = 100
LONGEST_ID = 255  # characters
METHODS = ("GET", "PUT", "HEAD", "POST", "DELETE")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NO_RULES = absence("NoSuchCORSConfiguration", "CORS configuration")


class BucketCors:
    """Get-, Put- and DeleteBucketCors."""

    def __init__(self, objects: IBuckets) -> None:
        self._documents = Documents(objects, "cors")

    def table(self) -> Table:
        """The routes."""
        return {
            "GetBucketCors": Route(self.get, Action.GET_CORS),
            "PutBucketCors": Route(self.put, Action.PUT_CORS),
            "DeleteBucketCors": Route(self.delete, Action.PUT_CORS),
        }

    async def get(self, call: Call, _: Request) -> Result:
        """The rules."""
        return dict(await self._documents.get(call.target.bucket, _NO_RULES))

    async def put(self, call: Call, request: Request) -> Result:
        """Replace all rules."""
        document = payload(request, "CORSConfiguration")
        for rule in some(document, "CORSRules", MOST_RULES):
            check_rule(rule)
        await self._documents.put(call.target.bucket, document)
        return None

    async def delete(self, call: Call, _: Request) -> Result:
        """Remove all rules."""
        await self._documents.delete(call.target.bucket)
        return None


def check_rule(rule: Document) -> None:
    """
    Raises:
        S3Error: MalformedXML, InvalidRequest, InvalidArgument.  Source: Amazon S3 User
            Guide, "Elements of a CORS configuration".
    """
    if not rule.get("AllowedMethods") or not rule.get("AllowedOrigins"):
        raise malformed("a CORSRule has at least one AllowedMethod and one AllowedOrigin")
    if len(rule.get("ID", "")) > LONGEST_ID:
        raise wrong_argument(f"an ID has at most {LONGEST_ID} characters", "ID", rule["ID"])
    for method in rule["AllowedMethods"]:
        if method not in METHODS:
            raise S3Error(
                "InvalidRequest",
                f"the AllowedMethod {method[:40]!r} is not there: it is one of "
                + ", ".join(METHODS),
            )
    for member in ("AllowedOrigins", "AllowedHeaders"):
        for pattern in rule.get(member, ()):
            if pattern.count("*") > 1:
                raise S3Error(
                    "InvalidRequest",
                    f"{member[:-1]} {pattern[:200]!r} can not have more than one wildcard",
                )
    for name in rule.get("ExposeHeaders", ()):
        if "*" in name or _HEADER.fullmatch(name) is None:  # it becomes part of a header
            raise S3Error(
                "InvalidRequest", f"the ExposeHeader {name[:200]!r} is not the name of a header"
            )
    if rule.get("MaxAgeSeconds", 0) < 0:
        raise wrong_argument(
            "MaxAgeSeconds is not negative", "MaxAgeSeconds", rule["MaxAgeSeconds"]
        )
