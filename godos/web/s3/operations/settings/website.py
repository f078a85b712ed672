"""How a bucket is shown as a website: its index and error pages, and redirections."""

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
    one_of,
    payload,
    some,
    wrong_argument,
)

MOST_RULES = 50
PROTOCOLS = ("http", "https")
_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_ERROR = re.compile("[45][0-9]{2}")
_REDIRECTION = re.compile("3[0-9]{2}")
_NONE = absence("NoSuchWebsiteConfiguration", "website configuration")


class BucketWebsite:
    """Get-, Put- and DeleteBucketWebsite."""

    def __init__(self, objects: IBuckets) -> None:
        self._documents = Documents(objects, "website")

    def table(self) -> Table:
        """The routes."""
        return {
            "GetBucketWebsite": Route(self.get, Action.GET_WEBSITE),
            "PutBucketWebsite": Route(self.put, Action.PUT_WEBSITE),
            "DeleteBucketWebsite": Route(self.delete, Action.DELETE_WEBSITE),
        }

    async def get(self, call: Call, _: Request) -> Result:
        """What was configured."""
        return dict(await self._documents.get(call.target.bucket, _NONE))

    async def put(self, call: Call, request: Request) -> Result:
        """Show the bucket as a website."""
        document = payload(request, "WebsiteConfiguration")
        check_website(document)
        await self._documents.put(call.target.bucket, document)
        return None

    async def delete(self, call: Call, _: Request) -> Result:
        """Show it as a website no more."""
        await self._documents.delete(call.target.bucket)
        return None


def check_website(document: Document) -> None:
    """
    Raises:
        S3Error: MalformedXML, InvalidArgument, InvalidRequest.  Source: Amazon S3 API
            Reference, PutBucketWebsite.
    """
    elsewhere = document.get("RedirectAllRequestsTo")
    if elsewhere is not None:
        if len(document) > 1:
            raise malformed("RedirectAllRequestsTo goes alone")
        if not elsewhere.get("HostName"):
            raise malformed("RedirectAllRequestsTo has a HostName")
        _check_place(elsewhere)
        return
    suffix = (document.get("IndexDocument") or {}).get("Suffix")
    if suffix is None:
        raise malformed("a website has an IndexDocument with a Suffix, or RedirectAllRequestsTo")
    if not suffix or "/" in suffix:
        raise wrong_argument(
            "the Suffix of IndexDocument is a name without slash", "IndexDocument", suffix
        )
    if "ErrorDocument" in document and not (document["ErrorDocument"] or {}).get("Key"):
        raise malformed("an ErrorDocument has a Key")
    if "RoutingRules" in document:
        for rule in some(document, "RoutingRules", MOST_RULES):
            _check_rule(rule)


def _check_place(place: Document) -> None:
    """Where clients are led; what stands there becomes part of a header."""
    if "Protocol" in place:
        one_of(place, "Protocol", PROTOCOLS)
    host = place.get("HostName")
    if host is not None and _HOST.fullmatch(host) is None:
        raise wrong_argument("HostName is the name of a host, and no more", "HostName", host)


def _check_rule(rule: Document) -> None:
    redirect, condition = rule.get("Redirect"), rule.get("Condition")
    if not redirect:
        raise malformed("a RoutingRule has a Redirect that changes something")
    _check_place(redirect)
    if "ReplaceKeyWith" in redirect and "ReplaceKeyPrefixWith" in redirect:
        raise S3Error(
            "InvalidRequest", "a Redirect has ReplaceKeyWith or ReplaceKeyPrefixWith, not both"
        )
    status = redirect.get("HttpRedirectCode")
    if status is not None and (_REDIRECTION.fullmatch(status) is None or status == "304"):
        raise S3Error("InvalidRequest", "HttpRedirectCode is a status 3XX that redirects")
    if condition is None:
        return
    if not condition:
        raise malformed("a Condition has KeyPrefixEquals or HttpErrorCodeReturnedEquals")
    error = condition.get("HttpErrorCodeReturnedEquals")
    if error is not None and _ERROR.fullmatch(error) is None:
        raise S3Error("InvalidRequest", "HttpErrorCodeReturnedEquals is a status 4XX or 5XX")
