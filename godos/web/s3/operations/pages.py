"""Pages of listings: which one a request asks for, and how the next one is found."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from attrs import frozen

from godos.web.errors import InvalidArgument
from godos.web.s3.call import Request

MOST = 1000  # entries of one page.  Source: Amazon S3 API Reference, ListObjectsV2
_TOKEN = b"1"  # form of a continuation token
_PLAIN = re.compile(r"[A-Za-z0-9_.~/-]*")
_ALL_PLAIN = re.compile(r"[A-Za-z0-9_.~/\n-]*")
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@frozen
class Page:
    """Which page of a listing is asked for; names as the client wrote them."""

    prefix: str
    delimiter: str
    limit: int
    encoded: bool

    @property
    def encode(self) -> Callable[[str], str]:
        """How keys and prefixes are written in the answer."""
        return url_encoded if self.encoded else str

    def encode_all(self, names: Sequence[str]) -> Sequence[str]:
        """Each of many names as `encode` writes it."""
        return all_url_encoded(names) if self.encoded else names

    def question(self, limit_member: str) -> dict[str, Any]:
        """What all listings tell of the question."""
        return {
            "Prefix": self.encode(self.prefix),
            limit_member: self.limit,
            "Delimiter": self.encode(self.delimiter) if self.delimiter else None,
            "EncodingType": "url" if self.encoded else None,
        }


def url_encoded(text: str) -> str:
    """Percent-encoded UTF-8; a slash stays, and a space is `%20`."""
    return text if _PLAIN.fullmatch(text) else quote(text, safe="/")


def all_url_encoded(names: Sequence[str]) -> Sequence[str]:
    """Each name `url_encoded`; looked at together, as it takes a third of the time."""
    together = "\n".join(names)
    if _ALL_PLAIN.fullmatch(together) and together.count("\n") < len(names):
        return names
    return [url_encoded(name) for name in names]


def encoded_for_xml(text: str) -> str:
    """As it is, unless no document could hold it so."""
    return quote(text, safe="/") if _NOT_IN_XML.search(text) else text


def page_of(request: Request, limit_member: str) -> Page:
    """
    The page that a request asks for.

    Args:
        limit_member: the member with the number of entries.

    Raises:
        InvalidArgument: a parameter has an impossible value.
    """
    if request.get("EncodingType", "url") not in ("url", ""):
        raise InvalidArgument("encoding-type is url, or is left out")
    return Page(
        request.get("Prefix", ""),
        request.get("Delimiter", ""),
        limit_of(request, limit_member),
        request.get("EncodingType") == "url",
    )


def limit_of(request: Request, member: str, least: int = 0, most: int = MOST) -> int:
    """
    How many entries are asked for, and at most `most`.

    Raises:
        InvalidArgument: fewer than `least`.
    """
    limit: int = request.get(member, most)
    if limit < least:
        raise InvalidArgument(f"{member} is a number from {least} up, and not {limit}")
    return min(limit, most)


# -- where a page goes on ----------------------------------------------------------------
def encode_token(after: str) -> str:
    """A continuation token: opaque to clients, who must not read or make it."""
    return urlsafe_b64encode(_TOKEN + after.encode("utf-8")).decode()


def decode_token(token: str) -> str:
    """
    The place that a continuation token means.

    Raises:
        InvalidArgument: it is none of ours.
    """
    try:
        raw = urlsafe_b64decode(token.encode("ascii"))
        if raw.startswith(_TOKEN) and urlsafe_b64encode(raw).decode() == token:
            return raw[len(_TOKEN) :].decode("utf-8")
    except (NotBase64, ValueError):
        pass  # answered below, like a token of another form
    raise InvalidArgument("the continuation-token is none that a listing gave; start anew")
