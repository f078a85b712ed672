"""
What the Host header says: nothing, a bucket (virtual-host style), or a bucket's website.

Source: Amazon S3 User Guide, "Virtual hosting of general purpose buckets", "Website endpoints".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from attrs import frozen

from godos.web.exchange import IExchange

_REMEMBERED = 1024  # Host headers
_PORT = re.compile(r":[0-9]*\Z")


@frozen
class Host:
    """`bucket` is what stood before one of our domains, "" for path style."""

    bucket: str = ""
    website: bool = False


_PATH_STYLE = Host()


class Hosts:
    """
    Args:
        domains: names below which each name is a bucket; the names themselves are
            addressed in path style.
        website_domains: the same for the buckets' websites.
    """

    def __init__(self, domains: Sequence[str] = (), website_domains: Sequence[str] = ()) -> None:
        kinds = {_plain(name): False for name in domains}
        kinds |= {_plain(name): True for name in website_domains}
        self._domains = frozenset(kinds)
        # one domain may be below another: the longest that fits is meant
        longest_first = sorted(kinds, key=len, reverse=True)
        self._suffixes = [("." + name, kinds[name]) for name in longest_first]
        self._read = lru_cache(_REMEMBERED)(self._parse)

    def of(self, exchange: IExchange) -> Host:
        """What the request is addressed to."""
        if not self._suffixes:
            return _PATH_STYLE
        header = exchange.header(b"host")
        return _PATH_STYLE if header is None else self._read(header)

    def _parse(self, header: bytes) -> Host:
        name = _plain(_PORT.sub("", header.decode("latin-1")))
        if name in self._domains:
            return _PATH_STYLE
        for suffix, website in self._suffixes:
            bucket = name.removesuffix(suffix)
            if bucket and bucket != name:
                return Host(bucket, website)
        return _PATH_STYLE


def _plain(name: str) -> str:
    """A name as it is compared: DNS knows no case, and a dot at the end is the root."""
    return name.lower().removesuffix(".")
