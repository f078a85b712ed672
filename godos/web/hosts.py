"""
What the Host header says: nothing, a bucket (virtual-host style), or a bucket's website.

Source: Amazon S3 User Guide, "Virtual hosting of general purpose buckets", "Website endpoints".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from attrs import frozen

from godos.web.exchange import IExchange

_REMEMBERED = 1024  # Host headers


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
        # websites first, for their domain may be below the other
        self._suffixes = [("." + name.lower(), True) for name in website_domains]
        self._suffixes += [("." + name.lower(), False) for name in domains]
        self._read = lru_cache(_REMEMBERED)(self._parse)

    def of(self, exchange: IExchange) -> Host:
        """What the request is addressed to."""
        if not self._suffixes:
            return _PATH_STYLE
        header = exchange.header(b"host")
        return _PATH_STYLE if header is None else self._read(header)

    def _parse(self, header: bytes) -> Host:
        name, colon, port = header.decode("latin-1").lower().rpartition(":")
        if not colon or not port.isdigit():
            name = header.decode("latin-1").lower()
        name = name.rstrip(".")
        for suffix, website in self._suffixes:
            if name.endswith(suffix):
                return Host(name.removesuffix(suffix), website)
        return _PATH_STYLE
